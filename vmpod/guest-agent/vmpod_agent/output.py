"""Carries what a container writes from its pipe to the journal."""

from __future__ import annotations

import os

from vmpod_agent.loop import READ

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from vmpod_agent.journal import RunLog
    from vmpod_agent.loop import Loop

_CHUNK = 64 * 1024


class Capture:
    """Reads one pipe to its end. A container that writes faster than the host stores waits."""

    def __init__(
        self,
        loop: Loop,
        fd: int,
        log: RunLog,
        *,
        stream: str,
        ended: Callable[[], None],
    ) -> None:
        self.ended = False
        self._loop = loop
        self._fd = fd
        self._log = log
        self._stream = stream
        self._when_ended = ended
        os.set_blocking(fd, False)
        loop.watch(fd, READ, self._readable)

    def _readable(self, _events: int) -> None:
        try:
            data = os.read(self._fd, _CHUNK)
        except BlockingIOError:
            return  # woken for a descriptor that had this number before
        if data:
            self._log.write(self._stream, data)
            return
        self._loop.forget(self._fd)
        os.close(self._fd)
        self.ended = True
        self._when_ended()
