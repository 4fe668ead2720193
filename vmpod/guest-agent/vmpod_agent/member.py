"""One container of the pod over all its runs: its state, its probes and hooks, its ends.

Sources: Kubernetes, Pod Lifecycle, Container Lifecycle Hooks; core/v1 ContainerStatus.
"""

from __future__ import annotations

import time

from vmpod.wire.journal import timestamp
from vmpod.wire.messages import clipped
from vmpod_agent.backoff import Backoff
from vmpod_agent.container import Run
from vmpod_agent.signals import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal, Protocol

    from vmpod.wire.boot import Action, BootContainer, BootVolume, Probe
    from vmpod.wire.events import ContainerState, Event, Terminated
    from vmpod_agent.actions import Attempt
    from vmpod_agent.container import Services, StartError
    from vmpod_agent.loop import Timer
    from vmpod_agent.probes import Prober

    class Pod(Protocol):
        """What a member tells the pod, and asks it."""

        services: Services
        volumes: dict[str, BootVolume]
        report: Callable[[Event], None]

        @property
        def grace(self) -> int:
            """Seconds between asking a container to end and killing it."""

        def changed(self, member: Member) -> None:
            """A container runs, is ready, or is not any more."""

        def begun(self, member: Member) -> None:
            """A container's beginning is over, for good or bad: the next may start."""

        def ended(self, member: Member) -> None:
            """A run has ended."""

        def may_end(self, member: Member) -> bool:
            """Whether it is a container's turn to be asked to end."""


_MAX_MESSAGE = 4096  # two of them, in `state` and `last`, have to fit into one journal line
_MAX_NOTE = 1024
_KILL_AGAIN = 0.2  # seconds
_LEAST_GRACE = 2.0  # seconds, also after a hook that took all the time; the kubelet's


class Member:
    """A container of the pod."""

    def __init__(self, pod: Pod, spec: BootContainer, *, init: bool) -> None:
        self.spec = spec
        self.init = init
        self.sidecar = init and spec["restart"]["policy"] == "Always"
        """Whether it is an init container that runs beside all that comes after it."""
        self.run: Run | None = None
        self.kept: Run | None = None
        """The last run that has ended, if its files are kept."""
        self.keeps = False
        """Whether the files of a run that has ended are kept, until the next one has ended."""
        self.state: ContainerState = {"waiting": {"reason": "PodInitializing"}}
        self.last: Terminated | None = None
        self.started = False
        self._pod = pod
        self._backoff = Backoff()
        self._timer: Timer | None = None
        self._started_at = ""
        self._attempts = spec["first_run"]
        self._answers = False
        self.again = False
        """Whether the next run follows the present one whatever the policy says."""
        self._probers: list[Prober] = []
        self._hook: Attempt | None = None
        self._clear_end()

    def _clear_end(self) -> None:
        self._ending = False
        """Whether the present run is to end."""
        self._asked = False
        """Whether it has been told."""
        self._kill_at = float("inf")
        self._kill_timer: Timer | None = None

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
    def ready(self) -> bool:
        """Whether it has done its work, for an init container; whether it can do it, for any other."""
        if self.init and not self.sidecar:
            return self.exit_code == 0
        return self.started and self._answers

    @property
    def exit_code(self) -> int | None:
        """The exit code of a container that has ended, None for one that runs or waits."""
        terminated = self.state.get("terminated")
        return terminated["exitCode"] if terminated else None

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
            "started": self.started,
            "ready": self.ready,
        }

    def note(self, reason: str, message: str, *, warning: bool = True) -> None:
        """Tell something that happened."""
        self._pod.report(
            {
                "kind": "note",
                "name": self.name,
                "init": self.init,
                "warning": warning,
                "reason": reason,
                "message": clipped(message, _MAX_NOTE),
            }
        )

    # Its beginning.

    def start(self) -> None:
        """Begin a run of the container."""
        self._timer = None
        self._remember_end()
        self._attempts += 1
        self.again = False
        self._clear_end()
        self._set_state({"waiting": {"reason": "ContainerCreating"}})
        self.run = self._new_run()
        self._started_at = _now()
        self.run.start(self._run_started, self._run_ended, self._start_failed)

    def _new_run(self) -> Run:
        return Run(self.spec, self._attempts - 1, self._pod.volumes, self._pod.services)

    def restart_later(self) -> None:
        """Begin another run, at once the first time and later and later after that."""
        delay = self._backoff.next_delay()
        self._remember_end()
        if delay:
            message = f"back-off {delay:.0f}s restarting failed container {self.name}"
            self._set_state({"waiting": {"reason": "CrashLoopBackOff", "message": message}})
        self._timer = self._pod.services.loop.call_later(delay, self.start)

    def cancel_restart(self) -> None:
        """Leave an ended container ended."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
            if self.last:
                self._set_state({"terminated": self.last})

    def reset(self) -> None:
        """Wait for a start as at the very beginning."""
        self.cancel_restart()
        self._remember_end()
        self._set_state({"waiting": {"reason": "PodInitializing"}})

    def _run_started(self) -> None:
        self._started_at = _now()
        self._since = time.monotonic()
        self._backoff.started()
        if self._ending:
            # It was told to end before there was anybody to tell.
            self._set_state({"running": {"startedAt": self._started_at}})
            self._ask_to_end()
        elif hook := self.spec["hooks"]["post_start"]:
            # Until it is over the container does not count as running.
            self._hook = self._begin_hook(hook, self._post_start_over)
        else:
            self._up()

    def _begin_hook(self, hook: Action, over: Callable[[bool, str], None]) -> Attempt:
        from vmpod_agent import actions  # noqa: PLC0415 - slow to import, and few have hooks

        assert self.run
        return actions.begin(hook, self.run, self._pod.services, None, over, hook=True)

    def _post_start_over(self, well: bool, said: str) -> None:
        self._hook = None
        if not well:
            self.note("FailedPostStartHook", f"PostStartHook failed: {said}")
        self._up(serving=well)
        if not well:
            self.terminate(self._pod.grace)
        self._pod.begun(self)

    def _up(self, *, serving: bool = True) -> None:
        """The container runs."""
        probes = self.spec["probes"]
        self.started = serving and probes["startup"] is None
        self._answers = serving and probes["readiness"] is None
        self._set_state({"running": {"startedAt": self._started_at}})
        if serving:
            if startup := probes["startup"]:
                self._probe("Startup", startup, self._startup_verdict)
            else:
                self._watch_over()
        self._pod.changed(self)

    def _start_failed(self, error: StartError) -> None:
        self._terminated(error.code, 0, "StartError", str(error))

    # Its probes.

    def _probe(self, name: str, spec: Probe, verdict: Callable[[bool], None]) -> None:
        from vmpod_agent.probes import Prober  # noqa: PLC0415 - as above

        assert self.run

        def failed(said: str) -> None:
            self.note("Unhealthy", f"{name} probe failed: {said}")

        prober = Prober(spec, self.run, self._pod.services, verdict, failed)
        self._probers.append(prober)
        prober.start(self._since)

    def _watch_over(self) -> None:
        probes = self.spec["probes"]
        if readiness := probes["readiness"]:
            self._probe("Readiness", readiness, self._readiness_verdict)
        if liveness := probes["liveness"]:
            self._probe("Liveness", liveness, self._liveness_verdict)

    def _startup_verdict(self, well: bool) -> None:
        self._stop_probes()
        if not well:
            self._kill_unwell("startup")
            return
        self.started = True
        self._watch_over()
        self._changed()

    def _readiness_verdict(self, well: bool) -> None:
        if well is not self._answers:
            self._answers = well
            self._changed()

    def _liveness_verdict(self, well: bool) -> None:
        if not well:
            self._kill_unwell("liveness")

    def _kill_unwell(self, name: Literal["startup", "liveness"]) -> None:
        spec = self.spec["probes"][name]
        assert spec
        self.note(
            "Killing",
            f"Container {self.name} failed {name} probe, will be restarted",
            warning=False,
        )
        self.terminate(self._pod.grace if spec["grace"] < 0 else spec["grace"])

    def _stop_probes(self) -> None:
        for prober in self._probers:
            prober.stop()
        self._probers.clear()

    # Its end.

    def signal(self, number: int) -> None:
        """Send a signal to a running container."""
        if self.run:
            self.run.signal(number)

    def terminate(self, seconds: float) -> None:
        """Have the present run end: by its hook and its signal, and after so many seconds by force.

        A second call may shorten the time, never lengthen it.
        """
        if not self.busy:
            return
        kill_at = time.monotonic() + seconds
        if kill_at < self._kill_at:
            self._kill_at = kill_at
            self._kill_later(seconds)
        if seconds <= 0:
            # No time to ask.
            self._asked = True
        if self._ending:
            return
        self._ending = True
        self._stop_probes()
        self._cancel_hook()
        hook = self.spec["hooks"]["pre_stop"]
        if hook and self.running and seconds > 0:
            self._hook = self._begin_hook(hook, self._pre_stop_over)
        else:
            self._ask_to_end()

    def begin_again(self) -> None:
        """Have the present run end, and another follow whatever the restart policy says."""
        self.again = True
        self.terminate(self._pod.grace)

    def turn(self) -> None:
        """It may be its turn to end now."""
        if self._ending and not self._asked and self._hook is None:
            self._ask_to_end()

    def _pre_stop_over(self, well: bool, said: str) -> None:
        self._hook = None
        if not well:
            self.note("FailedPreStopHook", f"PreStopHook failed: {said}")
        self._ask_to_end()

    def _ask_to_end(self) -> None:
        if self._pod.may_end(self):
            self._asked = True
            self.signal(stop_signal(self.spec["stop_signal"]))

    def _kill_later(self, seconds: float) -> None:
        if self._kill_timer:
            self._kill_timer.cancel()
        self._kill_timer = self._pod.services.loop.call_later(seconds, self._kill)

    def _kill(self) -> None:
        if self._asked:
            # A container that is just being started has no process to kill yet.
            self._kill_later(_KILL_AGAIN)
            self.signal(signal.SIGKILL)
            return
        if self._hook:
            self.note("FailedPreStopHook", "PreStopHook did not complete within the grace period")
            self._cancel_hook()
        self._asked = True
        self.signal(stop_signal(self.spec["stop_signal"]))
        self._kill_later(_LEAST_GRACE)

    def _cancel_hook(self) -> None:
        if self._hook:
            self._hook.cancel()
            self._hook = None

    def _run_ended(self, code: int, number: int, oom: bool) -> None:
        reason = "OOMKilled" if oom else "Completed" if code == 0 else "Error"
        assert self.run
        self._terminated(code, number, reason, self.run.last_words(code))

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
        self._stop_probes()
        self._cancel_hook()
        if self._kill_timer:
            self._kill_timer.cancel()
        self.started = self._answers = False
        self._set_state({"terminated": terminated})
        if self.keeps:
            run, self.kept = self.kept, run
        if run:
            run.remove()
        self._pod.begun(self)
        self._pod.ended(self)

    def _remember_end(self) -> None:
        self.last = self.state.get("terminated", self.last)

    def _set_state(self, state: ContainerState) -> None:
        self.state = state
        self._pod.report(self.event())

    def _changed(self) -> None:
        self._pod.report(self.event())
        self._pod.changed(self)


def stop_signal(name: str) -> int:
    """The number of a stop signal: 'SIGTERM', 'TERM', '15' or 'SIGRTMIN+3'; SIGTERM for anything else."""
    base, plus, offset = name.partition("+")
    minus = ""
    if not plus:
        base, minus, offset = name.partition("-")
    number = _small(base) or _by_name(base if base.startswith("SIG") else f"SIG{base}")
    number += -_small(offset) if minus else _small(offset)
    return number if 0 < number < signal.NSIG else signal.SIGTERM


def _by_name(name: str) -> int:
    # SIG_DFL and the like are no signals.
    return 0 if "_" in name else int(getattr(signal, name, 0))


def _small(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) <= 2 else 0


def _now() -> str:
    return timestamp(time.time_ns())
