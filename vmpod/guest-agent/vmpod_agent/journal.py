"""Writes events and output to the host's journal files through virtio-serial ports."""

from __future__ import annotations

import os
import time

from vmpod.wire import journal
from vmpod.wire.messages import dump
from vmpod_agent.loop import WRITE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from vmpod.wire.events import Event
    from vmpod_agent.loop import Loop

_HIGH_WATER = 256 * 1024


class Journal:
    """A journal port. Lines are never cut or reordered; writing never blocks.

    A source of much output asks `full` and waits with `when_drained`, so that memory stays bounded.
    """

    def __init__(self, loop: Loop, fd: int) -> None:
        self._loop = loop
        self._fd = fd
        self._pending = bytearray()
        self._waiting: list[Callable[[], None]] = []
        os.set_blocking(fd, False)

    @property
    def full(self) -> bool:
        """Whether more lines wait for the host than should."""
        return len(self._pending) > _HIGH_WATER

    def when_drained(self, resume: Callable[[], None]) -> None:
        """Call back once everything has been written."""
        self._waiting.append(resume)

    def event(self, event: Event) -> None:
        """Record an event of the pod."""
        moment = journal.timestamp(time.time_ns())
        # JSON escapes newlines, and an event's strings are bounded by who makes them.
        self._write(
            journal.encode(
                journal.Entry(moment, journal.POD_SOURCE, "event", dump(dict(event)), partial=False)
            )
        )

    def output(self, source: str, stream: str, data: bytes) -> None:
        """Record what a container wrote."""
        moment = journal.timestamp(time.time_ns())
        lines = [
            journal.encode(journal.Entry(moment, source, stream, content, partial=partial))
            for content, partial in journal.split_output(data)
        ]
        self._write(b"".join(lines))

    def flush(self) -> None:
        """Write all that waits, blocking; for the moment before the machine goes off."""
        os.set_blocking(self._fd, True)
        while self._pending:
            del self._pending[: os.write(self._fd, self._pending)]

    def _write(self, data: bytes) -> None:
        idle = not self._pending
        self._pending += data
        if idle:
            self._push()

    def _push(self, _events: int = 0) -> None:
        while self._pending:
            try:
                del self._pending[: os.write(self._fd, self._pending)]
            except BlockingIOError:
                self._loop.watch(self._fd, WRITE, self._push)
                return
        self._loop.forget(self._fd)
        waiting, self._waiting = self._waiting, []
        for resume in waiting:
            resume()
