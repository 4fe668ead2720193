"""The pod controller: what a kubelet does with a pod's containers, above the primitives.

Init containers run one by one, each to success, or, if they are sidecars, until they have started; then all
containers side by side. Ended containers are started again as restart rules and policies say, with the
kubelet's back-off. When nothing is left to run, or on stop, all that runs is ended, the sidecars last, and
the controller calls `finished`.

Sources: Kubernetes, Pod Lifecycle (restart policy, termination), Init Containers, Sidecar Containers.
"""

from __future__ import annotations

from vmpod.wire import events
from vmpod.wire.messages import clipped
from vmpod_agent.backoff import Backoff
from vmpod_agent.member import Member

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from vmpod.wire.boot import BootDocument, RestartRule
    from vmpod.wire.events import Event, PodEvent
    from vmpod_agent.container import Services
    from vmpod_agent.debugger import Debugger

_MAX_MESSAGE = 1024
_DEBUGGERS_GRACE = 2  # seconds; a shell hears no SIGTERM, and the pod is not to wait for it


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
        self.grace = document["grace"]
        self.stopping = False
        self.phase = events.PENDING
        self._finished = finished
        self._policy = document["restart_policy"]
        self._deadline = document["deadline"]
        self._inits = [Member(self, spec, init=True) for spec in document["init_containers"]]
        self._containers = [Member(self, spec, init=False) for spec in document["containers"]]
        self._debuggers: list[Debugger] = []
        self._sidecars = [member for member in self._inits if member.sidecar]
        self._ready = False
        self._next_init = 0
        self._next_container = 0
        self._holding: Member | None = None
        """The container whose postStart hook the next one waits for."""
        self._backoff = Backoff()
        self._anew = False
        """Whether all containers are to end, and then to start again."""
        self._outcome = ""
        """The phase that the pod will end in, if that is known before all has ended."""
        self._reason = self._message = ""
        self.done = False
        """Whether all has ended, and been told."""

    def members(self) -> list[Member]:
        """Every container, init containers first."""
        return self._inits + self._containers

    def find(self, name: str) -> Member | None:
        """The container of that name; the first ordinary one for ''."""
        if not name:
            return self._containers[0]
        everyone = [*self.members(), *self._debuggers]
        return next((member for member in everyone if member.name == name), None)

    def keep(self, names: list[str]) -> None:
        """Keep the files of these containers when they have ended."""
        for member in self.members():
            member.keeps = member.name in names

    @property
    def keeps(self) -> bool:
        """Whether the files of some container are kept when it has ended."""
        return any(member.keeps for member in self.members())

    def drop_kept(self) -> None:
        """Delete the files that are kept."""
        for member in self.members():
            if member.kept:
                member.kept.remove()
                member.kept = None

    def status(self) -> list[Event]:
        """The events that tell the whole present state."""
        return [*(member.event() for member in [*self.members(), *self._debuggers]), self._pod_event()]

    def announce(self) -> None:
        """Be there: the host is told of every container, and time runs."""
        for member in self.members():
            self.report(member.event())
        if self._deadline:
            self.services.loop.call_later(self._deadline, self._too_late)

    def begin(self) -> None:
        """Begin with the first init container, or with the containers if there is none."""
        if not self.stopping:
            self._advance()

    def stop(self, grace: int | None) -> None:
        """Ask every container to end, and kill after the grace period (seconds; None: the pod's own).

        A second call may shorten the wait, never lengthen it.
        """
        self.stopping = True
        for member in self.members():
            member.cancel_restart()
            member.terminate(self.grace if grace is None else grace)
        for debugger in self._debuggers:
            debugger.terminate(min(_DEBUGGERS_GRACE, self.grace if grace is None else grace))
        self._finish_if_stopped()

    def add(self, debugger: Debugger) -> None:
        """Start a container beside those that the pod was made with."""
        self._debuggers.append(debugger)
        self.report(debugger.event())
        debugger.start()

    def fail(self, reason: str, message: str, grace: int | None = None) -> None:
        """End the pod as failed, for a reason of its own. grace: see stop()."""
        if not self._outcome:
            self._outcome, self._reason = events.FAILED, reason
            self._message = clipped(message, _MAX_MESSAGE)
            self.stop(grace)

    # What members tell and ask.

    def changed(self, member: Member) -> None:
        """A container runs, is ready, or is not any more."""
        if self.stopping or self._anew:
            return
        if member.sidecar and member.started and member is self._awaited():
            self._next_init += 1
            self._advance()
        if any(each.running for each in self._containers):
            self._set(events.RUNNING, all(each.ready for each in self._sidecars + self._containers))

    def begun(self, member: Member) -> None:
        """A container's beginning is over, for good or bad: the next may start."""
        if self._holding is member:
            self._holding = None
            self._start_containers()

    def may_end(self, member: Member) -> bool:
        """Whether it is a container's turn: sidecars outlive the containers, and those after them."""
        if not member.sidecar or not self.stopping:
            return True
        later = self._sidecars[self._sidecars.index(member) + 1 :]
        return not any(each.busy for each in later + self._containers)

    def ended(self, member: Member) -> None:
        """A container has ended: start it again, go on, or be done."""
        if member in self._debuggers and not self.stopping:
            return
        if self.stopping:
            for each in reversed(self._sidecars):
                each.turn()
            self._finish_if_stopped()
        elif self._anew:
            self._begin_anew()
        elif (rule := self._rule(member)) and rule["all"]:
            self._start_all_again(member)
        elif rule or member.again or self._restarts(member):
            if not member.init or member.sidecar:
                self._set(self.phase, False)
            member.restart_later()
        elif member.init:
            self._init_ended(member)
        else:
            self._set(self.phase, False)
            self._finish_if_all_ended()

    def _rule(self, member: Member) -> RestartRule | None:
        """The first restart rule that fits how a container ended."""
        for rule in member.spec["restart"]["rules"]:
            if (member.exit_code in rule["codes"]) is rule["within"]:
                return rule
        return None

    def _restarts(self, member: Member) -> bool:
        policy = member.spec["restart"]["policy"] or self._policy
        failed = member.exit_code != 0
        if policy == "Always":
            # An init container that succeeded is done under every policy.
            return failed or not member.init or member.sidecar
        return failed and policy == "OnFailure"

    def _init_ended(self, member: Member) -> None:
        if member.exit_code == 0:
            self._next_init += 1
            self._advance()
        else:
            self._end(events.FAILED)

    def _awaited(self) -> Member | None:
        """The init container that the others wait for."""
        return self._inits[self._next_init] if self._next_init < len(self._inits) else None

    def _advance(self) -> None:
        if member := self._awaited():
            member.start()
            return
        self._start_containers()

    def _start_containers(self) -> None:
        """Start those that have not been, up to one whose hook has to be waited for."""
        while self._next_container < len(self._containers) and not (self.stopping or self._anew):
            member = self._containers[self._next_container]
            self._next_container += 1
            if member.spec["hooks"]["post_start"]:
                self._holding = member
            member.start()
            if self._holding:
                return

    def _start_all_again(self, member: Member) -> None:
        member.note(
            "RestartAllContainers", f"Container {member.name} asks for all to start again", warning=False
        )
        self._anew = True
        self._set(self.phase, False)
        for each in self.members():
            each.cancel_restart()
            each.terminate(0)
        self._begin_anew()

    def _begin_anew(self) -> None:
        """Wait until nothing runs, and then as long as for a container that ends again and again."""
        if not any(member.busy for member in self.members()):
            self.services.loop.call_later(self._backoff.next_delay(), self._start_anew)

    def _start_anew(self) -> None:
        if self.stopping:
            return
        self._backoff.started()
        self._anew = False
        self._holding = None
        self._next_init = self._next_container = 0
        for member in self.members():
            member.reset()
        self._advance()

    # The end of the pod.

    def _too_late(self) -> None:
        if not self.done:
            self.fail("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")

    def _finish_if_all_ended(self) -> None:
        if all(member.done for member in self._containers):
            self._end(self._result())

    def _end(self, phase: str) -> None:
        """The pod is over, but for its sidecars."""
        self._outcome = phase
        self.stop(None)

    def _finish_if_stopped(self) -> None:
        if not any(member.busy for member in [*self.members(), *self._debuggers]):
            self._finish(self._outcome or self._result())

    def _result(self) -> str:
        """Success is that every container has run and ended well; one that never ran has not."""
        well = all(member.exit_code == 0 for member in self._containers)
        return events.SUCCEEDED if well else events.FAILED

    def _finish(self, phase: str) -> None:
        if not self.done:
            self.done = True
            self._set(phase, False)
            self._finished(phase)

    def _set(self, phase: str, ready: bool) -> None:
        if (phase, ready) != (self.phase, self._ready):
            self.phase, self._ready = phase, ready
            self.report(self._pod_event())

    def _pod_event(self) -> Event:
        event: PodEvent = {"kind": "pod", "phase": self.phase, "ready": self._ready}
        if self.done and self._reason:
            event["reason"], event["message"] = self._reason, self._message
        return event
