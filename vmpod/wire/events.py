"""What the agent reports: the content of the journal's event lines, and of a STATUS response.

Container states are the Kubernetes API's own (core/v1 ContainerState), so that the host can show them
as they are.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, NotRequired, TypedDict

    class Waiting(TypedDict):
        reason: str
        message: NotRequired[str]

    class Running(TypedDict):
        startedAt: str

    class Terminated(TypedDict):
        exitCode: int
        reason: str
        startedAt: str
        finishedAt: str
        signal: NotRequired[int]
        message: NotRequired[str]

    class ContainerState(TypedDict, total=False):
        """Exactly one of the three is there."""

        waiting: Waiting
        running: Running
        terminated: Terminated

    class ContainerEvent(TypedDict):
        """A container changed its state. last: how its run before this one ended.

        started: whether it runs, and its startup probe, if any, has succeeded; ready: and its readiness probe
        says so.
        """

        kind: Literal["container"]
        name: str
        init: bool
        restarts: int
        state: ContainerState
        last: Terminated | None
        started: bool
        ready: bool

    class PodEvent(TypedDict):
        """The pod changed its phase, or became ready or not."""

        kind: Literal["pod"]
        phase: str
        ready: bool
        reason: NotRequired[str]
        message: NotRequired[str]

    class AgentEvent(TypedDict):
        """A step of the machine's own life: booted, prepared, stopping, stopped, failed, lost output.

        uptime: seconds since the guest's kernel started. boot: of a Booted, the number of the pod's machine;
        began: of one that was not frozen meanwhile, the uptime at the agent's first line.
        """

        kind: Literal["agent"]
        reason: str
        message: str
        uptime: float
        boot: NotRequired[int]
        began: NotRequired[float]

    class NoteEvent(TypedDict):
        """Something that happened to a container, or to the pod ('')."""

        kind: Literal["note"]
        name: str
        init: bool
        warning: bool
        reason: str
        message: str

    Event = ContainerEvent | PodEvent | AgentEvent | NoteEvent

# Phases of a pod, and reasons of a container, as the Kubernetes API names them.
PENDING, RUNNING, SUCCEEDED, FAILED = "Pending", "Running", "Succeeded", "Failed"

BOOTED, PREPARED, STOPPING, STOPPED, BROKEN = "Booted", "Prepared", "Stopping", "Stopped", "Broken"
LOST, FORKED, HANDED_OVER = "OutputLost", "Forked", "HandedOver"
