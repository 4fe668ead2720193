"""What the agent writes to the journal disk, and what the host reads there: on a file in its place."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.agent.harness import run_until
from vmpod.plan.loglimits import LogLimits
from vmpod.runtime.disks import make_journal_disk
from vmpod.state import journal as host
from vmpod.wire import logdisk
from vmpod.wire.logdisk import DiskError, Layout
from vmpod_agent.journal import EventJournal, JournalDisk, RunLog
from vmpod_agent.loop import READ, Loop
from vmpod_agent.output import Capture
from vmpod_agent.process import pipe

SMALL = LogLimits(logdisk.MIN_SIZE, 3)


class Journal:
    """A disk for two containers, at both its ends."""

    def __init__(self, path: Path, limits: LogLimits = SMALL) -> None:
        self.path = path
        self.layout = Layout(2, limits.size, limits.files)
        make_journal_disk(path, 2, limits)
        self.fd = os.open(path, os.O_RDWR)
        self.disk = JournalDisk(self.fd)
        self.lost: list[str] = []

    def log(self, container: int = 0, run: int = 0) -> RunLog:
        made = RunLog(self.disk, container, run, self.lost.append)
        made.begin()
        return made

    def reader(self) -> host.OutputReader:
        return host.OutputReader(host.Disk(self.path, self.layout), ["a", "b"])

    def output(self, source: str = "a/0") -> bytes:
        return b"".join(each.data() for each in self.reader().read() if each.source == source)

    def events(self) -> list[dict[str, Any]]:
        return [event for _, event in host.events(host.Disk(self.path, self.layout))]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal(tmp_path / "journal.raw")
    yield made
    os.close(made.fd)


def capture(loop: Loop, log: RunLog, stream: str = "stdout") -> tuple[Capture, int]:
    read_end, write_end = pipe()
    return Capture(loop, read_end, log, stream=stream, ended=lambda: None, listeners=[]), write_end


def test_two_streams_are_told_apart(loop: Loop, journal: Journal) -> None:
    log = journal.log()
    captures = [capture(loop, log, stream) for stream in ("stdout", "stderr")]
    for (_, write_end), text in zip(captures, (b"out\n", b"err"), strict=True):
        os.write(write_end, text)
        os.close(write_end)
    run_until(loop, lambda: all(each.ended for each, _ in captures))
    found = {(each.source, each.stream, each.content, each.partial) for each in journal.reader().read()}
    assert found == {("a/0", "stdout", b"out", False), ("a/0", "stderr", b"err", True)}


def test_a_spurious_wake_is_no_error(loop: Loop, journal: Journal) -> None:
    captured, write_end = capture(loop, journal.log())
    captured._readable(READ)
    assert not captured.ended
    os.close(write_end)
    run_until(loop, lambda: captured.ended)


def test_a_thousand_runs_that_write_and_end_lose_no_byte(loop: Loop, tmp_path: Path) -> None:
    """Each writes more than a pipe holds, and ends at once; it is read while the next one writes."""
    journal = Journal(tmp_path / "many.raw", LogLimits(logdisk.MIN_SIZE * 4, 2))
    reader = journal.reader()
    source = tmp_path / "big"
    source.write_bytes(
        b"".join(b"line %d %s\n" % (number, b"x" * (number % 199)) for number in range(1200)) + b"end"
    )
    argv = ["/bin/cat", str(source)]
    for run in range(1000):
        captured, write_end = capture(loop, journal.log(run=run))
        pid = os.posix_spawn(argv[0], argv, {}, file_actions=[(os.POSIX_SPAWN_DUP2, write_end, 1)])
        os.close(write_end)
        run_until(loop, lambda captured=captured: captured.ended)  # type: ignore[misc]
        os.waitpid(pid, 0)
        found = list(reader.read())
        assert {each.source for each in found} == {f"a/{run}"}
        assert b"".join(each.data() for each in found) == source.read_bytes()


def test_output_is_bounded_and_what_is_left_is_the_newest(journal: Journal) -> None:
    log = journal.log()
    written = b"".join(b"%07d %s\n" % (number, b"x" * 100) for number in range(20_000))
    for at in range(0, len(written), 50_000):
        log.write("stdout", written[at : at + 50_000])
    assert journal.path.stat().st_size == journal.layout.total
    assert journal.path.stat().st_blocks * 512 < 4 * SMALL.size
    kept = journal.output()
    assert written.endswith(kept)
    assert len(kept) > (SMALL.files - 1) * SMALL.size * 0.6
    assert kept[:7].isdigit()


def test_runs_keep_apart_and_the_one_before_stays(journal: Journal) -> None:
    for run in range(4):
        journal.log(run=run).write("stdout", b"run %d\n" % run)
    journal.log(1).write("stdout", b"other\n")
    found = {(each.source, each.content) for each in journal.reader().read()}
    assert found == {("a/2", b"run 2"), ("a/3", b"run 3"), ("b/0", b"other")}
    disk = host.Disk(journal.path, journal.layout)
    assert (host.newest_run(disk, 0), host.newest_run(disk, 1)) == (3, 0)


def test_another_machine_of_the_pod_goes_on_where_it_was(journal: Journal) -> None:
    journal.log().write("stdout", b"first\n")
    EventJournal(journal.disk).event({"kind": "pod", "phase": "Running", "ready": True})
    again = JournalDisk(journal.fd)
    EventJournal(again).event({"kind": "pod", "phase": "Failed", "ready": False})
    RunLog(again, 0, 1, journal.lost.append).write("stdout", b"second\n")
    assert [each["phase"] for each in journal.events()] == ["Running", "Failed"]
    assert [each.content for each in journal.reader().read()] == [b"first", b"second"]


def test_the_state_can_be_told_after_any_number_of_events(journal: Journal) -> None:
    """The oldest events go, and what was told once and never again is told anew."""
    events = EventJournal(journal.disk)
    events.event({"kind": "agent", "reason": "Booted", "message": "", "uptime": 1.0, "boot": 1})
    state: Any = {"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": "", "finishedAt": ""}}
    events.event(
        {
            "kind": "container",
            "name": "a",
            "init": True,
            "restarts": 0,
            "state": state,
            "last": None,
            "started": False,
            "ready": True,
        }
    )
    for number in range(60_000):
        events.event(
            {
                "kind": "container",
                "name": "b",
                "init": False,
                "restarts": number,
                "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "m" * 100}},
                "last": None,
                "started": False,
                "ready": False,
            }
        )
    found = journal.events()
    assert len(found) < 60_000
    # The newest segment alone says it all.
    booted = [number for number, each in enumerate(found) if each.get("reason") == "Booted"]
    newest = found[booted[-1] :]
    assert [each.get("state") for each in newest if each.get("name") == "a"] == [state]
    assert newest[-1]["restarts"] == 59_999


def test_an_event_always_fits_into_a_line(journal: Journal) -> None:
    from vmpod.wire.messages import clipped  # noqa: PLC0415

    text = clipped("\U0001f600\n" * 5000, 4096)
    ended: Any = {"exitCode": 128, "reason": "StartError", "startedAt": "", "finishedAt": "", "message": text}
    EventJournal(journal.disk).event(
        {
            "kind": "container",
            "name": "n" * 63,
            "init": False,
            "restarts": 2**31,
            "state": {"terminated": ended},
            "last": ended,
            "started": False,
            "ready": False,
        }
    )
    (event,) = journal.events()
    assert event["last"]["message"] == text


def test_a_host_without_room_costs_output_and_says_so(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    log, real = journal.log(), os.pwrite

    def full(_fd: int, _data: bytes, _at: int) -> int:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "pwrite", full)
    log.write("stdout", b"lost\n")
    log.write("stdout", b"lost\n")
    EventJournal(journal.disk).event({"kind": "pod", "phase": "Running", "ready": True})
    assert capfd.readouterr().err.count("cannot be stored on the host") == 2
    monkeypatch.setattr(os, "pwrite", real)
    log.write("stdout", b"kept\n")
    assert journal.output() == b"kept\n"
    assert journal.lost == ["10 bytes of output could not be stored on the host"]


def test_the_heartbeat_changes_the_disk(journal: Journal) -> None:
    before = journal.path.read_bytes()
    journal.disk.beat()
    assert journal.path.read_bytes() != before


@pytest.mark.parametrize("content", [b"", bytes(8192), b"vmpodlog" + b"\2\0\0\0" + bytes(8192)])
def test_a_disk_that_is_none_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "disk"
    path.write_bytes(content)
    fd = os.open(path, os.O_RDWR)
    try:
        with pytest.raises(DiskError):
            JournalDisk(fd)
    finally:
        os.close(fd)
