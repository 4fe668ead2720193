"""The program made of system calls, run for real on the host where that does no harm."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from vmpod.guestimage.init import PYTHON, init_steps
from vmpod.guestimage.steps import Step, program

WRITE, MKDIR, EXECVE, EXIT = 1, 83, 59, 60


def run(steps: list[Step], directory: Path) -> subprocess.CompletedProcess[bytes]:
    path = directory / "program"
    path.write_bytes(program(steps))
    path.chmod(0o755)
    return subprocess.run([path], cwd=directory, capture_output=True, timeout=20, check=False)


def test_steps_run_in_order(tmp_path: Path) -> None:
    steps = [Step(WRITE, (1, "one ", 4)), Step(WRITE, (1, "two", 3)), Step(EXIT, (7,))]
    done = run(steps, tmp_path)
    assert (done.stdout, done.returncode) == (b"one two", 7)


def test_lists_of_strings_reach_the_next_program(tmp_path: Path) -> None:
    argv = ("/bin/sh", "-c", 'echo "$0 $WORD"; pwd', "name")
    steps = [
        Step(MKDIR, ("made", 0o755), "cannot make it"),
        Step(80, ("made",), "cannot enter it"),
        Step(EXECVE, (argv[0], argv, ("WORD=word", "PATH=/bin")), "cannot start it"),
    ]
    assert run(steps, tmp_path).stdout.decode().split() == ["name", "word", str(tmp_path / "made")]


def test_a_step_without_a_message_may_fail(tmp_path: Path) -> None:
    assert run([Step(MKDIR, ("/", 0o755)), Step(EXIT, (3,))], tmp_path).returncode == 3


def test_a_failure_is_told_with_its_errno(tmp_path: Path) -> None:
    # What follows the message would turn the machine off: only where the kernel refuses that to us (EPERM)
    # and where the program then stands still can it be run, so a namespace of its own stands between.
    path = tmp_path / "program"
    path.write_bytes(program([Step(MKDIR, ("/", 0o755), "cannot make the root")]))
    path.chmod(0o755)
    # In a PID namespace other than the first, reboot(2) only kills the namespace's init.
    argv = ["unshare", "--user", "--map-root-user", "--pid", "--fork", str(path)]
    done = subprocess.run(argv, capture_output=True, timeout=20, check=False)
    assert done.stdout == b"vmpod-init: FAILED: cannot make the root: errno 017\n"
    assert done.returncode != 0


def test_init_loads_drivers_before_it_mounts_and_ends_in_the_agent() -> None:
    steps = init_steps(["/modules/a.ko", "/modules/b.ko"])
    opened = [step.arguments[0] for step in steps if step.number == 2]
    assert opened == ["/modules/a.ko", "/modules/b.ko"]
    first_mount = next(number for number, step in enumerate(steps) if step.number == 165)
    assert all(number < first_mount for number, step in enumerate(steps) if step.number == 313)
    assert steps[-1].arguments[1] == PYTHON
    assert len(program(steps)) < os.sysconf("SC_PAGE_SIZE") * 3
