"""Follows the console of a guest that is tried, until it is clear what comes of it."""

from __future__ import annotations

import os
import select
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from vmpod.dataclass import dataclass
from vmpod.text import printable

_PANIC = b"Kernel panic - not syncing: "
_KEPT = 64 * 1024
_POLL = 0.1

Outcome = tuple[bool, str, bool]
"""As in a verdict: runs, told, sure."""


@dataclass(frozen=True)
class Limits:
    """Seconds after which a guest that says nothing more is given up.

    computing: that QEMU has computed meanwhile, which a busy host does not shorten; silent: that have passed;
    whole: since the start, whatever it says.
    """

    computing: float = 3.0
    silent: float = 10.0
    whole: float = 30.0


LIMITS = Limits()


class Watch:
    """Follows a guest's console until it is clear what comes of it.

    process: QEMU, whose output is the console; word: what the guest's user space says.
    """

    def __init__(self, process: subprocess.Popen[bytes], word: bytes, limits: Limits) -> None:
        assert process.stdout is not None
        self._output = process.stdout.fileno()
        self._pid = process.pid
        self._word = word
        self._limits = limits
        self._said = b""
        self._begin = time.monotonic()
        self._mark()

    def _mark(self) -> None:
        """It is alive: what is measured of its silence begins anew."""
        self._last = self._looked = time.monotonic()
        self._computed, _ = _threads(self._pid)
        self._wanted = 0.0

    def until_clear(self) -> Outcome | None:
        """What comes of it; None if QEMU ends first."""
        while True:
            if select.select([self._output], [], [], _POLL)[0]:
                data = os.read(self._output, _KEPT)
                if not data:
                    return None
                self._said = (self._said + data)[-_KEPT:]
                self._mark()
            if outcome := self._heard() or self._silence():
                return outcome

    def _heard(self) -> Outcome | None:
        if self._word in self._said:
            return True, "a guest ran", True
        _, panicked, why = self._said.partition(_PANIC)
        if panicked and b"\n" in why:
            words = printable(why.split(b"\n")[0].decode(errors="replace").strip())
            return False, f"the guest's kernel panicked: {words}", True
        return None

    def _silence(self) -> Outcome | None:
        now = time.monotonic()
        computed, wanting = _threads(self._pid)
        computed -= self._computed
        self._wanted += (now - self._looked) * wanting
        self._looked = now
        passed = now - self._last
        if computed >= self._limits.computing:
            return False, f"{self._nothing()} while QEMU computed for {computed:.1f} s", True
        if now - self._begin >= self._limits.whole:
            return False, f"it reached no user space in {self._limits.whole:g} s", False
        if passed >= self._limits.silent:
            # Did it have nothing to do, or no processor to do it with?
            return False, f"{self._nothing()} for {passed:.1f} s", self._wanted - computed < passed / 2
        return None

    def _nothing(self) -> str:
        return "its kernel began, and then said nothing" if self._said.strip() else "it said not a word"


def _threads(pid: int) -> tuple[float, bool]:
    """Seconds of processor time that a process's threads have had, and whether one of them wants some now.

    Source: proc(5), /proc/PID/task/TID/stat: its fields 3 (state), 14 and 15 (utime, stime); the name is 2.
    """
    ticks, wanting = 0, False
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                fields = (task / "stat").read_bytes().rpartition(b")")[2].split()
                ticks += int(fields[11]) + int(fields[12])
                wanting = wanting or fields[0] == b"R"
    return ticks / os.sysconf("SC_CLK_TCK"), wanting
