"""Runs a command again and again, each time killed at another of its steps (killer/sitecustomize.py)."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.machine.harness import CHECKOUT, LIMIT, Vmpod

_KILLER = Path(__file__).parent / "killer"

_KEPT = (
    *("data/libvirt-cache/", "data/images/locks/", "data/images/lock", "data/images/users", "data/guests/"),
    "state/failures",
)
"""Caches and locks that stay: what libvirt knows of QEMU, which costs 5 seconds to find out; the few hundred
files that image commands lock, which nobody holds. Guest images are looked at by a test of their own. And the
logs of machines that did not come up, of which 20 stay."""


class Walker:
    """Kills commands of one home. A step that was killed at in one command is not again in the next.

    VMPOD_WALK=all: every command is killed at all of its steps, which takes three times as long.
    """

    def __init__(self, vmpod: Vmpod) -> None:
        self.vmpod = vmpod
        self._log = vmpod.home.with_suffix(".steps")
        self._done: set[str] = set()

    def steps(self, *words: str) -> list[str]:
        """Run the command to its end; its steps, in order, that are still to be killed at."""
        self._log.unlink(missing_ok=True)
        done = self._run(words, KILLER_LOG=str(self._log))
        assert done.returncode == 0, done.stderr.decode()
        found = self._log.read_text().splitlines()
        self._log.unlink()
        assert len(found) > 1, "a command without steps changes nothing, or is not seen"
        left = [step for step in found if os.environ.get("VMPOD_WALK") == "all" or step not in self._done]
        self._done.update(found)
        return left

    def forget(self) -> None:
        """Have steps be killed at once more."""
        self._done.clear()

    def kill(self, step: str, *words: str) -> bool:
        """Run the command and kill it at the step; whether it came to it."""
        done = self._run(words, KILLER_STEP=step)
        assert done.returncode in (0, -signal.SIGKILL), done.stderr.decode()
        return done.returncode != 0

    def kill_child(self, step: str, *words: str) -> subprocess.CompletedProcess[bytes]:
        """Run the command and kill only its child at the step."""
        return self._run(words, KILLER_STEP=step, KILLER_ALONE="1")

    def _run(self, words: tuple[str, ...], **settings: str) -> subprocess.CompletedProcess[bytes]:
        path = f"{_KILLER}:{CHECKOUT}"
        vmpod = dataclasses.replace(
            self.vmpod, environment={**self.vmpod.environment, "PYTHONPATH": path, **settings}
        )
        return subprocess.run(
            vmpod.argv(*words),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=vmpod.variables(),
            cwd="/",
            timeout=LIMIT,
            check=False,
        )


def listing(home: Path, *living: str) -> set[str]:
    """All that there is of a home: files, processes that have to do with it, locks that are held.

    living: names of pods, and of directories with sockets, in which things may change.
    """
    own = [f"state/pods/{name}/" for name in living] + [f"run/{name}/" for name in living]
    paths = {path.relative_to(home).as_posix() for path in home.rglob("*")}
    found = {path for path in paths if not path.startswith((*_KEPT, *own))}
    found |= {f"process {line}" for line in _processes(str(home))}
    return found | {f"lock on {name}" for name in _locks(home)}


def _processes(home: str) -> Iterator[str]:
    """The processes that have the home in their arguments, or a file of it open."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                arguments = (entry / "cmdline").read_bytes()
                opened = [str(path.readlink()) for path in (entry / "fd").iterdir()]
            except OSError:
                continue
            if os.fsencode(f"{home}/") in arguments or any(each.startswith(f"{home}/") for each in opened):
                yield f"{entry.name} {arguments[:60]!r}"


def _locks(home: Path) -> set[str]:
    """The files on which somebody holds a lock, by flock(2)."""
    held = {
        line.split()[5].rpartition(":")[2]
        for line in Path("/proc/locks").read_text().splitlines()
        if " FLOCK " in line
    }
    found = set()
    for path in home.rglob("*"):
        try:
            if str(path.lstat().st_ino) in held:
                found.add(path.relative_to(home).as_posix())
        except FileNotFoundError:
            continue
    return found
