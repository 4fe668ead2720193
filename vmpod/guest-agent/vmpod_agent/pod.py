"""The pod controller: what a kubelet does with a pod's containers, above the primitives.

Init containers run one by one, each to success; then all containers side by side. Ended containers are
started again as restartPolicy says, with the kubelet's back-off. When nothing is left to run, or on
stop, the controller calls `finished`.

Sources: Kubernetes, Pod Lifecycle (restart policy, init containers, termination).
"""

from __future__ import annotations

import time

from vmpod.wire import events
from vmpod.wire.journal import timestamp
from vmpod.wire.messages import clipped
from vmpod_agent.backoff import Backoff
from vmpod_agent.container import Run
from vmpod_agent.signals import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from vmpod.wire.boot import BootContainer, BootDocument
    from vmpod.wire.events import ContainerState, Event, Terminated
    from vmpod_agent.container import Services, StartError
    from vmpod_agent.loop import Timer

_MAX_MESSAGE = 4096  # two of them, in `state` and `last`, have to fit into one journal line
_KILL_AGAIN = 0.2  # seconds


class Member:
    """A container of the pod over all its runs."""

    def __init__(self, pod: PodController, spec: BootContainer, *, init: bool) -> None:
        self.spec = spec
        self.init = init
        self.run: Run | None = None
        self.state: ContainerState = {"waiting": {"reason": "PodInitializing"}}
        self.last: Terminated | None = None
        self._pod = pod
        self._backoff = Backoff()
        self._timer: Timer | None = None
        self._started_at = ""
        self._attempts = spec["first_run"]

    @property
    def name(self) -> str:
        return self.spec["name"]

    @property
    def restarts(self) -> int:
        """How often it was started again."""
        return max(0, self._attempts - 1)

    @property
    def running(self) -> bool:
        return "running" in self.state

    @property
    def exit_code(self) -> int | None:
        """The exit code of a container that has ended, None for one that runs or waits."""
        terminated = self.state.get("terminated")
        return terminated["exitCode"] if terminated else None

    def start(self) -> None:
        """Begin a run of the container."""
        self._timer = None
        self._remember_end()
        self._attempts += 1
        self._set_state({"waiting": {"reason": "ContainerCreating"}})
        self.run = Run(self.spec, self._attempts - 1, self._pod.volumes, self._pod.services)
        self._started_at = _now()
        self.run.start(self._started, self._ended, self._start_failed)

    def restart_later(self) -> None:
        """Begin another run, at once the first time and later and later after that."""
        delay = self._backoff.next_delay()
        self._remember_end()
        if delay:
            message = f"back-off {delay:.0f}s restarting failed container {self.name}"
            self._set_state({"waiting": {"reason": "CrashLoopBackOff", "message": message}})
        self._timer = self._pod.services.loop.call_later(delay, self.start)

    def signal(self, number: int) -> None:
        """Send a signal to a running container."""
        if self.run:
            self.run.signal(number)

    def cancel_restart(self) -> None:
        """Leave an ended container ended."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
            if self.last:
                self._set_state({"terminated": self.last})

    @property
    def busy(self) -> bool:
        """Whether the container runs or is being started."""
        return self.run is not None

    @property
    def done(self) -> bool:
        """Whether the container has ended and will not be started again."""
        return self.exit_code is not None and self._timer is None

    def event(self) -> Event:
        """Where the container stands."""
        return {
            "kind": "container",
            "name": self.name,
            "init": self.init,
            "restarts": self.restarts,
            "state": self.state,
            "last": self.last,
        }

    def _remember_end(self) -> None:
        self.last = self.state.get("terminated", self.last)

    def _set_state(self, state: ContainerState) -> None:
        self.state = state
        self._pod.report(self.event())

    def _started(self) -> None:
        self._started_at = _now()
        self._backoff.started()
        self._set_state({"running": {"startedAt": self._started_at}})
        self._pod.changed()
        if self._pod.stopping:
            self._pod.signal_stop(self)

    def _start_failed(self, error: StartError) -> None:
        self._terminated(error.code, 0, "StartError", str(error))

    def _ended(self, code: int, number: int, oom: bool) -> None:
        reason = "OOMKilled" if oom else "Completed" if code == 0 else "Error"
        self._terminated(code, number, reason, "")

    def _terminated(self, code: int, number: int, reason: str, message: str) -> None:
        terminated: Terminated = {
            "exitCode": code,
            "reason": reason,
            "startedAt": self._started_at,
            "finishedAt": _now(),
        }
        if number:
            terminated["signal"] = number
        if message:
            terminated["message"] = clipped(message, _MAX_MESSAGE)
        run, self.run = self.run, None
        self._set_state({"terminated": terminated})
        if run:
            run.remove()
        self._pod.ended(self)


class PodController:
    """All containers of the pod. report(event) tells the host; finished(phase) ends the machine."""

    def __init__(
        self,
        document: BootDocument,
        services: Services,
        report: Callable[[Event], None],
        finished: Callable[[str], None],
    ) -> None:
        self.services = services
        self.report = report
        self.volumes = {volume["name"]: volume for volume in document["volumes"]}
        self.stopping = False
        self.phase = events.PENDING
        self._finished = finished
        self._policy = document["restart_policy"]
        self._grace = document["grace"]
        self._inits = [Member(self, spec, init=True) for spec in document["init_containers"]]
        self._containers = [Member(self, spec, init=False) for spec in document["containers"]]
        self._ready = False
        self._next_init = 0
        self._kill_timer: Timer | None = None
        self._kill_at = float("inf")
        self._done = False

    def members(self) -> list[Member]:
        """Every container, init containers first."""
        return self._inits + self._containers

    def find(self, name: str) -> Member | None:
        """The container of that name; the first ordinary one for ''."""
        if not name:
            return self._containers[0]
        return next((member for member in self.members() if member.name == name), None)

    def status(self) -> list[Event]:
        """The events that tell the whole present state."""
        return [*(member.event() for member in self.members()), self._pod_event()]

    def start(self) -> None:
        """Begin with the first init container, or with the containers if there is none."""
        for member in self.members():
            self.report(member.event())
        self._advance()

    def stop(self, grace: int | None) -> None:
        """Ask every container to end, and kill after the grace period (seconds; None: the pod's own).

        A second call may shorten the wait, never lengthen it.
        """
        seconds = self._grace if grace is None else grace
        first, self.stopping = not self.stopping, True
        kill_at = time.monotonic() + seconds
        if kill_at < self._kill_at:
            self._kill_at = kill_at
            self._kill_later(seconds)
        for member in self.members():
            member.cancel_restart()
            if first:
                self.signal_stop(member)
        self._finish_if_stopped()

    def signal_stop(self, member: Member) -> None:
        """Send a container the signal that asks it to end."""
        member.signal(_signal_number(member.spec["stop_signal"]))

    def changed(self) -> None:
        """A container has started: the pod may now be running, and ready."""
        if not self.stopping and any(member.running for member in self._containers):
            self._set(events.RUNNING, all(member.running for member in self._containers))

    def ended(self, member: Member) -> None:
        """A container has ended: start it again, go on, or be done."""
        if self.stopping:
            self._finish_if_stopped()
        elif self._restarts(member):
            if not member.init:
                self._set(self.phase, False)
            member.restart_later()
        elif member.init:
            self._init_ended(member)
        else:
            self._set(self.phase, False)
            self._finish_if_all_ended()

    def _restarts(self, member: Member) -> bool:
        failed = member.exit_code != 0
        if self._policy == "Always":
            # An init container that succeeded is done under every policy.
            return failed or not member.init
        return failed and self._policy == "OnFailure"

    def _init_ended(self, member: Member) -> None:
        if member.exit_code == 0:
            self._next_init += 1
            self._advance()
        else:
            self._finish(events.FAILED)

    def _advance(self) -> None:
        if self._next_init < len(self._inits):
            self._inits[self._next_init].start()
            return
        for member in self._containers:
            member.start()

    def _finish_if_all_ended(self) -> None:
        if all(member.done for member in self._containers):
            self._finish(self._result())

    def _finish_if_stopped(self) -> None:
        if not any(member.busy for member in self.members()):
            if self._kill_timer:
                self._kill_timer.cancel()
            self._finish(self._result())

    def _result(self) -> str:
        """Success is that every container has run and ended well; one that never ran has not."""
        well = all(member.exit_code == 0 for member in self._containers)
        return events.SUCCEEDED if well else events.FAILED

    def _kill_later(self, seconds: float) -> None:
        if self._kill_timer:
            self._kill_timer.cancel()
        self._kill_timer = self.services.loop.call_later(seconds, self._kill)

    def _kill(self) -> None:
        # A container that is just being started has no process to kill yet.
        self._kill_later(_KILL_AGAIN)
        for member in self.members():
            member.signal(signal.SIGKILL)

    def _finish(self, phase: str) -> None:
        if not self._done:
            self._done = True
            self._set(phase, False)
            self._finished(phase)

    def _set(self, phase: str, ready: bool) -> None:
        if (phase, ready) != (self.phase, self._ready):
            self.phase, self._ready = phase, ready
            self.report(self._pod_event())

    def _pod_event(self) -> Event:
        return {"kind": "pod", "phase": self.phase, "ready": self._ready}


def _signal_number(name: str) -> int:
    """The number of a stop signal: 'SIGTERM', 'TERM', '15' or 'SIGRTMIN+3'; SIGTERM for anything else."""
    base, _, offset = name.partition("+")
    number = _small(base) or _by_name(base if base.startswith("SIG") else f"SIG{base}")
    number += _small(offset)
    return number if 0 < number < signal.NSIG else signal.SIGTERM


def _by_name(name: str) -> int:
    # SIG_DFL and the like are no signals.
    return 0 if "_" in name else int(getattr(signal, name, 0))


def _small(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) <= 2 else 0


def _now() -> str:
    return timestamp(time.time_ns())
