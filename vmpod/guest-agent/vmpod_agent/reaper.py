"""The single owner of every ended child.

A child is adopted in the same turn of the loop that started it, so its end cannot be missed.
"""

from __future__ import annotations

import os

from vmpod_agent.loop import guarded
from vmpod_agent.signals import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from vmpod_agent.loop import Loop


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
        loop.on_signal(signal.SIGCHLD, self.reap)

    def adopt(self, pid: int, ended: Callable[[ExitStatus], None]) -> None:
        """Call ended(status) when the process, a child that was started in this turn, ends."""
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
            if ended := self._adopted.pop(pid, None):
                status = ExitStatus(wait_status)
                # The other children that ended with this one come after it, whatever happens here.
                guarded(lambda ended=ended, status=status: ended(status))  # type: ignore[misc]
