"""What `vmpod wait` waits for of a Job."""

from __future__ import annotations

import time

from vmpod.errors import ConflictError, NotFoundError, UsageError
from vmpod.plan.jobs.course import CONDITIONS
from vmpod.runtime.context import Runtime
from vmpod.runtime.goals import Goal, GoalTimeoutError
from vmpod.runtime.jobs.make import going_on
from vmpod.runtime.jobs.observe import state_of
from vmpod.state.jobrecord import JobRecord
from vmpod.state.jobstatus import JobState, complete, failed_code, to_kubernetes

_POLL = 0.2


def wait(runtime: Runtime, name: str, goal: Goal, deadline: float | None) -> int:
    """As goals.wait(), for a Job. Raises ConflictError also when nobody attends to it."""
    if goal.kind == "phase" or (goal.kind == "condition" and goal.name not in CONDITIONS):
        raise UsageError(f"a Job has no {goal}", hint=f"its conditions are {', '.join(CONDITIONS)}")
    entry = runtime.jobs.find(name)
    while True:
        state = state_of(runtime, entry)
        if goal.kind == "exit" and state.course.end:
            return 0 if complete(state.course) else failed_code(state.course)
        if _holds(goal, state):
            return 0
        _check_possible(entry.record, goal, state)
        if deadline is not None and time.monotonic() >= deadline:
            raise GoalTimeoutError(f"gave up waiting for {goal} of the Job {name}: it is {state.summary}")
        time.sleep(_POLL)
        found = runtime.jobs.lookup(entry.record.key)
        if found is None or found.record.uid != entry.record.uid:
            return _gone(name, goal)
        entry = found


def _holds(goal: Goal, state: JobState) -> bool:
    if goal.expected:
        return goal.expected.met(to_kubernetes(state))
    if goal.kind != "condition":
        return False
    known = {each.kind: str(each.status) for each in state.course.conditions}
    return known.get(goal.name, "Unknown") == goal.value


def _check_possible(record: JobRecord, goal: Goal, state: JobState) -> None:
    if goal.kind == "delete":
        return
    name = record.called
    if state.course.end:
        end = state.course.end
        raise ConflictError(
            f"the Job {name} has ended ({end.kind}: {end.reason}), without {goal}",
            hint=f"`vmpod describe job/{name}` tells how",
        )
    if state.unattended:
        raise ConflictError(
            f"nobody attends to the Job {name}, so that there will be no {goal}",
            hint=f"`{going_on(record.name if record.renamed else None)}` goes on with it",
        )


def _gone(name: str, goal: Goal) -> int:
    if goal.kind == "delete":
        return 0
    raise NotFoundError(f"the Job {name} was removed while it was waited for {goal}")
