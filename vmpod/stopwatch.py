"""Progress that also notes when each step was, on one clock.

Wall time is read once; all moments are that and what the monotonic clock says has passed. So a clock that
is set meanwhile moves nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from vmpod.dataclass import dataclass
from vmpod.progress import SILENT, Phase, Progress

_START_TIME_FIELD = 22 - 3  # of /proc/PID/stat, counted from what follows the name
_SECOND = 10**9


@dataclass(frozen=True)
class Step:
    """What took from begin to end (ns since the epoch). part: whether it is a part of the step around it."""

    name: str
    begin: int
    end: int
    part: bool = False


class Stopwatch:
    """Passes phases on to another Progress.

    What is between two phases is a step as well: the first one's name.
    """

    def __init__(self, shown: Progress = SILENT, *, begin: int | None = None, first: str = "command") -> None:
        """begin: of the first step, None for now."""
        self._shown = shown
        self._wall = time.time_ns() - time.monotonic_ns()
        self.begin = self.now() if begin is None else begin
        self._gap = first
        self._since = self.begin
        self.steps: list[Step] = []

    def now(self) -> int:
        """The moment."""
        return self._wall + time.monotonic_ns()

    def phase(self, title: str) -> AbstractContextManager[Phase]:
        """See Progress."""
        return self._phase(title)

    def note(self, text: str) -> None:
        """See Progress."""
        self._shown.note(text)

    def part(self, name: str, begin: int, end: int) -> None:
        """Add a part of the step under way, of moments of the monotonic clock (ns)."""
        self.steps.append(Step(name, self._wall + begin, self._wall + end, part=True))

    @contextmanager
    def _phase(self, title: str) -> Iterator[Phase]:
        begin = self.now()
        if begin > self._since:
            self.steps.append(Step(self._gap, self._since, begin))
        self._gap = "between"
        place = len(self.steps)
        try:
            with self._shown.phase(title) as shown:
                yield shown
        finally:
            self._since = self.now()
            self.steps.insert(place, Step(title.lower(), begin, self._since))


def steps_to(steps: Sequence[Step], name: str) -> list[Step]:
    """The steps up to the one of that name, with the parts of that one alone."""
    own = next(step for step in reversed(steps) if step.name == name and not step.part)
    return [step for step in steps if step.end <= own.end and (not step.part or step.begin >= own.begin)]


def process_start() -> int:
    """When this process was started (ns since the epoch), to a hundredth of a second."""
    fields = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()
    since_boot = int(fields[_START_TIME_FIELD]) * _SECOND // os.sysconf("SC_CLK_TCK")
    return time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME) + since_boot
