"""The state of a pod, from what is: its record, its events, and whether its machine lives.

The result has the shape of the Kubernetes API's PodStatus (core/v1).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from vmpod.state.record import Record
from vmpod.wire.events import BROKEN, FAILED, PENDING, RUNNING, SUCCEEDED

Json = dict[str, Any]
TimedEvent = tuple[str, Mapping[str, Any]]

_PHASES = (PENDING, RUNNING, SUCCEEDED, FAILED)
_MAX_INT = 2**31 - 1  # integers of the Kubernetes API have 32 bits
_STATES: Mapping[str, Mapping[str, type]] = {
    "waiting": {"reason": str, "message": str},
    "running": {"startedAt": str},
    "terminated": {
        "exitCode": int,
        "signal": int,
        "reason": str,
        "message": str,
        "startedAt": str,
        "finishedAt": str,
    },
}
_NOT_STARTED: Json = {"waiting": {"reason": "PodInitializing"}}


@dataclass
class ContainerStatus:
    """One container, as its last event told."""

    name: str
    init: bool
    state: Json = field(default_factory=lambda: dict(_NOT_STARTED))
    last: Json | None = None
    restarts: int = 0

    @property
    def ready(self) -> bool:
        """Running, or for an init container: ended well."""
        if self.init:
            return self.exit_code == 0
        return "running" in self.state

    @property
    def exit_code(self) -> int | None:
        """The exit code of an ended container."""
        terminated = self.state.get("terminated")
        return terminated["exitCode"] if terminated else None

    @property
    def reason(self) -> str:
        """The reason of the present state, in one word; '' for a container that runs."""
        return next((str(state.get("reason", "")) for state in self.state.values()), "")


@dataclass
class PodStatus:
    """The pod as a whole. message: for the user, where something went wrong."""

    phase: str
    ready: bool
    reason: str
    message: str
    started: str
    containers: list[ContainerStatus]

    @property
    def ended(self) -> bool:
        """Whether nothing will run any more."""
        return self.phase in (SUCCEEDED, FAILED)

    @property
    def restarts(self) -> int:
        """How often containers were started again, in all."""
        return sum(each.restarts for each in self.containers)

    def ordinary(self) -> list[ContainerStatus]:
        """The containers that are no init containers."""
        return [each for each in self.containers if not each.init]


class Folder:
    """Takes events one by one. What a hostile guest makes up is shown, but breaks nothing."""

    def __init__(self, record: Record) -> None:
        self.booted = False
        self.phase = PENDING
        self.ready = False
        self.failure = ""
        self.started = ""
        self.containers = {name: ContainerStatus(name, init=True) for name in record.init_containers}
        self.containers |= {name: ContainerStatus(name, init=False) for name in record.containers}

    def take(self, timestamp: str, event: Mapping[str, Any]) -> None:
        """Fold one event in; one that makes no sense changes nothing."""
        kind = event.get("kind")
        if kind == "container":
            self._container(event)
        elif kind == "pod" and event.get("phase") in _PHASES:
            self.phase = event["phase"]
            self.ready = event.get("ready") is True
        elif kind == "agent":
            self.booted = True
            self.started = self.started or timestamp
            if event.get("reason") == BROKEN:
                self.failure = _text(event.get("message"))

    def _container(self, event: Mapping[str, Any]) -> None:
        status = self.containers.get(_text(event.get("name")))
        state, restarts = _state(event.get("state")), event.get("restarts")
        if status is None or state is None or type(restarts) is not int:
            return
        status.state, status.restarts = state, min(max(0, restarts), _MAX_INT)
        last = _state({"terminated": event.get("last")})
        status.last = last["terminated"] if last else None


def derive(record: Record, events: Iterable[TimedEvent], *, alive: bool, starting: bool) -> PodStatus:
    """The state now. alive: whether the machine runs; starting: whether a command is starting it."""
    folder = Folder(record)
    for timestamp, event in events:
        folder.take(timestamp, event)
    phase, reason, message = _phase(folder, record, alive=alive, starting=starting)
    ended = phase in (SUCCEEDED, FAILED)
    containers = list(folder.containers.values())
    if not alive and not starting:
        _end_containers(containers)
    return PodStatus(phase, folder.ready and alive and not ended, reason, message, folder.started, containers)


def _phase(folder: Folder, record: Record, *, alive: bool, starting: bool) -> tuple[str, str, str]:
    if folder.failure:
        return FAILED, "MachineFailed", folder.failure
    if folder.phase in (SUCCEEDED, FAILED):
        return folder.phase, "", ""
    if alive or starting:
        return folder.phase, "", ""
    if record.stopped:
        return FAILED, "Killed", "the machine was ended by force"
    if record.qemu is None:
        return FAILED, "StartFailed", "the machine was not started"
    return FAILED, "MachineDied", "the machine ended without the pod having ended"


def _end_containers(containers: Iterable[ContainerStatus]) -> None:
    """Nothing runs in a machine that is gone. How such a container ended nobody knows: never success."""
    for each in containers:
        if "terminated" not in each.state:
            running = each.state.get("running", {})
            each.state = {
                "terminated": {
                    "exitCode": 137,
                    "reason": "ContainerStatusUnknown",
                    "startedAt": running.get("startedAt"),
                    "finishedAt": None,
                }
            }


def _state(state: Any) -> Json | None:
    """One of the three states with the attributes that it may have; None if it is none.

    An ended container has an exit code. Whatever else a guest put in, deep trees for example, is dropped.
    """
    if not isinstance(state, dict) or len(state) != 1:
        return None
    ((name, detail),) = state.items()
    if name not in _STATES or not isinstance(detail, dict):
        return None
    known = {key: detail[key] for key, kind in _STATES[name].items() if type(detail.get(key)) is kind}
    if name == "terminated" and not 0 <= known.get("exitCode", -1) <= _MAX_INT:
        return None
    return {name: known}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def to_kubernetes(record: Record, status: PodStatus) -> Json:
    """The pod as a v1 Pod object with its status, as `kubectl get -o json` has it."""
    document = dict(record.document)
    metadata = dict(document.get("metadata") or {})
    metadata |= {
        "name": record.name,
        "namespace": record.namespace,
        "uid": record.uid,
        "creationTimestamp": record.created,
    }
    return (
        {"apiVersion": "v1", "kind": "Pod"}
        | document
        | {
            "metadata": metadata,
            "status": _status(status),
        }
    )


def _status(status: PodStatus) -> Json:
    result: Json = {
        "phase": status.phase,
        "conditions": _conditions(status),
        "hostIP": "127.0.0.1",
        "startTime": status.started or None,
        "initContainerStatuses": [_container(each) for each in status.containers if each.init],
        "containerStatuses": [_container(each) for each in status.ordinary()],
    }
    result |= {name: text for name, text in (("reason", status.reason), ("message", status.message)) if text}
    return result


def _conditions(status: PodStatus) -> list[Json]:
    initialized = all(each.ready for each in status.containers if each.init)
    return [
        {"type": "Initialized", "status": str(initialized)},
        {"type": "ContainersReady", "status": str(status.ready)},
        {"type": "Ready", "status": str(status.ready)},
    ]


def _container(status: ContainerStatus) -> Json:
    return {
        "name": status.name,
        "ready": status.ready,
        "restartCount": status.restarts,
        "state": status.state,
        "lastState": {"terminated": status.last} if status.last else {},
    }
