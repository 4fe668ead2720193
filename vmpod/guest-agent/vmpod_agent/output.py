"""Carries what a container writes from its pipe to the journal."""

from __future__ import annotations

import os

from vmpod_agent.loop import READ

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from vmpod_agent.journal import Journal
    from vmpod_agent.loop import Loop

_CHUNK = 64 * 1024


class Capture:
    """Reads one pipe to its end. When the journal is full it waits, and so, in time, does the writer."""

    def __init__(
        self,
        loop: Loop,
        fd: int,
        output: Journal,
        *,
        source: str,
        stream: str,
        ended: Callable[[], None],
    ) -> None:
        self.ended = False
        self._loop = loop
        self._fd = fd
        self._output = output
        self._source = source
        self._stream = stream
        self._when_ended = ended
        os.set_blocking(fd, False)
        self._resume()

    def _resume(self) -> None:
        self._loop.watch(self._fd, READ, self._readable)

    def _readable(self, _events: int) -> None:
        try:
            data = os.read(self._fd, _CHUNK)
        except BlockingIOError:
            return  # woken for a descriptor that had this number before
        if not data:
            self._loop.forget(self._fd)
            os.close(self._fd)
            self.ended = True
            self._when_ended()
            return
        self._output.output(self._source, self._stream, data)
        if self._output.full:
            self._loop.forget(self._fd)
            self._output.when_drained(self._resume)
