"""A Job in words, laid out as `kubectl describe job` does."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from vmpod.cli import render
from vmpod.cli.description import fields, table
from vmpod.runtime.jobs.observe import pods_of, state_of
from vmpod.spec import indexes
from vmpod.state.record import moment

if TYPE_CHECKING:
    from vmpod.runtime.context import Runtime
    from vmpod.state.jobs import JobEntry
    from vmpod.state.jobstatus import JobState

_EVENTS = 50
"""The newest events that are shown."""

_WIDTH = 26
_SETTINGS = (
    ("Parallelism", "parallelism"),
    ("Completions", "completions"),
    ("Completion Mode", "completionMode"),
    ("Suspend", "suspend"),
    ("Backoff Limit", "backoffLimit"),
    ("Backoff Limit Per Index", "backoffLimitPerIndex"),
    ("Max Failed Indexes", "maxFailedIndexes"),
    ("Active Deadline Seconds", "activeDeadlineSeconds"),
    ("TTL Seconds After Finished", "ttlSecondsAfterFinished"),
)


def describe_job(runtime: Runtime, entry: JobEntry) -> str:
    """The whole text, without a newline at its end."""
    state = state_of(runtime, entry)
    lines = [*_head(state), *_status(state), *_pods(runtime, state)]
    return "\n".join([*lines, *_conditions(state), *_events(runtime, entry)])


def _head(state: JobState) -> Iterator[str]:
    record = state.entry.record
    yield from fields(
        ("Name", record.name),
        ("Namespace", record.namespace),
        ("UID", record.uid),
        ("Labels", record.metadata("labels")),
        ("Annotations", record.metadata("annotations")),
        *((title, state.spec[name]) for title, name in _SETTINGS if state.spec.get(name) is not None),
        width=_WIDTH,
    )


def _status(state: JobState) -> Iterator[str]:
    course, who = state.course, state.attendant
    duration = state.duration(time.time())
    ready = {each.uid for each in state.pods if each.ready}
    counts = f"{len(course.active)} Active ({sum(each.uid in ready for each in course.active)} Ready)"
    told: Mapping[str, Any] = {
        "Start Time": None if course.started is None else moment(course.started),
        "Completed At": None if course.completed is None else moment(course.completed),
        "Duration": None if duration is None else render.duration(int(duration)),
        "Completed Indexes": indexes.shown(course.succeeded_indexes),
    }
    yield from fields(
        ("Status", state.summary),
        ("Attended to by", f"process {who.process.pid}" if who and who.process else "<nobody>"),
        *((title, value) for title, value in told.items() if value),
        (
            "Pods Statuses",
            f"{counts} / {len(course.of('succeeded'))} Succeeded / {len(course.of('failed'))} Failed",
        ),
        width=_WIDTH,
    )


def _pods(runtime: Runtime, state: JobState) -> Iterator[str]:
    kept = {entry.record.uid for entry in pods_of(runtime, state.entry.record)}
    rows = [
        [
            each.name if each.uid in kept else f"{each.name} (removed)",
            "" if each.index is None else str(each.index),
            each.outcome.capitalize() or ("Stopping" if each.stopping else "Active"),
            str(each.code) if each.code else "",
        ]
        for each in state.course.attempts
    ]
    yield f"Pods:{'' if rows else '  <none>'}"
    if rows:
        yield from table(["Name", "Index", "Outcome", "Exit Code"], rows)


def _conditions(state: JobState) -> Iterator[str]:
    rows = [[each.kind, str(each.status), each.reason, each.message] for each in state.course.conditions]
    yield f"Conditions:{'' if rows else '  <none>'}"
    if rows:
        yield from table(["Type", "Status", "Reason", "Message"], rows)


def _events(runtime: Runtime, entry: JobEntry) -> Iterator[str]:
    found = list(runtime.jobs.events(entry))
    yield f"Events:{'' if found else '  <none>'}"
    if found:
        rows = [[each.kind, each.reason, render.age(each.moment), each.message] for each in found[-_EVENTS:]]
        yield from table(["Type", "Reason", "Age", "Message"], rows)
