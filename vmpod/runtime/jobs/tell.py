"""What has happened between two moments of a Job, in the words of Kubernetes' events where it has some."""

from __future__ import annotations

from collections.abc import Iterator

from vmpod.plan.jobs.course import COMPLETE, FAILED, SUSPENDED, Attempt, Condition, Course

Happening = tuple[str, str, str]
"""Kind (Normal or Warning), reason, message."""


def happenings(before: Course, after: Course) -> Iterator[Happening]:
    """What is new, in order."""
    known = {each.uid: each for each in before.attempts}
    for attempt in after.attempts:
        if attempt.uid not in known:
            yield "Normal", "SuccessfulCreate", f"Created pod: {attempt.name}"
        if attempt.outcome and not (attempt.uid in known and known[attempt.uid].outcome):
            yield from _ended(attempt)
    for condition in after.conditions:
        if condition not in before.conditions:
            yield from _became(condition)


def _ended(attempt: Attempt) -> Iterator[Happening]:
    if attempt.outcome == "succeeded":
        yield "Normal", "PodSucceeded", f"Pod {attempt.name} has succeeded"
    elif attempt.outcome in {"failed", "ignored"}:
        ignored = ", which does not count" if attempt.outcome == "ignored" else ""
        yield "Warning", "PodFailed", f"Pod {attempt.name} has failed with exit code {attempt.code}{ignored}"


def _became(condition: Condition) -> Iterator[Happening]:
    if condition.kind == COMPLETE:
        yield "Normal", "Completed", "Job completed"
    elif condition.kind == FAILED:
        yield "Warning", condition.reason, condition.message
    elif condition.kind == SUSPENDED:
        yield "Normal", "Suspended" if condition.status else "Resumed", condition.message
