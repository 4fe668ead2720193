"""What the pods of a Job are now, as its controller sees them."""

from __future__ import annotations

import time
from collections.abc import Iterable

from vmpod.plan.jobs.controller import account
from vmpod.plan.jobs.course import Course, Seen
from vmpod.runtime.context import Runtime
from vmpod.spec.jobpods import INDEX, UID, owner
from vmpod.spec.machine import OWNER
from vmpod.state.jobrecord import JobRecord
from vmpod.state.jobs import JobEntry
from vmpod.state.jobstatus import JobState
from vmpod.state.kubernetes import to_kubernetes
from vmpod.state.status import PodStatus
from vmpod.state.store import PodEntry
from vmpod.wire.events import SUCCEEDED


def pods_of(runtime: Runtime, record: JobRecord) -> list[PodEntry]:
    """The pods that a Job has made and that are still there, the oldest first."""
    found = [entry for entry in runtime.pods.list(problems=[]) if _made_by(entry, record)]
    return sorted(found, key=lambda entry: (entry.record.created, entry.record.name))


def _made_by(entry: PodEntry, record: JobRecord) -> bool:
    labels, annotations = entry.record.metadata("labels"), entry.record.metadata("annotations")
    # A copy of a pod keeps its labels, but is its user's.
    return (
        entry.record.namespace == record.namespace
        and labels.get(UID) == record.uid
        and annotations.get(OWNER) == owner(record.name)
    )


def job_of(entry: PodEntry) -> str:
    """The uid of the Job that has made a pod; '' if none has."""
    made = str(entry.record.metadata("annotations").get(OWNER, "")).startswith(owner(""))
    return str(entry.record.metadata("labels").get(UID, "")) if made else ""


def observe(runtime: Runtime, entries: Iterable[PodEntry]) -> list[Seen]:
    """The pods as they are now."""
    return [seen(entry, runtime.pods.status(entry)) for entry in entries]


def seen(entry: PodEntry, status: PodStatus) -> Seen:
    """A pod in this state. It has ended once its machine has, too."""
    index = entry.record.metadata("annotations").get(INDEX, "")
    over = status.ended and not entry.alive()
    # As in Kubernetes, containers come before init containers.
    codes = [(each.name, each.exit_code) for each in (*status.ordinary(), *status.containers)]
    conditions = to_kubernetes(entry.record, status)["status"]["conditions"] if over else ()
    return Seen(
        name=entry.record.name,
        uid=entry.record.uid,
        index=int(index) if index.isdecimal() else None,
        finished=(entry.last_written() or time.time()) if over else None,
        ending=status.ended and not over,
        succeeded=status.phase == SUCCEEDED,
        ready=status.ready,
        restarts=sum(each.restarts for each in status.containers),
        codes=tuple(dict.fromkeys((name, code) for name, code in codes if code)),
        conditions=tuple((each["type"], each["status"]) for each in conditions),
    )


def state_of(runtime: Runtime, entry: JobEntry) -> JobState:
    """The Job as it is now, also what nobody has counted yet."""
    # In this order: who attends to it may end it meanwhile, and then has written so.
    attendant = runtime.jobs.attendant(entry.record.key)
    course = runtime.jobs.course(entry)
    pods = observe(runtime, _open(runtime, entry.record, course))
    return JobState(entry, account(course, pods, time.time()), pods, attendant)


def _open(runtime: Runtime, record: JobRecord, course: Course) -> list[PodEntry]:
    """Its pods whose outcome is not known."""
    if course.end:
        return []
    known = {each.uid for each in course.attempts if each.outcome}
    return [entry for entry in pods_of(runtime, record) if entry.record.uid not in known]
