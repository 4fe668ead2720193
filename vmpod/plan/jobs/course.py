"""How far a Job is: the pods that it has had, and what it has come to.

All numbers follow from the list of attempts. An attempt's outcome is written down once, when it is known, so
that it counts although its pod is removed later.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Literal

from vmpod.dataclass import dataclass

Outcome = Literal["", "succeeded", "failed", "ignored", "stopped"]

COMPLETE, FAILED, SUSPENDED = "Complete", "Failed", "Suspended"
SUCCESS_CRITERIA_MET, FAILURE_TARGET = "SuccessCriteriaMet", "FailureTarget"
CONDITIONS = (COMPLETE, FAILED, SUSPENDED, SUCCESS_CRITERIA_MET, FAILURE_TARGET)


@dataclass(frozen=True)
class Seen:
    """A pod of the Job as it is now.

    finished: when it ended (seconds since the epoch), None while it is active. ending: its containers have
    ended, and its machine has not. codes: (container, exit code) of each that failed; conditions: (type,
    status).
    """

    name: str
    uid: str
    index: int | None = None
    finished: float | None = None
    ending: bool = False
    succeeded: bool = False
    ready: bool = False
    restarts: int = 0
    codes: tuple[tuple[str, int], ...] = ()
    conditions: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Attempt:
    """A pod that the Job has had.

    outcome: '' while it is not known; 'ignored' failures do not count, nor does what was 'stopped' by us.
    ended: when that was. code: the exit code of a failed one. final: its index is to have no other.
    stopping: it was told to stop.
    """

    name: str
    uid: str
    index: int | None = None
    outcome: Outcome = ""
    ended: float = 0.0
    code: int = 0
    final: bool = False
    stopping: bool = False


@dataclass(frozen=True)
class Condition:
    """One of CONDITIONS. since: when it became what it is (seconds since the epoch)."""

    kind: str
    reason: str
    message: str
    since: float
    status: bool = True


@dataclass(frozen=True)
class Course:
    """Times in seconds since the epoch. started: None before its first pod, and while it is suspended."""

    started: float | None = None
    completed: float | None = None
    attempts: tuple[Attempt, ...] = ()
    conditions: tuple[Condition, ...] = ()

    def condition(self, kind: str) -> Condition | None:
        """The condition, if it is true."""
        return next((each for each in self.conditions if each.kind == kind and each.status), None)

    @property
    def end(self) -> Condition | None:
        """Complete or Failed, None while it is neither."""
        return self.condition(COMPLETE) or self.condition(FAILED)

    def of(self, outcome: Outcome) -> list[Attempt]:
        """The attempts that came out so."""
        return [each for each in self.attempts if each.outcome == outcome]

    @property
    def active(self) -> list[Attempt]:
        """Those that run, as far as is known, and were not told to stop."""
        return [each for each in self.of("") if not each.stopping]

    @property
    def terminating(self) -> list[Attempt]:
        """Those that were told to stop, and have not ended."""
        return [each for each in self.of("") if each.stopping]

    @property
    def succeeded_indexes(self) -> frozenset[int]:
        """The indexes that are done."""
        return _indexes(self.of("succeeded"))

    def failed_indexes(self, limit: int) -> frozenset[int]:
        """The indexes that have failed more often than the limit, or for good."""
        failures = self.of("failed")
        counts = Counter(each.index for each in failures if each.index is not None)
        final = _indexes(each for each in failures if each.final)
        return final | {index for index, count in counts.items() if count > limit}

    def failures(self, index: int | None) -> int:
        """How often the index has failed, as far as it counts."""
        return sum(each.index == index for each in self.of("failed"))

    def with_condition(self, *new: Condition) -> Course:
        """These in place of conditions of their kinds."""
        kinds = {each.kind for each in new}
        kept = tuple(each for each in self.conditions if each.kind not in kinds)
        return replace(self, conditions=kept + new)

    def with_attempt(self, attempt: Attempt) -> Course:
        """One more."""
        return replace(self, attempts=(*self.attempts, attempt))

    def told_to_stop(self, names: Collection[str]) -> Course:
        """With these attempts marked: what becomes of them says nothing about their work."""
        attempts = (replace(each, stopping=True) if each.name in names else each for each in self.attempts)
        return replace(self, attempts=tuple(attempts))


def _indexes(attempts: Iterable[Attempt]) -> frozenset[int]:
    return frozenset(each.index for each in attempts if each.index is not None)
