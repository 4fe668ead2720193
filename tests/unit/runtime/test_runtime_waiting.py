"""Waiting for machines, and ending them: with processes in their place."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.runtime.machines import in_place_of_qemu, process_of
from tests.unit.state.records import RUNNING, agent, ended, keep, one, output_line, record, whole
from vmpod.errors import ConflictError, MachineError, NotFoundError, TimeoutExpiredError
from vmpod.files import abandoned
from vmpod.process import Process
from vmpod.runtime import remove
from vmpod.runtime.context import Runtime
from vmpod.runtime.follow import Selection, explanation, output, wait_until
from vmpod.runtime.foreground import Foreground, check_distinct
from vmpod.runtime.wait import wait_for
from vmpod.wire.journal import Entry

# Waiting.


def waiting(ready: Callable[[], bool], *, alive: bool = True, timeout: float = 60.0) -> None:
    wait_for(
        ready,
        alive=lambda: alive,
        timeout=timeout,
        ended=lambda: MachineError("ended"),
        late=lambda: TimeoutExpiredError("late"),
    )


def test_waiting_ends_when_it_is_ready() -> None:
    answers = iter([False, False, True])
    waiting(lambda: next(answers))


def test_a_machine_that_ends_meanwhile_is_no_machine() -> None:
    with pytest.raises(MachineError, match="ended"):
        waiting(lambda: False, alive=False)


def test_a_machine_that_ends_ready_is_ready() -> None:
    answers = iter([False, True])
    waiting(lambda: next(answers), alive=False)


def test_time_runs_out() -> None:
    with pytest.raises(TimeoutExpiredError, match="late"):
        waiting(lambda: False, timeout=0.01)


def test_a_state_is_waited_for(runtime: Runtime, machine: subprocess.Popen[bytes]) -> None:
    entry = keep(runtime.pods, record(qemu=process_of(machine)), agent(), whole("Running", ready=True))
    assert wait_until(runtime, entry, lambda status: status.ready, timeout=60.0).ready
    assert not wait_until(runtime, entry, lambda status: status.ended, timeout=0.0).ended
    machine.kill()
    assert wait_until(runtime, entry, lambda _: False, timeout=60.0).reason == "MachineDied"


def test_failures_are_explained(runtime: Runtime) -> None:
    entry = keep(runtime.pods, record(qemu=Process(1, 1)))
    assert "the machine ended without the pod having ended" in explanation(entry, runtime.pods.status(entry))
    entry = keep(
        runtime.pods,
        record("said"),
        one("a", ended(127, "StartError", message="no such thing")),
        whole("Failed"),
    )
    assert explanation(entry, runtime.pods.status(entry)) == "container a: no such thing"
    well = [one(name, ended(0)) for name in ("i", "a", "b")]
    entry = keep(runtime.pods, record("well"), *well, whole("Succeeded"))
    assert explanation(entry, runtime.pods.status(entry)) == ""


# Output in the foreground.


def test_output_is_followed_to_its_end(runtime: Runtime) -> None:
    lines = output_line("a/0", b"one") + output_line("b/0", b"two")
    entry = keep(runtime.pods, record(qemu=Process(1, 1)), output=lines)
    assert [each.content for each in output(runtime, entry, Selection(), follow=True)] == [b"one", b"two"]
    assert [each.content for each in output(runtime, entry, Selection(frozenset("b")))] == [b"two"]


def test_an_interruption_loses_no_output(runtime: Runtime, machine: subprocess.Popen[bytes]) -> None:
    lines = [line for n in range(10) for line in output_line("a/0", b"%d" % n)]
    entry = keep(runtime.pods, record(qemu=process_of(machine)), output=lines)
    seen: list[bytes] = []

    def show(_entry: object, each: Entry) -> None:
        seen.append(each.content)
        if each.content == b"3":
            raise KeyboardInterrupt

    watched = Foreground(runtime, [entry], show)
    with pytest.raises(KeyboardInterrupt):
        watched.watch()
    watched.kill()
    assert watched.watch()
    assert seen == [b"%d" % n for n in range(10)]
    assert runtime.pods.status(entry).ended


def test_a_deadline_leaves_the_pod_running(runtime: Runtime, machine: subprocess.Popen[bytes]) -> None:
    entry = keep(runtime.pods, record(qemu=process_of(machine)))
    assert not Foreground(runtime, [entry], lambda *_: None).watch(deadline=0.0)
    assert entry.alive()


def test_pods_of_one_manifest_have_names_of_their_own() -> None:
    check_distinct(["a", "b", "shop_a"])
    with pytest.raises(ConflictError, match="two pods called a"):
        check_distinct(["a", "b", "a"])


# Stopping and removing.


def test_a_pod_that_runs_is_removed_by_force_alone(
    runtime: Runtime, machine: subprocess.Popen[bytes]
) -> None:
    sockets = runtime.pods.sockets(record().uid)
    sockets.mkdir(parents=True)
    entry = keep(runtime.pods, record(qemu=process_of(machine), sockets=sockets), agent(), one("a", RUNNING))
    with pytest.raises(ConflictError, match="the pod web is running"):
        remove.remove_pod(runtime, "web")
    assert entry.alive()
    remove.remove_pod(runtime, "web", force=True)
    assert machine.wait(60) == -9
    assert not entry.directory.exists()
    assert not sockets.exists()
    with pytest.raises(NotFoundError):
        remove.remove_pod(runtime, "web", force=True)


def test_a_full_disk_does_not_keep_a_pod(
    runtime: Runtime, machine: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = keep(runtime.pods, record(qemu=process_of(machine)), agent(), one("a", RUNNING))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("vmpod.state.record.save", full)
    remove.remove_pod(runtime, "web", force=True)
    assert machine.wait(60) == -9
    assert not entry.directory.exists()


def test_a_machine_that_was_not_written_down_yet_is_ended_too(
    runtime: Runtime, machine: subprocess.Popen[bytes]
) -> None:
    process_of(machine)
    while record().uid.encode() not in Path(f"/proc/{machine.pid}/cmdline").read_bytes():
        pass
    keep(runtime.pods, record())
    remove.remove_pod(runtime, "web", force=True)
    assert machine.wait(60) == -9


def test_a_machine_that_does_not_answer_is_ended_in_the_end(
    runtime: Runtime, machine: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remove, "MARGIN", 0.1)
    entry = keep(runtime.pods, record(qemu=process_of(machine), sockets=Path("/nonexistent")), agent())
    remove.stop_pod(runtime, "web", grace=0)
    assert machine.wait(60) == -9
    found = runtime.pods.find("web")
    assert found.record == replace(entry.record, stopped=True)
    assert runtime.pods.status(found).reason == "Killed"


def test_a_machine_whose_record_is_damaged_is_ended_too(
    runtime: Runtime, machine: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    """With its sockets; but not the machine of a pod of that name in another home."""
    entry = keep(runtime.pods, record())
    other = keep(runtime.pods, record("other", uid="fedcba98-0000", sockets=tmp_path / "run/fedcba980000"))
    (entry.directory / "pod.json").write_text("{")
    for name in ("123456781234", "fedcba980000"):
        (tmp_path / "run" / name).mkdir(parents=True)
    with in_place_of_qemu("web", tmp_path / "elsewhere") as neighbour:
        for each in (machine, neighbour):
            while b"boot.iso" not in Path(f"/proc/{each.pid}/cmdline").read_bytes():
                pass
        remove.remove_pod(runtime, "web", force=True)
        assert machine.wait(60) == -9
        assert neighbour.poll() is None
    assert not entry.directory.exists()
    assert [path.name for path in (tmp_path / "run").glob("????????????")] == ["fedcba980000"]
    assert other.directory.exists()


def test_what_a_killed_command_was_writing_is_told(tmp_path: Path) -> None:
    """From what a living one writes."""
    code = (
        "import os; from pathlib import Path; from vmpod import files; "
        "os.fsync = lambda _: os.kill(os.getpid(), 9)"
    )
    subprocess.run(
        [sys.executable, "-c", f"{code}; files.write_atomically(Path('a'), b'')"],
        cwd=tmp_path,
        check=False,
        env={"PYTHONPATH": str(Path(__file__).parents[3])},
    )
    (tmp_path / f".a.{os.getpid()}.xyz").touch()
    (tmp_path / "a").touch()
    (found,) = abandoned(tmp_path)
    assert found.name.startswith(".a.")
    assert str(os.getpid()) not in found.name.split(".")


def test_a_host_command_ends_with_us(tmp_path: Path) -> None:
    """Also when we are killed with SIGKILL."""
    told = tmp_path / "pid"
    script = f"echo $$ > {told}.new; mv {told}.new {told}; exec sleep 1000"
    code = f"from vmpod.run import run; run(['sh', '-c', {script!r}])"
    with subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[3]) as process:
        while not told.exists():
            time.sleep(0.01)
        child = Process.of(int(told.read_text()))
        assert child
        process.kill()
        process.wait()
        assert child.wait(10.0)


def test_while_another_command_works_on_a_pod_it_waits(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vmpod import lock  # noqa: PLC0415

    entry = keep(runtime.pods, record(qemu=Process(1, 1)))
    real = lock.locked
    monkeypatch.setattr("vmpod.lock.locked", lambda path, what: real(path, what, timeout=0.1))
    with runtime.pods.locked("web"), pytest.raises(ConflictError, match="is working on the pod web"):
        remove.remove_pod(runtime, "web")
    assert entry.directory.exists()


def test_images_in_use_are_those_of_all_pods(runtime: Runtime) -> None:
    keep(runtime.pods, record("a", images=("sha256:1", "sha256:2")))
    keep(runtime.pods, record("b", images=("sha256:2",)))
    assert runtime.images_in_use() == {"sha256:1", "sha256:2"}
