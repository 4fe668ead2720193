"""Records of pods that have no machine: gone, half made, damaged, ended; and what makes trouble."""

from __future__ import annotations

import json
import stat
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest

from tests.schemas import check
from tests.unit.runtime.test_runtime_redact import SECRET
from tests.unit.state.records import agent, ended, keep, one, output_line, record, whole
from vmpod.errors import HostError, NotFoundError
from vmpod.process import Process
from vmpod.runtime.context import Runtime
from vmpod.runtime.diag import archive, files
from vmpod.runtime.diag.archive import Archive, MissingError
from vmpod.runtime.diag.recorder import Options, record_failure
from vmpod.runtime.diag.recorder import record as write
from vmpod.runtime.diag.redact import Redactor
from vmpod.runtime.diag.subject import find, find_something
from vmpod.spec.load import load

PASSWORD = "correct horse battery"


Found = dict[str, str]


def recorded(runtime: Runtime, key: str, target: Path, **options: Any) -> Found:
    """The files of a record, by name."""
    write(runtime, find_something(runtime, key), target, options=Options(**options))
    return unpacked(target)


def unpacked(target: Path) -> Found:
    found = {}
    with tarfile.open(target, "r:gz") as tar:
        for member in tar:
            assert member.isreg()
            assert member.mode == 0o644
            top, _, name = member.name.partition("/")
            assert top == target.name.partition(".")[0]
            content = tar.extractfile(member)
            assert content
            found[name] = content.read().decode()
    return found


def missing(found: Found) -> dict[str, str]:
    """What could not be had, and why."""
    return {each["file"]: each["error"] for each in json.loads(found["index.json"])["parts"] if each["error"]}


def test_an_ended_pod(runtime: Runtime, tmp_path: Path) -> None:
    lines = [
        *output_line("a/0", b"hello"),
        *output_line("a/1", b"again"),
        *output_line("b/0", b"\x1b[31m\xff"),
    ]
    entry = keep(
        runtime.pods, record(qemu=Process(1, 1)), agent(), one("a", ended(3)), whole("Failed"), output=lines
    )
    entry.console.write_text("kernel\nvmpod-agent: 1.0 s: Booted\n  at x.py:1 f\n")
    found = recorded(runtime, "web", tmp_path / "r.tar.gz")
    check(json.loads(found["index.json"]))
    assert found["containers/a.log"].endswith(" stdout again\n")
    assert found["containers/a.previous.log"].endswith(" stdout hello\n")
    assert found["containers/b.log"].endswith(" stdout ?[31m\ufffd\n")
    assert "Container a ended with exit code 3" in found["pod/events.txt"]
    assert json.loads(found["pod/inspect.json"])["pod"]["status"]["phase"] == "Failed"
    assert found["machine/agent.log"] == "vmpod-agent: 1.0 s: Booted\n  at x.py:1 f\n"
    assert "kind: Pod" in found["pod/manifest.yaml"]
    assert json.loads(found["host/versions.json"])["python"]
    check(json.loads(found["host/doctor.json"]))
    assert json.loads(found["host/facts.json"])["memory"]["MemTotal"] > 0
    gone = missing(found)
    assert gone["guest/dmesg.txt"] == "the pod's machine does not run"
    assert gone["machine/process.txt"] == "no QEMU runs with the pod's disks"
    assert "its machine has ended" in found["README.txt"]
    assert all(name in found["README.txt"] for name in [*gone, *(name for name in found if "/" in name)])
    assert stat.S_IMODE((tmp_path / "r.tar.gz").stat().st_mode) == 0o600


def test_a_pod_whose_start_failed_has_left_a_log_alone(runtime: Runtime, tmp_path: Path) -> None:
    failures = tmp_path / "state/failures"
    failures.mkdir(parents=True)
    (failures / "web.log").write_text("--- console\nKernel panic\n")
    found = recorded(runtime, "web", tmp_path / "r.tar.gz")
    assert found["failed-start.log"] == "--- console\nKernel panic\n"
    assert "its start failed" in missing(found)["pod/manifest.yaml"]
    with pytest.raises(NotFoundError, match="no log of a start"):
        find_something(runtime, "other")


def test_a_pod_that_is_half_made_or_damaged(runtime: Runtime, tmp_path: Path) -> None:
    half = runtime.pods.directory("half")
    half.mkdir(parents=True)
    (half / "console.log").write_text("so far\n")
    found = recorded(runtime, "half", tmp_path / "half.tar.gz")
    assert found["machine/console.log"] == "so far\n"
    assert "a command that was making or removing it was killed" in found["README.txt"]
    entry = keep(runtime.pods, record())
    (entry.directory / "pod.json").write_text("{")
    assert "is damaged" in recorded(runtime, "web", tmp_path / "damaged.tar.gz")["README.txt"]


def secretive(runtime: Runtime, **fields: Any) -> None:
    message = ended(1, message=f"it said {PASSWORD}")
    keep(
        runtime.pods,
        record(secrets=True, qemu=Process(1, 1), **fields),
        agent(),
        one("a", message),
        whole("Failed"),
        output=output_line("a/0", f"pw {PASSWORD}".encode()),
    )


def test_words_of_containers_are_withheld_while_secrets_are_not_known(
    runtime: Runtime, tmp_path: Path
) -> None:
    secretive(runtime)
    found = recorded(runtime, "web", tmp_path / "r.tar.gz")
    assert "standard input" in missing(found)["containers/a.log"]
    assert "Take care: the pod was run from standard input" in found["README.txt"]
    assert not [name for name, text in found.items() if PASSWORD in text]
    assert "[withheld]" in found["pod/events.txt"]
    # Unless somebody wants them, or says where the Secrets are.
    assert PASSWORD in recorded(runtime, "web", tmp_path / "r.tar.gz", with_logs=True)["containers/a.log"]
    manifest = tmp_path / "pod.yaml"
    manifest.write_text(SECRET)
    told = recorded(runtime, "web", tmp_path / "r.tar.gz", file=manifest)
    assert told["containers/a.log"].endswith(" stdout pw [redacted]\n")
    assert not [name for name, text in told.items() if PASSWORD in text]
    assert json.loads(told["index.json"])["secrets"]["known"] >= 1


def test_a_failure_is_recorded_with_its_error(runtime: Runtime, tmp_path: Path) -> None:
    said: list[str] = []
    error = HostError(f"it failed for {PASSWORD}", hint="a hint")
    manifest = load(SECRET, source="x")
    record_failure(runtime, "web", error, directory=tmp_path / "a/b", manifest=manifest, say=said.append)
    (target,) = (tmp_path / "a/b").iterdir()
    assert said == [f"what is known of the failure is in {target}"]
    assert json.loads(unpacked(target)["error.json"]) == {
        "code": "host",
        "message": "it failed for [redacted]",
        "hint": "a hint",
    }
    (tmp_path / "file").touch()
    record_failure(runtime, "web", None, directory=tmp_path / "file/x", manifest=manifest, say=said.append)
    assert "cannot be written to" in said[-1]


def test_what_takes_too_long_or_breaks_costs_no_other_part(tmp_path: Path) -> None:
    def broken() -> str:
        raise ValueError("a secret: abc?token=hush")

    def absent() -> str:
        raise MissingError("there is none")

    def slow() -> str:
        time.sleep(60)
        return ""

    begin = time.monotonic()
    with (tmp_path / "r.tar.gz").open("wb") as output:
        made = Archive(output, "r", Redactor([]))
        for name, collect in {"slow": slow, "broken": broken, "absent": absent, "well": lambda: "x"}.items():
            made.collect(name, collect, seconds=0.2)
        made.close({}, "readme")
    assert time.monotonic() - begin < 30
    found = unpacked(tmp_path / "r.tar.gz")
    assert found["well"] == "x\n"
    assert missing(found) == {
        "slow": "it was not there after 0.2 s",
        "broken": "ValueError: a secret: abc?token=[redacted]",
        "absent": "there is none",
    }


def test_a_big_log_is_cut_at_a_line_and_that_is_said(
    runtime: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "_MOST", 10_000)
    path = tmp_path / "log"
    path.write_text("".join(f"line {number}\n" for number in range(10_000)))
    cut = files.tail(path, margin=5, limit=1000)
    assert cut.note == f"the last 1000 bytes of {path.stat().st_size}"
    assert cut.text.startswith("line 9")
    assert cut.text.endswith("line 9999\n")
    assert len(cut.text) > 900
    # Of a line without an end, what could be a part of a secret goes.
    path.write_text("x" * 5000)
    assert files.tail(path, margin=30, limit=1000).text == "x" * 970


def test_a_record_does_not_disturb_what_it_is_of(runtime: Runtime, tmp_path: Path) -> None:
    keep(runtime.pods, record(qemu=Process(1, 1)), agent())
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "state").rglob("*")}
    write(runtime, find(runtime, "web"), tmp_path / "r.tar.gz", options=Options())
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "state").rglob("*")} == before
