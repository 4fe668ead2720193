"""Method ssh, where there is no machine around it: a server that is played, in directories of a test."""

from __future__ import annotations

import base64
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.agent.harness import Host, StandInServices, run_until
from tests.unit.agent.standins import Agent, StandInPod, error
from vmpod.wire import frames, messages
from vmpod.wire.frames import Frame
from vmpod_agent import cgroups, layout
from vmpod_agent.loop import Loop
from vmpod_agent.methods import ssh

KEYS = {"hostKey": base64.b64encode(b"secret").decode(), "clientKey": "ssh-ed25519 AAAA"}


class World:
    """Where keys and cgroups are. server: what is run for a connection, instead of dropbear."""

    def __init__(self, top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.keys = top / "keys"
        self.groups = top / "cgroup"
        self.killed: list[str] = []
        self.members: dict[str, int] = {}
        monkeypatch.setattr(layout, "CGROUPS", str(self.groups))
        monkeypatch.setattr(layout, "SSH", str(self.keys))
        monkeypatch.setattr(layout, "HOME", str(top / "home"))
        monkeypatch.setattr(ssh, "_HOST_KEY", f"{self.keys}/host_key")
        monkeypatch.setattr(ssh, "_CLIENT_KEY", f"{self.keys}/authorized_keys")
        monkeypatch.setattr(ssh, "_SERVER", ["/bin/cat"])
        monkeypatch.setattr(ssh, "_HOME", str(top / "home"))
        # What would be mounted below the home.
        (top / "home").mkdir()
        (self.keys).mkdir(mode=0o700)
        (top / "home/.ssh").symlink_to(self.keys)
        monkeypatch.setattr(cgroups, "add", self._add)
        monkeypatch.setattr(cgroups, "kill", self._kill)

    def files(self) -> set[str]:
        return {path.name for path in self.keys.iterdir()}

    def sessions(self) -> list[str]:
        return sorted(path.name for path in (self.groups / "ssh").iterdir())

    def _add(self, group: str, pid: int) -> None:
        assert Path(layout.cgroup(group)).is_dir()
        self.members[group] = pid

    def _kill(self, group: str) -> None:
        self.killed.append(group)
        os.kill(self.members[group], signal.SIGKILL)


@pytest.fixture
def world(
    agent: Agent, services: StandInServices, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    agent.services = services
    agent.pod = StandInPod()
    yield World(tmp_path, monkeypatch)
    ssh._sessions.clear()


def test_a_session_from_beginning_to_end(world: World, host: Host, loop: Loop) -> None:
    host.request(1, messages.SSH, **KEYS)
    assert host.answer(1) == {"connected": True}
    assert (world.keys / "host_key").read_bytes() == b"secret"
    assert (world.keys / "authorized_keys").read_text() == KEYS["clientKey"]
    assert {path.stat().st_mode & 0o777 for path in world.keys.iterdir()} == {0o600}
    host.input(1, b"there and back")
    run_until(loop, lambda: host.output(1) == b"there and back")
    host.send(Frame(frames.EOF, 1))
    run_until(loop, lambda: host.of(1, frames.END))
    assert host.exit_code(1) == 0
    assert world.files() == set()
    assert world.sessions() == []
    assert world.killed == []


def test_keys_go_with_the_last_session(world: World, host: Host, loop: Loop) -> None:
    before = set(os.listdir("/proc/self/fd"))
    for stream in (1, 2):
        host.request(stream, messages.SSH, **KEYS)
    host.send(Frame(frames.EOF, 1))
    run_until(loop, lambda: host.of(1, frames.END))
    assert world.files() == {"host_key", "authorized_keys"}
    assert len(world.sessions()) == 1
    host.send(Frame(frames.EOF, 2))
    run_until(loop, lambda: host.of(2, frames.END))
    assert world.files() == set()
    assert set(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("how", ["cancel", "gone"])
def test_without_its_client_all_of_the_session_is_killed(
    how: str, world: World, host: Host, loop: Loop
) -> None:
    host.request(1, messages.SSH, **KEYS)
    if how == "cancel":
        host.send(Frame(frames.CANCEL, 1))
    else:
        host.session.client_gone()
    run_until(loop, lambda: not ssh._sessions)
    assert len(world.killed) == 1
    assert world.files() == set()
    assert world.sessions() == []


def test_a_server_that_cannot_be_started(world: World, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    before = set(os.listdir("/proc/self/fd"))
    monkeypatch.setattr(ssh, "_SERVER", ["/nothing/there"])
    host.request(1, messages.SSH, **KEYS)
    assert error(host, 1)[0] == messages.FAILED
    assert world.files() == set()
    assert world.sessions() == []
    assert set(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"hostKey": "", "clientKey": "x"},
        {"hostKey": "x" * 5000, "clientKey": "x"},
        {"hostKey": "=", "clientKey": "x"},
        {"hostKey": KEYS["hostKey"], "clientKey": 1},
    ],
)
def test_what_is_no_key_is_refused(keys: dict[str, object], world: World, host: Host) -> None:
    host.request(1, messages.SSH, **keys)
    assert error(host, 1)[0] == messages.BAD_REQUEST
    assert world.files() == set()


def test_before_the_pod_there_is_nobody_to_visit(world: World, host: Host, agent: Agent) -> None:
    agent.pod = None
    host.request(1, messages.SSH, **KEYS)
    assert error(host, 1)[0] == messages.NOT_RUNNING


def test_a_server_that_is_reading_a_key_reads_all_of_it(tmp_path: Path) -> None:
    """Another session, begun at the same time, brings the same key again."""
    path = tmp_path / "host_key"
    ssh.put(str(path), b"secret")
    with path.open("rb") as reading:
        ssh.put(str(path), b"another")
        assert reading.read() == b"secret"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["host_key"]
