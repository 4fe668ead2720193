"""A Job as a batch/v1 Job object with its status, as kubectl would print it.

Source: Kubernetes API reference, batch/v1 Job, JobStatus.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vmpod.dataclass import dataclass
from vmpod.plan.jobs.course import COMPLETE, FAILURE_TARGET, SUCCESS_CRITERIA_MET, Course, Seen
from vmpod.spec import indexes
from vmpod.state.jobs import Attendant, JobEntry
from vmpod.state.kubernetes import as_object
from vmpod.state.record import moment

Json = dict[str, Any]

UNATTENDED = "Unattended"


@dataclass(frozen=True)
class JobState:
    """A Job as it is now: what is kept of it, how far it is, its pods, and who attends to it."""

    entry: JobEntry
    course: Course
    pods: Sequence[Seen]
    attendant: Attendant | None

    @property
    def spec(self) -> Mapping[str, Any]:
        """Its document's spec."""
        return self.entry.record.spec

    @property
    def suspended(self) -> bool:
        """Whether it is to stand still."""
        return self.spec.get("suspend") is True

    @property
    def unattended(self) -> bool:
        """Whether it would go on if somebody attended to it."""
        return not (self.course.end or self.suspended or self.attendant)

    @property
    def summary(self) -> str:
        """The one word that says most, as kubectl's STATUS column does."""
        if self.course.end:
            return self.course.end.kind
        if self.unattended:
            return UNATTENDED
        for kind in (FAILURE_TARGET, SUCCESS_CRITERIA_MET):
            if self.course.condition(kind):
                return kind
        return "Suspended" if self.suspended else "Running"

    @property
    def completions(self) -> str:
        """As kubectl shows them: '2/3', '0/1 of 3' for a queue of work."""
        done, wanted = len(self.course.of("succeeded")), self.spec.get("completions")
        parallelism = self.spec.get("parallelism")
        if wanted is None and parallelism is not None:
            return f"{done}/1 of {parallelism}" if parallelism > 1 else f"{done}/1"
        return f"{done}/{1 if wanted is None else wanted}"

    def duration(self, now: float) -> float | None:
        """Seconds from its start to its end, or until now; None if it has not begun."""
        if self.course.started is None:
            return None
        end = self.course.end
        return max(0.0, (end.since if end else now) - self.course.started)


def to_kubernetes(state: JobState) -> Json:
    """The Job, made of its document and its state now."""
    return as_object(state.entry.record, "batch/v1", "Job", _status(state))


def _status(state: JobState) -> Json:
    course = state.course
    ready = {each.uid for each in state.pods if each.ready}
    found: Json = {
        "active": len(course.active),
        "ready": sum(each.uid in ready for each in course.active),
        "terminating": len(course.terminating),
        "succeeded": len(course.of("succeeded")),
        "failed": len(course.of("failed")),
        "conditions": list(_conditions(course)),
    }
    times = {"startTime": course.started, "completionTime": course.completed}
    found |= {name: moment(value) for name, value in times.items() if value is not None}
    if state.spec.get("completionMode") == "Indexed":
        found["completedIndexes"] = indexes.shown(course.succeeded_indexes)
    limit = state.spec.get("backoffLimitPerIndex")
    if isinstance(limit, int):
        found["failedIndexes"] = indexes.shown(course.failed_indexes(limit))
    return found


def _conditions(course: Course) -> Iterator[Json]:
    for each in course.conditions:
        yield {
            "type": each.kind,
            "status": str(each.status),
            "lastProbeTime": moment(each.since),
            "lastTransitionTime": moment(each.since),
            "reason": each.reason,
            "message": each.message,
        }


def complete(course: Course) -> bool:
    """Whether the Job is over, as it should be."""
    return course.condition(COMPLETE) is not None


def failed_code(course: Course) -> int:
    """What `run` exits with for a Job that has failed: the last failed pod's code, 1 if none has."""
    failures = course.of("failed")
    last = max(failures, key=lambda each: each.ended, default=None)
    return (last.code & 0xFF if last else 0) or 1
