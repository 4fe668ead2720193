"""What `vmpod wait` waits for."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from vmpod.dataclass import dataclass
from vmpod.errors import ConflictError, NotFoundError, TimeoutExpiredError, UsageError
from vmpod.plan.jobs.course import CONDITIONS as OF_JOBS
from vmpod.runtime.context import Runtime
from vmpod.runtime.follow import exit_code
from vmpod.state.kubernetes import to_kubernetes
from vmpod.state.status import PodStatus
from vmpod.state.store import PodEntry
from vmpod.wire.events import FAILED, PENDING, RUNNING, SUCCEEDED

if TYPE_CHECKING:
    from vmpod.jsonpath.expectation import Expectation

_POLL = 0.05
_PHASES = (PENDING, RUNNING, SUCCEEDED, FAILED)
_OF_PODS = ("PodScheduled", "PodReadyToStartContainers", "Initialized", "ContainersReady", "Ready")
_CONDITIONS = (*_OF_PODS, "DisruptionTarget", *OF_JOBS)


@dataclass(frozen=True)
class Goal:
    """kind: what is looked at; name: of the condition; value: what it must be; expected: for 'jsonpath'."""

    kind: Literal["condition", "phase", "jsonpath", "exit", "delete"]
    name: str = ""
    value: str = ""
    expected: Expectation | None = None

    def __str__(self) -> str:
        words = {
            "condition": f"condition {self.name}={self.value}",
            "phase": f"phase {self.value}",
            "jsonpath": str(self.expected),
            "exit": "its end",
            "delete": "its removal",
        }
        return words[self.kind]


class GoalTimeoutError(TimeoutExpiredError):
    """What was waited for has not come in time."""


def parse(text: str) -> Goal:
    """'condition=Ready[=False]', 'phase=Succeeded', 'jsonpath=PATH[=VALUE]', 'exit' or 'delete'.

    As for kubectl. Raises ValueError.
    """
    kind, _, rest = text.partition("=")
    if kind in {"exit", "delete"} and not rest:
        return Goal("exit" if kind == "exit" else "delete")
    if kind == "phase":
        return Goal("phase", value=_known(rest, _PHASES, "phase"))
    if kind == "condition":
        name, _, value = rest.partition("=")
        wanted = _known(value or "True", ("True", "False", "Unknown"), "value of a condition")
        return Goal("condition", _known(name, _CONDITIONS, "condition"), wanted)
    if kind == "jsonpath":
        return Goal("jsonpath", expected=_expectation(rest))
    raise ValueError(f"{text!r} is none of condition=NAME, phase=NAME, jsonpath=PATH=VALUE, exit, delete")


def _expectation(text: str) -> Expectation:
    from vmpod.jsonpath import JsonPathError  # noqa: PLC0415 - rarely used
    from vmpod.jsonpath.expectation import read  # noqa: PLC0415

    try:
        return read(text)
    except JsonPathError as error:
        raise ValueError(error.message) from None


def _known(text: str, known: tuple[str, ...], what: str) -> str:
    """The known word, however its letters are written."""
    for word in known:
        if word.casefold() == text.casefold():
            return word
    raise ValueError(f"{text!r} is no {what}: {', '.join(known)}")


def wait(runtime: Runtime, name: str, goal: Goal, deadline: float | None) -> int:
    """Wait until the pod is as the goal says; what to exit with: for 'exit' the pod's own status, else 0.

    deadline: by time.monotonic(). Raises NotFoundError, GoalTimeoutError, and ConflictError once the pod
    has ended without having come to it; JsonPathError where its path leads to what is no value.
    """
    if goal.kind == "condition" and goal.name in OF_JOBS:
        raise UsageError(f"a pod has no {goal}", hint=f"its conditions are {', '.join(_OF_PODS)}")
    entry: PodEntry | None = runtime.pods.find(name)
    while True:
        if entry is None:
            return _gone(name, goal)
        status = runtime.pods.status(entry)
        if goal.kind == "exit" and status.ended:
            return exit_code(status)
        if _HOLDS[goal.kind](goal, entry, status):
            return 0
        if status.ended and goal.kind != "delete":
            raise ConflictError(
                f"the pod {name} has ended ({status.phase}), without {goal}",
                hint=f"`vmpod describe {name}` tells how",
            )
        if deadline is not None and time.monotonic() >= deadline:
            now = f"{status.phase} ({status.reason})" if status.reason else status.phase
            raise GoalTimeoutError(f"gave up waiting for {goal} of the pod {name}: it is {now}")
        time.sleep(_POLL)
        entry = runtime.pods.lookup(entry.record.key)


def _gone(name: str, goal: Goal) -> int:
    if goal.kind == "delete":
        return 0
    raise NotFoundError(f"the pod {name} was removed while it was waited for {goal}")


def _condition(goal: Goal, entry: PodEntry, status: PodStatus) -> bool:
    conditions = to_kubernetes(entry.record, status)["status"]["conditions"]
    return any(each["type"] == goal.name and each["status"] == goal.value for each in conditions)


def _expected(goal: Goal, entry: PodEntry, status: PodStatus) -> bool:
    return goal.expected is not None and goal.expected.met(to_kubernetes(entry.record, status))


_HOLDS: dict[str, Callable[[Goal, PodEntry, PodStatus], bool]] = {
    "condition": _condition,
    "phase": lambda goal, _entry, status: status.phase == goal.value,
    "jsonpath": _expected,
    "exit": lambda _goal, _entry, _status: False,
    "delete": lambda _goal, _entry, _status: False,
}
