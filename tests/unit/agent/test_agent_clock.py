"""The guest's clock follows the hardware's, in time that the test sets."""

from __future__ import annotations

import datetime as dt
import fcntl
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.agent.world import Clock
from vmpod_agent import clock
from vmpod_agent.clock import PERIOD, ClockKeeper, HardwareClock, days

EPOCH = 1_800_000_000


class Machine:
    """A host's time, and a guest's that is off by `skew` seconds. Reading the hardware clock takes 1 ms."""

    def __init__(self, skew: float, *, phase: float = 0.0) -> None:
        self.loop = Clock()
        self.skew = skew
        self.host = EPOCH + phase - self.loop.now
        self.sets = 0
        self.stopped: int | None = None
        self.broken: set[int] = set()
        self.reads = 0
        ClockKeeper(self.loop, self.hardware, self.set, now=self.guest).start()  # type: ignore[arg-type]

    def time(self) -> float:
        return self.host + self.loop.now

    def hardware(self) -> int:
        self.reads += 1
        if self.reads in self.broken:
            raise OSError(22, "Invalid argument")
        if self.stopped is not None:
            return self.stopped
        return int(self.time())

    def guest(self) -> int:
        return int((self.time() + self.skew) * 1e9)

    def set(self, nanoseconds: int) -> None:
        self.sets += 1
        self.skew = nanoseconds / 1e9 - self.time()


@pytest.mark.parametrize("skew", [15.0, -15.0, 3600.0, -86400.0, 1.0, -1.0, 0.6, -0.6, 0.5001])
@pytest.mark.parametrize("phase", [0.0, 0.25, 0.5, 0.999])
def test_skew_is_gone_within_the_promised_time(skew: float, phase: float) -> None:
    machine = Machine(skew, phase=phase)
    machine.loop.go(PERIOD + 2)
    assert machine.sets == 1
    assert abs(machine.skew) < 0.02


@given(skew=st.floats(-0.49, 0.49), phase=st.floats(0, 0.999))
def test_less_than_half_a_second_is_left_alone(skew: float, phase: float) -> None:
    machine = Machine(skew, phase=phase)
    machine.loop.go(100)
    assert machine.sets == 0
    assert machine.reads <= 100 / PERIOD + 1


def test_it_goes_on_looking() -> None:
    machine = Machine(5.0)
    for jump in (-3.0, 7.0, 0.9, 0.0):
        machine.loop.go(PERIOD + 2)
        assert abs(machine.skew) < 0.02
        machine.skew += jump
    assert machine.sets == 4


def test_a_read_that_fails_is_made_again(capfd: pytest.CaptureFixture[str]) -> None:
    machine = Machine(5.0)
    machine.broken = {1, 2}
    machine.loop.go(2 * PERIOD + PERIOD + 2)
    assert abs(machine.skew) < 0.02
    assert capfd.readouterr().err.count("cannot be read") == 2


def test_a_clock_that_stands_still_is_not_waited_for_ever(capfd: pytest.CaptureFixture[str]) -> None:
    machine = Machine(5.0)
    machine.stopped = EPOCH
    machine.loop.go(1000)
    assert machine.sets == 0
    assert machine.reads < 250
    assert "stands still" in capfd.readouterr().err


@given(st.dates(dt.date(1900, 3, 1), dt.date(2399, 12, 31)))
def test_days_are_the_calendars(day: dt.date) -> None:
    assert days(day.year, day.month, day.day) == (day - dt.date(1970, 1, 1)).days


def test_the_kernels_structure_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    device = tmp_path / "rtc0"
    device.touch()

    def read(_fd: int, request: int, data: bytes) -> bytes:
        assert request == 2 << 30 | len(data) << 16 | ord("p") << 8 | 0x09  # _IOR('p', 0x09, struct rtc_time)
        return struct.pack("9i", 5, 4, 3, 29, 1, 128, 0, 0, 0)

    monkeypatch.setattr(fcntl, "ioctl", read)
    expected = dt.datetime(2028, 2, 29, 3, 4, 5, tzinfo=dt.UTC)
    assert HardwareClock(str(device)).seconds() == expected.timestamp()


def test_a_machine_without_one_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(HardwareClock.__init__, "__defaults__", (str(tmp_path / "none"),))
    loop = Clock()
    clock.keep(loop, lambda _ns: None)  # type: ignore[arg-type]
    assert "does not follow" in capfd.readouterr().err
