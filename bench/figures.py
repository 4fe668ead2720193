"""What benchmarks have written down, and the targets that it is held against."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Taken = Mapping[str, Sequence[float]]

PHASES = ("command", "libvirt", "QEMU", "monitor", "guest")
"""The parts of a start that profile.py measures, in their order; a kind of start stands before each."""


@dataclass(frozen=True)
class Figures:
    """What one program measured, and where."""

    machine: str
    accelerator: str
    taken: Taken


@dataclass(frozen=True)
class Target:
    """That one measure of a program, compared with another of the same rounds, is at most the limit.

    difference: whether medians are subtracted (the limit is in seconds), not divided. mark: it in short.
    """

    what: str
    program: str
    over: str
    under: str
    limit: float
    mark: str
    difference: bool = False

    def value(self, taken: Taken) -> float | None:
        """What was measured; None if it was not."""
        if not (taken.get(self.over) and taken.get(self.under)):
            return None
        over, under = statistics.median(taken[self.over]), statistics.median(taken[self.under])
        return over - under if self.difference else over / under

    def bound(self, taken: Taken) -> float | None:
        """The most that `over` may be; None if what it is compared with was not measured."""
        if not taken.get(self.under):
            return None
        under = statistics.median(taken[self.under])
        return under + self.limit if self.difference else under * self.limit


TARGETS = (
    Target("warm start to the first byte, by F", "start", "warm, first byte", "F", 0.25, "0.25 F"),
    Target("cold start to the first byte, by F", "start", "cold, first byte", "F", 1.5, "1.5 F"),
    Target(
        "private memory of a clone, by that of a booted pod (20 of each)",
        "memory",
        "warm, 20, private",
        "cold, 20, private",
        0.25,
        "0.25 of cold, 20",
    ),
    Target("20 clones Ready, by one", "scale", "warm, 20", "warm, 1", 6.0, "6 times warm, 1"),
    Target("fork of a running pod until it answers, by F", "fork", "fork, 1", "F", 0.4, "0.4 F"),
    Target(
        "exec of `true` in a pod, above `vmpod --help`",
        "exec",
        "command",
        "vmpod --help",
        0.060,
        "--help + 60 ms",
        difference=True,
    ),
)


@dataclass(frozen=True)
class Verdict:
    """A target and what was measured of it, None if nothing was."""

    target: Target
    value: float | None

    @property
    def word(self) -> str:
        """Pass or miss."""
        if self.value is None:
            return "not measured"
        return "pass" if self.value <= self.target.limit else "miss"

    @property
    def measured(self) -> str:
        """The value, for people."""
        return "" if self.value is None else self._told(self.value)

    @property
    def allowed(self) -> str:
        """The limit, for people."""
        return self._told(self.target.limit)

    def _told(self, value: float) -> str:
        return f"{value * 1000:.0f} ms" if self.target.difference else f"{value:.3g}"


def verdicts(every: Mapping[str, Figures]) -> list[Verdict]:
    """All targets, held against the figures of programs by name."""
    found = []
    for target in TARGETS:
        figures = every.get(target.program)
        found.append(Verdict(target, target.value(figures.taken) if figures else None))
    return found


def load(directory: Path) -> dict[str, Figures]:
    """The figures of each program that has a file there (see common.write), by the program's name."""
    every = {}
    for path in sorted(directory.glob("*.json")):
        read = json.loads(path.read_text())
        every[path.stem] = Figures(read["machine"], read["accelerator"], read["taken"])
    return every


def largest(taken: Taken, kind: str) -> list[tuple[str, float, float]]:
    """The parts of a start of that kind, the largest first: name, median seconds, share of all."""
    medians = {name: statistics.median(taken[f"{kind}, {name}"]) for name in PHASES}
    whole = sum(medians.values())
    ordered = sorted(PHASES, key=lambda name: -medians[name])
    return [(name, medians[name], medians[name] / whole) for name in ordered]
