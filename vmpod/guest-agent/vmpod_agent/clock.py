"""Keeps the guest's clock on the host's, without a host process that would have to tell it.

While the host sleeps, or the machine is paused, the guest's time stands still; and when the host's clock
is set, the guest's is not. But the machine's real-time clock is emulated, and shows the host's time all
the while. It shows whole seconds only, so it is looked at in the middle of one of ours: if it shows the
same second, we are less than half a second off. If not, its next tick tells the time exactly.

The ioctl and its structure are from linux/rtc.h. QEMU: `-rtc clock=host`, the default.
"""

from __future__ import annotations

import fcntl
import os
import struct
import time

from vmpod_agent.console import report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from vmpod_agent.loop import Loop

DEVICE = "/dev/rtc0"
PERIOD = 4
"""Seconds between two looks: with the search for a tick, skew is gone 6 s after it has come."""

_SECOND = 10**9  # in nanoseconds
_RTC_RD_TIME = 0x80247009
_TIME = struct.Struct("9i")  # struct rtc_time: second, minute, hour, day, month from 0, years since 1900, ...
_POLL = 0.01  # seconds between two reads while a tick is awaited
_POLLS = 200  # after which the clock must have stopped


class HardwareClock:
    """The machine's real-time clock. It can be opened once, and is kept open."""

    def __init__(self, path: str = DEVICE) -> None:
        """Raises OSError."""
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def seconds(self) -> int:
        """What it shows, in seconds since the epoch. Raises OSError."""
        told: tuple[int, ...] = _TIME.unpack(fcntl.ioctl(self._fd, _RTC_RD_TIME, bytes(_TIME.size)))
        second, minute, hour, day, month, year = told[:6]
        return ((days(year + 1900, month + 1, day) * 24 + hour) * 60 + minute) * 60 + second


def days(year: int, month: int, day: int) -> int:
    """Days from 1970-01-01 to a day of the Gregorian calendar. Python's calendar module is slow to import."""
    # Years that begin in March have their odd day at the end.
    if month < 3:
        year, month = year - 1, month + 12
    return 365 * year + year // 4 - year // 100 + year // 400 + (153 * month - 457) // 5 + day - 719469


class ClockKeeper:
    """Sets the system's clock whenever it is off the hardware's by half a second or more."""

    def __init__(
        self,
        loop: Loop,
        hardware: Callable[[], int],
        set_clock: Callable[[int], None],
        *,
        now: Callable[[], int] = time.time_ns,
    ) -> None:
        """hardware: tells its seconds; set_clock, now: of the system's clock, in nanoseconds."""
        self._loop = loop
        self._hardware = hardware
        self._now = now
        self._set_clock = set_clock

    def start(self) -> None:
        """Look from now on."""
        # Half past a second: what the hardware clock shows then leaves the least room for an error.
        phase = self._now() % _SECOND / _SECOND
        self._loop.call_later(PERIOD + (0.5 - phase), self._look)

    def _look(self) -> None:
        try:
            shown = self._hardware()
        except OSError as error:
            # Whoever sets it may leave it without a valid time for a moment.
            report(f"the hardware clock cannot be read: {error}")
            self.start()
            return
        if shown == self._now() // _SECOND:
            self.start()
        else:
            self._await_tick(shown, _POLLS)

    def _await_tick(self, shown: int, polls: int) -> None:
        """Read the hardware clock until it shows another second, which has just begun then."""
        found = self._hardware()
        if found != shown:
            before = self._now()
            # It ticked some time since the last look: in the middle, as far as one can know.
            now = found * _SECOND + int(_POLL * _SECOND / 2)
            self._set_clock(now)
            report(f"set the clock by {(now - before) / _SECOND:+.2f} s, to the host's")
        elif polls:
            self._loop.call_later(_POLL, lambda: self._await_tick(shown, polls - 1))
            return
        else:
            report("the hardware clock stands still; the clock is not kept any more")
            return
        self.start()


def keep(loop: Loop, set_clock: Callable[[int], None]) -> None:
    """Follow the host's time from now on; without a hardware clock, say that it cannot be followed."""
    try:
        ClockKeeper(loop, HardwareClock().seconds, set_clock).start()
    except OSError as error:
        report(f"the clock does not follow the host's: {error}")
