"""Locks between processes, and processes that are recognised again."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.state.records import keep, record, store
from vmpod import lock
from vmpod.errors import ConflictError
from vmpod.process import Process, found_in_arguments
from vmpod.state.store import PodEntry

ROOT = Path(__file__).parents[3]
HOLD = """\
import sys
import threading
from pathlib import Path
from vmpod.lock import locked
with locked(Path(sys.argv[1]), "it"):
    print("held", flush=True)
    sys.stdin.read()
"""
COUNT = """\
import sys
import threading
from pathlib import Path
from vmpod.lock import locked
path, counter = Path(sys.argv[1]), Path(sys.argv[2])
for _ in range(100):
    with locked(path, "it"):
        counter.write_text(str(int(counter.read_text()) + 1))
"""


@contextmanager
def holder(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that holds the lock."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        try:
            yield process
        finally:
            process.kill()


def test_two_processes_never_hold_it_at_once(tmp_path: Path) -> None:
    path = tmp_path / "locks/x"
    with holder(path):
        assert lock.held(path)
        expected = pytest.raises(ConflictError, match="another vmpod command is working on the pod x")
        with expected, lock.locked(path, "the pod x", timeout=0.1):
            pass
        assert lock.try_lock(path) is None


def test_it_ends_with_its_process_however_that_ends(tmp_path: Path) -> None:
    path = tmp_path / "x"
    with holder(path) as process:
        process.kill()
        process.wait()
        assert not lock.held(path)
        with lock.locked(path, "x", timeout=60.0):
            assert lock.held(path)


def test_it_leaves_no_file(tmp_path: Path) -> None:
    path = tmp_path / "locks/x"
    assert not lock.held(path)
    with lock.locked(path, "x"):
        assert path.exists()
    assert not path.exists()
    assert not lock.held(path)


def test_a_lock_on_a_file_that_was_removed_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x"
    real = fcntl.flock

    def remove_first(fd: int, operation: int) -> None:
        # The last holder lets go between our open and our lock.
        path.unlink()
        real(fd, operation)

    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", remove_first)
        assert lock.try_lock(path) is None
    held = lock.try_lock(path)
    assert held is not None
    os.close(held)


def test_many_processes_count_right(tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0")
    processes = [
        subprocess.Popen([sys.executable, "-c", COUNT, str(tmp_path / "lock"), str(counter)], cwd=ROOT)
        for _ in range(3)
    ]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert counter.read_text() == "300"


def test_asking_whether_it_is_held_takes_nothing_away(tmp_path: Path) -> None:
    path = tmp_path / "x"
    with lock.locked(path, "x"):
        assert all(lock.held(path) for _ in range(3))
    path.touch()
    assert not lock.held(path)
    assert path.exists()


def test_a_pod_whose_lock_is_held_is_being_started(tmp_path: Path) -> None:
    pods = store(tmp_path)
    entry = keep(pods, record())
    assert pods.status(entry).reason == "StartFailed"
    with pods.locked(entry.record.key):
        assert pods.status(entry).phase == "Pending"


# Processes.


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "1000"]) as process:
        yield process
        process.kill()


def found(process: subprocess.Popen[bytes]) -> Process:
    seen = Process.of(process.pid)
    assert seen is not None
    return seen


def test_a_process_is_recognised(sleeper: subprocess.Popen[bytes]) -> None:
    assert found(sleeper).alive()
    assert found(sleeper) == found(sleeper)
    assert found(sleeper) != Process(sleeper.pid, 1)


def test_a_number_that_another_process_has_now_is_dead(sleeper: subprocess.Popen[bytes]) -> None:
    old = Process(sleeper.pid, found(sleeper).started - 1)
    assert not old.alive()
    assert old.wait(60.0)
    assert old.end()
    assert sleeper.poll() is None, "the other process was killed"


def test_a_zombie_is_dead(sleeper: subprocess.Popen[bytes]) -> None:
    process = found(sleeper)
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert not process.alive()
    assert Process.of(sleeper.pid) is None
    assert process.end()
    assert process.wait(60.0)


def test_no_process_is_dead() -> None:
    assert Process.of(2**22 + 1) is None
    gone = Process(2**22 + 1, 1)
    assert not gone.alive()
    assert gone.end()
    assert gone.wait(60.0)


def test_ending_kills_and_waits(sleeper: subprocess.Popen[bytes]) -> None:
    process = found(sleeper)
    assert not process.wait(0.0)
    assert process.end()
    assert sleeper.wait() == -signal.SIGKILL


def test_any_name_of_a_program_is_read(tmp_path: Path) -> None:
    for name in (b"\xff\xfe) S 1", b") (", b"a b c"):
        program = tmp_path / os.fsdecode(name)
        program.symlink_to("/bin/sleep")
        with subprocess.Popen([program, "1000"]) as process:
            while Path(f"/proc/{process.pid}/comm").read_bytes().rstrip(b"\n") != name[:15]:
                time.sleep(0.001)
            assert found(process).alive()
            process.kill()


def test_processes_are_found_by_an_argument(tmp_path: Path) -> None:
    text = str(tmp_path)
    assert found_in_arguments([text]) == set()
    with subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()", text], stdin=subprocess.PIPE
    ) as process:
        while not found_in_arguments([text]):
            time.sleep(0.001)
        assert found_in_arguments([text, f"{text}/x"]) == {text}
        process.kill()


def test_a_pod_that_is_being_copied_is_waited_for_and_one_that_is_paused_is_not(tmp_path: Path) -> None:
    pods = store(tmp_path)
    paused = record(qemu=Process.of(os.getpid()), paused=True)
    entry = keep(pods, paused)
    with pytest.raises(ConflictError, match="is paused"):
        pods.find_awake("web")
    asked = threading.Event()

    def ask() -> PodEntry:
        asked.set()
        return pods.find_awake("web")

    with ThreadPoolExecutor() as threads, pods.locked(entry.record.key):
        found = threads.submit(ask)
        asked.wait()
        pods.save(replace(entry, record=replace(paused, paused=False)))
    assert not found.result().record.paused
