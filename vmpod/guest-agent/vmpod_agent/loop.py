"""One thread, one epoll: file descriptors, timers and child processes.

A PID 1 that never blocks has no use for threads; and a process without threads may fork safely.
"""

from __future__ import annotations

import heapq
import itertools
import os
import select
import time

from vmpod_agent.console import report
from vmpod_agent.signals import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_LONGEST_WAIT = 3600.0  # seconds; epoll counts milliseconds in an int

READ = select.EPOLLIN
WRITE = select.EPOLLOUT
EDGE = select.EPOLLET
HANGUP = select.EPOLLHUP | select.EPOLLERR


class Timer:
    """A call to be made once, unless it is cancelled."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Never make the call."""
        self.callback = None


class Loop:
    """Calls back when something happens. A callback that raises is reported and does no other harm."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._handlers: dict[int, Callable[[int], None]] = {}
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._running = True

    def watch(self, fd: int, events: int, handler: Callable[[int], None]) -> None:
        """Call handler(events) when the descriptor is ready. Watching it again replaces both."""
        if fd in self._handlers:
            self._epoll.modify(fd, events)
        else:
            self._epoll.register(fd, events)
        self._handlers[fd] = handler

    def forget(self, fd: int) -> None:
        """Stop watching the descriptor; to be called before it is closed."""
        if self._handlers.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Make the call after that many seconds."""
        timer = Timer(callback)
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._order), timer))
        return timer

    def on_signal(self, number: int, handler: Callable[[], None]) -> None:
        """Call the handler, in the loop, some time after the signal has come."""
        if not hasattr(self, "_wakeup"):
            self._wakeup, write_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
            signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
            self._signals: dict[int, Callable[[], None]] = {}
            self.watch(self._wakeup, READ, self._take_signals)
        self._signals[number] = handler
        # The C-level handler writes to the pipe; Python's own has nothing left to do.
        signal.signal(number, lambda _number, _frame: None)

    def _take_signals(self, _events: int) -> None:
        for number in set(os.read(self._wakeup, 4096)):
            if handler := self._signals.get(number):
                handler()

    def stop(self) -> None:
        """Let run() return."""
        self._running = False

    def run(self) -> None:
        """Serve until stop()."""
        while self._running:
            self.run_once()

    def finish(self, done: Callable[[], bool], seconds: float) -> None:
        """Serve on until done() is true, at most so long."""
        expired: list[bool] = []
        limit = self.call_later(seconds, lambda: expired.append(True))
        while not done() and not expired:
            self.run_once()
        limit.cancel()

    def run_once(self) -> None:
        """Wait for what happens next, and handle it."""
        for fd, events in self._epoll.poll(self._until_next_timer()):
            # An earlier handler of this round may have closed the descriptor.
            if handler := self._handlers.get(fd):
                guarded(lambda handler=handler, events=events: handler(events))  # type: ignore[misc]
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            _, _, timer = heapq.heappop(self._timers)
            if timer.callback:
                guarded(timer.callback)

    def _until_next_timer(self) -> float:
        while self._timers and self._timers[0][2].callback is None:
            heapq.heappop(self._timers)
        if not self._timers:
            return -1.0
        return min(_LONGEST_WAIT, max(0.0, self._timers[0][0] - time.monotonic()))


def guarded(callback: Callable[[], None]) -> None:
    """Make a call; an exception is reported and goes no further."""
    try:
        callback()
    except Exception as error:  # PID 1 must live on, whatever one handler did
        report(f"internal error: {type(error).__name__}: {error}", error)
