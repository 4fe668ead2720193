"""Host commands: they die with us, and their failures are explained."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vmpod import run
from vmpod.errors import CommandError, HostError
from vmpod.process import Process

ROOT = Path(__file__).parents[2]
STARTERS = {
    "run": "run.run([{words}])",
    "popen": "run.popen([{words}]).wait()",
    "family": "run.popen([{words}], family=True).wait()",
}


def children(pid: int) -> list[int]:
    """All processes below one."""
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    below = [int(word) for word in listed.read_text().split()] if listed.exists() else []
    return below + [each for child in below for each in children(child)]


def wait_for(count: int, pid: int) -> list[int]:
    end = time.monotonic() + 20
    while len(found := children(pid)) < count and time.monotonic() < end:
        time.sleep(0.02)
    return found


@pytest.mark.parametrize("how", STARTERS)
def test_a_command_dies_with_us(how: str) -> None:
    family = how == "family"
    if family and not run.can_hold_family():
        pytest.skip("needs root, and a host that lets it make namespaces")
    words = "'sh', '-c', 'sleep 1000 & wait'" if family else "'sleep', '1000'"
    code = "from vmpod import run\n" + STARTERS[how].format(words=words)
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT) as us:
        found = [Process.of(pid) for pid in wait_for(3 if family else 1, us.pid)]
        assert len(found) == (3 if family else 1)
        time.sleep(0.3)  # until it is past setpriv and the shell
        us.send_signal(signal.SIGKILL)
    end = time.monotonic() + 10
    while any(each and each.alive() for each in found) and time.monotonic() < end:
        time.sleep(0.02)
    assert not any(each and each.alive() for each in found)


def test_a_command_whose_starter_is_gone_does_not_begin(tmp_path: Path) -> None:
    argv = run._dying_with_us(["touch", str(tmp_path / "file")], run.environment())
    subprocess.run(argv, check=True)
    assert (tmp_path / "file").exists()
    (tmp_path / "file").unlink()
    argv[argv.index(str(os.getpid()))] = "1"
    assert subprocess.run(argv, check=False).returncode == 1
    assert not (tmp_path / "file").exists()


def test_a_command_s_output_and_end_are_told(tmp_path: Path) -> None:
    assert run.run(["cat"], input=b"words") == b"words"
    assert run.run(["pwd"], cwd=tmp_path) == f"{tmp_path}\n".encode()
    with pytest.raises(CommandError, match=r"^sh -c 'echo no >&2; exit 3': failed with status 3:\nno$"):
        run.run(["sh", "-c", "echo no >&2; exit 3"])
    with pytest.raises(CommandError, match="killed by signal 9"):
        run.run(["sh", "-c", "kill -9 $$"])
    with pytest.raises(CommandError, match="no end after"):
        run.run(["sleep", "100"], timeout=0.2)


def test_a_missing_program_is_named() -> None:
    for start in (run.run, run.popen):
        with pytest.raises(HostError, match="'no-such-program' is not installed"):
            start(["no-such-program"])
