"""A process that can be recognised again: a number alone may belong to another one by now."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path

from vmpod.dataclass import dataclass

_START_TIME_FIELD = 22 - 3  # of /proc/PID/stat, counted from what follows the name


@dataclass(frozen=True)
class Process:
    """A process by its number and the moment it started (clock ticks since boot)."""

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> Process | None:
        """The process that has the number now; None if there is none, or it is a zombie."""
        try:
            stat = Path(f"/proc/{pid}/stat").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            return None
        # The name, in parentheses, may hold any bytes.
        fields = stat.rpartition(b")")[2].split()
        return None if fields[0] in b"ZX" else cls(pid, int(fields[_START_TIME_FIELD]))

    def alive(self) -> bool:
        """Whether it still runs."""
        return Process.of(self.pid) == self

    def end(self, *, timeout: float = 10.0) -> bool:
        """Kill it, and wait until it is gone; whether it is. No error if it has ended already."""
        try:
            pidfd = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return True
        try:
            # Only now is it certain that the number cannot change hands.
            if not self.alive():
                return True
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            return bool(select.select([pidfd], [], [], timeout)[0])
        except ProcessLookupError:
            return True
        finally:
            os.close(pidfd)

    def terminate(self) -> None:
        """Ask it to end (SIGTERM). No error if it has ended already."""
        try:
            pidfd = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return
        try:
            if self.alive():
                signal.pidfd_send_signal(pidfd, signal.SIGTERM)
        except ProcessLookupError:
            return
        finally:
            os.close(pidfd)

    def wait(self, timeout: float | None) -> bool:
        """Wait until it is gone, at most that many seconds; whether it is."""
        try:
            pidfd = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return True
        try:
            return not self.alive() or bool(select.select([pidfd], [], [], timeout)[0])
        finally:
            os.close(pidfd)


def found_in_arguments(texts: Iterable[str]) -> set[str]:
    """Those of the texts that are in an argument of some process but this one."""
    lines = b"\0".join(arguments for _, arguments in command_lines())
    return {text for text in texts if os.fsencode(text) in lines}


def command_lines() -> Iterator[tuple[int, bytes]]:
    """(pid, arguments) of every process but this one; each argument ends with a NUL."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                yield int(entry.name), (entry / "cmdline").read_bytes()
            except OSError:
                continue  # it has ended, or is hidden from us
