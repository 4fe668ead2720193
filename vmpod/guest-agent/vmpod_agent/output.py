"""Carries what a container writes from its pipe to the journal."""

from __future__ import annotations

import os

from vmpod_agent.loop import READ

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from vmpod_agent.journal import RunLog
    from vmpod_agent.loop import Loop

    class Listener(Protocol):
        """Somebody who watches a run of a container."""

        @property
        def full(self) -> bool:
            """Whether it has as much as it can hold."""

        def output(self, stream: str, data: bytes) -> None:
            """What the container has written to 'stdout' or 'stderr'."""

        def ended(self, code: int) -> None:
            """The run has ended with that exit code."""


_CHUNK = 64 * 1024
_TAIL_BYTES, _TAIL_LINES = 2048, 80  # Kubernetes, "Determine the Reason for Pod Failure"


class Capture:
    """Reads one pipe to its end. A container that writes faster than the host stores waits.

    listeners: who else gets what is read; while one of them is full nothing more is.
    """

    def __init__(
        self,
        loop: Loop,
        fd: int,
        log: RunLog,
        *,
        stream: str,
        ended: Callable[[], None],
        listeners: list[Listener],
    ) -> None:
        self.ended = False
        self._loop = loop
        self._fd = fd
        self._log = log
        self._stream = stream
        self._when_ended = ended
        self._listeners = listeners
        os.set_blocking(fd, False)
        loop.watch(fd, READ, self._readable)

    def resume(self) -> None:
        """Read on, unless somebody still has too much."""
        if not self.ended and not any(each.full for each in self._listeners):
            self._loop.watch(self._fd, READ, self._readable)

    def _readable(self, _events: int) -> None:
        try:
            data = os.read(self._fd, _CHUNK)
        except BlockingIOError:
            return  # woken for a descriptor that had this number before
        except OSError:
            data = b""  # EIO: the last process has closed its terminal
        if data:
            self._log.write(self._stream, data)
            for listener in list(self._listeners):
                listener.output(self._stream, data)
            if any(each.full for each in self._listeners):
                self._loop.forget(self._fd)
            return
        self._loop.forget(self._fd)
        os.close(self._fd)
        self.ended = True
        self._when_ended()


class Tail:
    """The end of what a container has written, for want of last words."""

    full = False

    def __init__(self) -> None:
        self._kept = b""

    def output(self, _stream: str, data: bytes) -> None:
        """See Listener."""
        self._kept = (self._kept + data)[-_TAIL_BYTES:]

    def ended(self, _code: int) -> None:
        """See Listener."""

    def last(self) -> bytes:
        """The last lines, as many as the kubelet takes."""
        return b"".join(self._kept.splitlines(keepends=True)[-_TAIL_LINES:])
