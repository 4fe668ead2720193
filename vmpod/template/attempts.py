"""What becomes of templates that are made in the background, where nobody reads what goes wrong.

    <state>/template-attempts/<accelerator>-<MiB>m-<CPUs>c-<shares>s

The maker's stderr, and a lock that lasts as long as the maker does. It goes when a template of that size is
there. So a file that nobody holds is of an attempt that has failed, or was killed.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vmpod.dataclass import dataclass
from vmpod.lock import held
from vmpod.plan.model import Machine
from vmpod.plan.template import share_places
from vmpod.text import printable

KEPT = 8
"""Of so many sizes, the newest, the last attempt is known."""
_READ = 64 * 1024
_NAME = re.compile(r"(kvm|tcg)-(\d+)m-(\d+)c-(\d+)s")


@dataclass(frozen=True)
class Attempt:
    """One that has failed.

    size: the machine's, in words; ended: seconds since the epoch; why: on one line; text: all that was said.
    """

    size: str
    ended: float
    why: str
    text: str


@contextmanager
def attempt(directory: Path, machine: Machine) -> Iterator[int]:
    """A descriptor for the stderr of who makes the template of a machine. Raises OSError."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for old in sorted(_files(directory), key=_moment, reverse=True)[KEPT - 1 :]:
        if not held(old):
            old.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC
    log = os.open(_path(directory, machine), flags, 0o600)
    try:
        # Where several are at it, all but one wait, and then have nothing to do.
        with suppress(BlockingIOError):
            fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield log
    finally:
        os.close(log)


def succeeded(directory: Path, machine: Machine) -> None:
    """Forget what went wrong before: the template is there."""
    with suppress(OSError):
        _path(directory, machine).unlink(missing_ok=True)


def failed(directory: Path) -> list[Attempt]:
    """The last attempt of each size that has failed, the newest first."""
    found = []
    for path in sorted(_files(directory), key=_moment, reverse=True):
        if path.exists() and not held(path):
            text = _tail(path)
            found.append(Attempt(_size(path.name), _moment(path), _why(text), text))
    return found


def _path(directory: Path, machine: Machine) -> Path:
    shares = share_places(len(machine.shares))
    return directory / f"{machine.accelerator}-{machine.memory >> 20}m-{machine.cpus}c-{shares}s"


def _files(directory: Path) -> list[Path]:
    there = directory.iterdir() if directory.is_dir() else ()
    return [path for path in there if _NAME.fullmatch(path.name)]


def _tail(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _READ))
            return file.read(_READ).decode(errors="replace")
    except OSError:
        return ""


def _moment(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0  # it has just gone


def _size(name: str) -> str:
    found = _NAME.fullmatch(name)
    assert found
    accelerator, memory, cpus, shares = found.groups()
    return f"{memory} MiB, {cpus} CPUs, {shares} shares ({accelerator})"


def _why(text: str) -> str:
    """The message of the error that it ended with, or the last line of a traceback."""
    lines = [printable(line).strip() for line in text.splitlines() if line.strip()]
    told = [line.removeprefix("vmpod: ") for line in lines if line.startswith("vmpod: ")]
    return told[-1] if told else lines[-1] if lines else "it was killed"
