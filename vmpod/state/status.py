"""The state of a pod, from what is: its record, its events, and whether its machine lives.

Phases, states and reasons are the Kubernetes API's (core/v1 PodStatus); kubernetes.py shows them in its form.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import field
from typing import Any

from vmpod.dataclass import dataclass
from vmpod.state.record import Record
from vmpod.wire.events import BOOTED, BROKEN, FAILED, PENDING, PREPARED, RUNNING, SUCCEEDED

Json = dict[str, Any]
TimedEvent = tuple[str, Mapping[str, Any]]

UNKNOWN = "Unknown"
MACHINE_DIED = "MachineDied"
"""The reason of a pod whose machine ended without anybody's having wanted it."""
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
_BACK_OFF = "CrashLoopBackOff"
_NOT_STARTED: Json = {"waiting": {"reason": "PodInitializing"}}


@dataclass
class ContainerStatus:
    """One container, as its last event told."""

    name: str
    init: bool
    state: Json = field(default_factory=lambda: dict(_NOT_STARTED))
    last: Json | None = None
    restarts: int = 0
    sidecar: bool = False
    started: bool = False
    serves: bool = False

    @property
    def ready(self) -> bool:
        """Running, and its probes say that it can do its work; for an init container: ended well."""
        if self.init and not self.sidecar:
            return self.exit_code == 0
        return "running" in self.state and self.serves

    @property
    def initialized(self) -> bool:
        """Of an init container: whether what comes after it may start."""
        return self.started or self.exit_code is not None if self.sidecar else self.ready

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
    """The pod as a whole. message: for the user, where something went wrong.

    since: for each condition that is true, and each that was, when it became what it is (RFC 3339).
    prepared: whether the machine is ready for containers. last_seen: when the machine last wrote. told:
    whether the reason is one that the pod gave itself, not one of the machine around it. ephemeral:
    containers that were added later, which count for nothing else.
    """

    phase: str
    ready: bool
    reason: str
    message: str
    started: str
    containers: list[ContainerStatus]
    prepared: bool = False
    since: Mapping[str, str] = field(default_factory=dict)
    last_seen: str = ""
    told: bool = False
    ephemeral: list[ContainerStatus] = field(default_factory=list)

    @property
    def initialized(self) -> bool:
        """Whether all init containers have done their work."""
        return _initialized(self.containers)

    @property
    def ended(self) -> bool:
        """Whether nothing will run any more."""
        return self.phase in (SUCCEEDED, FAILED)

    @property
    def restarts(self) -> int:
        """How often containers were started again: those that matter now, as kubectl counts."""
        matters = self.serving() if self.initialized else [each for each in self.containers if each.init]
        return sum(each.restarts for each in matters)

    def serving(self) -> list[ContainerStatus]:
        """The containers that the pod needs to be ready: all but the init containers that come to an end."""
        return [each for each in self.containers if each.sidecar or not each.init]

    def ordinary(self) -> list[ContainerStatus]:
        """The containers that are no init containers."""
        return [each for each in self.containers if not each.init]


def _initialized(containers: Collection[ContainerStatus]) -> bool:
    """As for the kubelet: once a container has started, a sidecar that is started again changes nothing."""
    ordinary = [each for each in containers if not each.init]
    begun = any("waiting" not in each.state or each.reason == _BACK_OFF for each in ordinary)
    return begun or all(each.initialized for each in containers if each.init)


class Folder:
    """Takes events one by one. What a hostile guest makes up is shown, but breaks nothing."""

    def __init__(self, record: Record) -> None:
        self.boot = 1
        self.prepared = False
        self.begun = False
        self.since: dict[str, str] = {}
        self.phase = PENDING
        self.ready = False
        self.failure = self.reason = self.message = ""
        self.started = ""
        self.containers = {
            name: ContainerStatus(name, init=True, sidecar=name in record.sidecars)
            for name in record.init_containers
        }
        self.containers |= {name: ContainerStatus(name, init=False) for name in record.containers}
        self.ephemeral = {each.name: ContainerStatus(each.name, init=False) for each in record.ephemeral}

    def take(self, timestamp: str, event: Mapping[str, Any]) -> None:
        """Fold one event in; one that makes no sense changes nothing."""
        before = self._conditions()
        kind = event.get("kind")
        if kind == "container":
            self._container(event)
        elif kind == "pod" and event.get("phase") in _PHASES:
            self.phase, self.begun = event["phase"], True
            self.ready = event.get("ready") is True
            self.reason, self.message = _text(event.get("reason")), _text(event.get("message"))
        elif kind == "agent":
            self._agent(timestamp, event)
        after = self._conditions()
        self.since |= {name: timestamp for name, value in after.items() if value != before[name]}

    def _agent(self, timestamp: str, event: Mapping[str, Any]) -> None:
        self.started = self.started or timestamp
        reason = event.get("reason")
        if reason == BOOTED:
            self._booted(event)
        elif reason == PREPARED:
            self.prepared = True
        elif reason == BROKEN:
            self.failure = _text(event.get("message"))

    def _booted(self, event: Mapping[str, Any]) -> None:
        """Another life of the pod begins; how its containers ended is what is left of the one before."""
        boot = event.get("boot")
        self.boot = boot if type(boot) is int else self.boot
        self.phase, self.ready, self.prepared, self.failure = PENDING, False, False, ""
        self.begun = False
        for each in self.containers.values():
            each.last = each.state.get("terminated", each.last)
            each.state = dict(_NOT_STARTED)
            each.started = each.serves = False

    def _conditions(self) -> dict[str, bool]:
        return {
            "Initialized": _initialized(self.containers.values()),
            "Ready": self.ready,
            "Prepared": self.prepared,
        }

    def _container(self, event: Mapping[str, Any]) -> None:
        name = _text(event.get("name"))
        status = self.containers.get(name) or self.ephemeral.get(name)
        state, restarts = _state(event.get("state")), event.get("restarts")
        if status is None or state is None or type(restarts) is not int:
            return
        self.begun = True
        status.state, status.restarts = state, min(max(0, restarts), _MAX_INT)
        status.started, status.serves = event.get("started") is True, event.get("ready") is True
        last = _state({"terminated": event.get("last")})
        # After a start the agent does not know how the run before it ended; the events do.
        status.last = last["terminated"] if last else status.last
        if status.last == state.get("terminated"):
            # It waited to be started again, and never will be: that end is its state now.
            status.last = None


def derive(
    record: Record,
    events: Iterable[TimedEvent],
    *,
    alive: bool,
    starting: bool,
    silent: bool = False,
    last_seen: str = "",
) -> PodStatus:
    """The state now.

    alive: whether the machine runs; starting: whether a command is at work on it; silent: whether its agent
    does not answer; last_seen: when the machine last wrote anything (RFC 3339), '' if never.
    """
    folder = Folder(record)
    for timestamp, event in events:
        folder.take(timestamp, event)
    phase, reason, message = _phase(folder, record, alive=alive, starting=starting)
    if silent and phase in (PENDING, RUNNING):
        phase, reason, message = UNKNOWN, "NodeLost", _SILENT
    if record.paused and alive and phase in (PENDING, RUNNING):
        reason, message = "Paused", "its machine stands still, with all that runs in it"
    ended = phase in (SUCCEEDED, FAILED)
    containers = list(folder.containers.values())
    if not alive and not starting:
        _end_containers([*containers, *folder.ephemeral.values()], last_seen)
    ready = folder.ready and alive and not ended and not silent and not record.paused
    since = folder.since if folder.ready == ready else folder.since | {"Ready": last_seen}
    return PodStatus(
        phase,
        ready,
        reason,
        message,
        folder.started,
        containers,
        prepared=folder.prepared and alive and not ended,
        since=since,
        last_seen=last_seen,
        told=bool(reason) and reason == folder.reason,
        ephemeral=list(folder.ephemeral.values()),
    )


_SILENT = "the pod's agent does not answer: its machine hangs or is paused, or the host is overloaded"


def _phase(folder: Folder, record: Record, *, alive: bool, starting: bool) -> tuple[str, str, str]:
    booted = folder.boot >= record.boot
    if folder.failure and booted:
        return FAILED, "MachineFailed", folder.failure
    if folder.phase in (SUCCEEDED, FAILED) and booted:
        return folder.phase, folder.reason, folder.message
    if starting or (alive and folder.begun and booted):
        return folder.phase if booted else PENDING, "", ""
    if alive:
        # Its agent waits for somebody to hand it the pod, and nobody will.
        return FAILED, "StartFailed", "the command that was starting the pod was killed"
    return _gone(record)


def _gone(record: Record) -> tuple[str, str, str]:
    if record.stopped:
        return FAILED, "Killed", "the machine was ended by force"
    if record.qemu is None:
        return FAILED, "StartFailed", "the machine was not started"
    return FAILED, MACHINE_DIED, "the machine ended without the pod having ended"


def _end_containers(containers: Iterable[ContainerStatus], last_seen: str) -> None:
    """Nothing runs in a machine that is gone. How such a container ended nobody knows: never success."""
    for each in containers:
        if "terminated" not in each.state:
            running = each.state.get("running", {})
            each.state = {
                "terminated": {
                    "exitCode": 137,
                    "reason": "ContainerStatusUnknown",
                    "startedAt": running.get("startedAt"),
                    "finishedAt": last_seen or None,
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
