"""What the agent tells of its machine: here of this host, as far as it is alike."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import pytest

from tests.unit.agent.harness import Host, StandInServices, run_until
from tests.unit.agent.standins import Agent, error
from vmpod.wire import frames, messages
from vmpod_agent import diagnosis, layout
from vmpod_agent.loop import Loop
from vmpod_agent.secrets import Secrets


@pytest.fixture
def asked(agent: Agent, host: Host, services: StandInServices) -> Host:
    agent.services = services
    services.secrets = Secrets({"env/a/PW": "hunter2-value"})  # type: ignore[attr-defined]
    return host


def told(host: Host, loop: Loop, part: str) -> tuple[str, str, int]:
    """Its text, its words, and how it ended."""
    host.request(1, messages.DIAGNOSE, part=part)

    def ended() -> object:
        host.grant()
        return host.of(1, frames.END)

    run_until(loop, ended)
    return host.output(1).decode(), host.output(1, frames.STDERR).decode(), host.exit_code(1)


def test_a_part_is_sent_without_secrets(asked: Host, loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(diagnosis.PARTS, "system", lambda: "x" * 300_000 + " pw hunter2-value\n")
    assert told(asked, loop, "system") == ("x" * 300_000 + " pw [redacted]\n", "", 0)


def test_a_part_that_cannot_be_read_says_why(
    asked: Host, loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails() -> str:
        raise OSError(13, "Permission denied", "/dev/kmsg")

    monkeypatch.setitem(diagnosis.PARTS, "dmesg", fails)
    text, words, status = told(asked, loop, "dmesg")
    assert (text, status) == ("", 1)
    assert "Permission denied" in words


def test_a_part_that_nobody_knows_is_refused(asked: Host) -> None:
    asked.request(1, messages.DIAGNOSE, part="moon")
    assert error(asked, 1)[0] == messages.BAD_REQUEST


def test_a_client_that_goes_takes_the_child_with_it(
    asked: Host, loop: Loop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def endless() -> str:
        (tmp_path / "pid").write_text(str(os.getpid()))
        while True:
            pass

    monkeypatch.setitem(diagnosis.PARTS, "system", endless)
    asked.request(1, messages.DIAGNOSE, part="system")
    run_until(loop, lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    asked.session.client_gone()
    pid = int((tmp_path / "pid").read_text())
    run_until(loop, lambda: not Path(f"/proc/{pid}").exists())


@pytest.mark.parametrize(
    "form", ["hunter2-value", base64.b64encode(b"hunter2-value").decode()], ids=["itself", "base64"]
)
def test_secrets_are_known_as_they_are_sent(form: str) -> None:
    # A variable's value is sent as it is, a file's as base64.
    for sent in ("hunter2-value", base64.b64encode(b"hunter2-value").decode()):
        assert diagnosis.cleaned(f"a {form} b", [sent]) == b"a [redacted] b"
    assert diagnosis.cleaned("yes and no", ["no", "", "\n"]) == b"yes and no"
    assert len(diagnosis.cleaned("x" * 5_000_000, [])) == 1024 * 1024


def test_processes_are_told_with_their_arguments_and_without_their_environment() -> None:
    lines = diagnosis.processes().splitlines()
    (own,) = [line for line in lines if line.split()[0] == str(os.getpid())]
    assert own.split()[1] == str(os.getppid())
    assert "python" in own or "pytest" in own


def test_sockets_are_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    assert diagnosis._address("0100007F:1F90") == "127.0.0.1:8080"
    assert diagnosis._address("00000000000000000000000001000000:0016") == (
        "[0000:0000:0000:0000:0000:0000:0000:0001]:22"
    )
    table = "  sl  local_address\n   0: 0100007F:1F90 00000000:0000 0A 00000000:00000001 0:0 0  1000"
    monkeypatch.setattr(diagnosis, "_read", lambda _path, _limit=0: table)
    assert "127.0.0.1:8080 0.0.0.0:0 LISTEN queues 00000000:00000001 uid 1000" in diagnosis._sockets("tcp")


def test_figures_of_cgroups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    group = tmp_path / layout.POD / "a-0"
    group.mkdir(parents=True)
    for name in ("memory.current", "cgroup.procs", "cpu.stat", "memory.reclaim"):
        (group / name).write_text(f"of {name}\n")
    monkeypatch.setattr(layout, "CGROUPS", str(tmp_path))
    found = diagnosis.cgroups()
    assert f"### {group}/memory.current\nof memory.current\n" in found
    assert "cpu.stat" in found
    assert "procs" not in found
    assert "reclaim" not in found


@pytest.mark.parametrize("part", ["system", "disks", "network"])
def test_every_part_tells_something(part: str) -> None:
    found: Any = diagnosis.PARTS[part]()
    assert "### " in found
    assert len(found) > 200
