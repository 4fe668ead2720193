"""The single owner of every ended child.

A child is adopted in the same turn of the loop that started it, so its end cannot be missed. Ends of
processes that nobody has adopted yet are kept a while: `crun run --detach` leaves its container's
first process to PID 1, which learns its number only afterwards, perhaps when it has already ended.
"""

from __future__ import annotations

import os

from vmpod_agent.loop import guarded
from vmpod_agent.signals import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from vmpod_agent.loop import Loop

_KEPT = 256


class ExitStatus:
    """How a process ended: code is its own, or 128 and the number of the signal that killed it."""

    __slots__ = ("code", "signal")

    def __init__(self, wait_status: int) -> None:
        code = os.waitstatus_to_exitcode(wait_status)
        self.signal = -code if code < 0 else 0
        self.code = 128 - code if code < 0 else code


class Reaper:
    """Waits for all children of this process."""

    def __init__(self, loop: Loop) -> None:
        self._adopted: dict[int, Callable[[ExitStatus], None]] = {}
        self._orphans: dict[int, ExitStatus] = {}
        loop.on_signal(signal.SIGCHLD, self.reap)

    def adopt(self, pid: int, ended: Callable[[ExitStatus], None]) -> None:
        """Call ended(status) when the process ends, or now if it has already."""
        if (status := self._orphans.pop(pid, None)) is not None:
            ended(status)
        else:
            self._adopted[pid] = ended

    def reap(self) -> None:
        """Collect every child that has ended."""
        while True:
            try:
                pid, wait_status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._ended(pid, ExitStatus(wait_status))

    def _ended(self, pid: int, status: ExitStatus) -> None:
        if ended := self._adopted.pop(pid, None):
            # The other children that ended with this one come after it, whatever happens here.
            guarded(lambda: ended(status))
            return
        self._orphans[pid] = status
        if len(self._orphans) > _KEPT:
            del self._orphans[next(iter(self._orphans))]
