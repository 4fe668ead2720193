"""What happened in pods and to Jobs, in the words of Kubernetes' events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from vmpod.dataclass import dataclass
from vmpod.runtime.context import Runtime
from vmpod.state.jobs import JobEntry
from vmpod.state.journal import StreamReader, parsed
from vmpod.state.store import PodEntry
from vmpod.text import printable
from vmpod.wire import events, logdisk

NORMAL, WARNING = "Normal", "Warning"
_MAX_MESSAGE = 1024  # as the API server allows

_AGENT: Mapping[str, tuple[str, str, str]] = {
    events.BOOTED: (NORMAL, "Booted", "The machine's agent runs, {uptime:.1f} s after its kernel"),
    events.PREPARED: (NORMAL, "SandboxReady", "The machine has its name, network and disks"),
    events.STOPPING: (NORMAL, "Killing", "Stopping the pod"),
    events.STOPPED: (NORMAL, "Stopped", "The machine turns itself off"),
    events.BROKEN: (WARNING, "MachineFailed", "{message}"),
    events.FORKED: (NORMAL, "Forked", "Goes on as a copy of the pod {message}"),
    events.LOST: (WARNING, "OutputLost", "{message}"),
}


@dataclass(frozen=True)
class Happening:
    """One event of a pod or Job. moment: RFC 3339 with nanoseconds; container: '' for the pod itself."""

    entry: PodEntry | JobEntry
    moment: str
    kind: str
    reason: str
    message: str
    container: str = ""
    init: bool = False

    @property
    def of_job(self) -> bool:
        """Whether it is a Job's."""
        return isinstance(self.entry, JobEntry)


class JobChronicle:
    """Tells what becomes of one Job, as it comes; what happens in its pods is theirs to tell."""

    def __init__(self, runtime: Runtime, entry: JobEntry) -> None:
        self.entry = entry
        self._jobs = runtime.jobs
        self._told = 0
        self._ended = False

    def read(self) -> Iterator[Happening]:
        """All that has come since the last call."""
        new = list(self._jobs.events(self.entry))[self._told :]
        self._told += len(new)
        for each in new:
            reason, message = printable(each.reason)[:128], printable(each.message)[:_MAX_MESSAGE]
            yield Happening(self.entry, each.moment, each.kind, reason, message)

    def over(self, _runtime: Runtime) -> bool:
        """Whether nothing more will come, apart from what read() tells after this."""
        known, before = self._jobs.lookup(self.entry.record.key), self._ended
        if known is None or known.record.uid != self.entry.record.uid:
            return True
        self._ended = self._jobs.course(self.entry).end is not None
        # Who attends to it writes down first that it has ended, and then what there is to tell of that.
        return before

    def end(self, _runtime: Runtime) -> Happening | None:
        """Nothing: a Job's end has been told."""
        return None


class Chronicle:
    """Tells what happens in one pod, as it comes. follow: see StreamReader."""

    def __init__(self, entry: PodEntry, *, follow: bool) -> None:
        self.entry = entry
        self._reader = StreamReader(entry.journal, logdisk.EVENTS, follow=follow)
        self._before: dict[str, Any] = {}
        self._ready = False
        self._phase = events.PENDING

    def read(self) -> Iterator[Happening]:
        """All that has come since the last call. Events that repeat what is known are left out."""
        for moment, event in parsed(self._reader):
            kind = event.get("kind")
            name = event.get("name")
            if kind == "container":
                found = self._container(event)
            elif kind == "note":
                found = _note(event)
            elif kind == "pod":
                name = ""
                found = self._pod(event)
            else:
                name = ""
                found = self._agent(event)
            if found:
                type_, reason, message = found
                yield Happening(
                    self.entry,
                    moment,
                    type_,
                    printable(reason)[:128],
                    printable(message)[:_MAX_MESSAGE],
                    printable(str(name or "")),
                    init=event.get("init") is True,
                )

    def over(self, runtime: Runtime) -> bool:
        """Whether the pod is gone, or has ended with its machine."""
        entry = runtime.pods.lookup(self.entry.record.key)
        return entry is None or (runtime.pods.status(entry).ended and not entry.alive())

    def end(self, runtime: Runtime) -> Happening | None:
        """What the machine itself could not tell: how it ended, if that was not by itself."""
        status = runtime.pods.status(self.entry)
        if status.ended and status.reason and status.reason != "MachineFailed" and not status.told:
            return Happening(self.entry, status.last_seen, WARNING, status.reason, status.message)
        return None

    def _container(self, event: Mapping[str, Any]) -> tuple[str, str, str] | None:
        name, state = str(event.get("name")), event.get("state")
        # A new segment of the journal repeats the newest events; and what a probe says is no new state.
        if not isinstance(state, dict) or self._before.get(name) == (state, event.get("restarts")):
            return None
        self._before[name] = state, event.get("restarts")
        # One that waited to be started again, and never will: its end was told when it came.
        if (end := state.get("terminated")) is not None and end == event.get("last"):
            return None
        for kind, tell in _CONTAINER.items():
            if isinstance(detail := state.get(kind), dict):
                return tell(name, detail)
        return None

    def _pod(self, event: Mapping[str, Any]) -> tuple[str, str, str] | None:
        before, phase = (self._phase, self._ready), event.get("phase")
        self._phase, self._ready = str(phase), event.get("ready") is True
        if (self._phase, self._ready) == before:
            return None
        if phase == events.SUCCEEDED:
            return NORMAL, "PodCompleted", "All containers have ended well"
        if phase == events.FAILED and event.get("reason"):
            return WARNING, str(event["reason"]), str(event.get("message"))
        if phase == events.FAILED:
            return WARNING, "PodFailed", "A container has failed, and is not started again"
        if self._ready:
            return NORMAL, "Ready", "All containers are ready"
        return (NORMAL, "NotReady", "Not all containers are ready") if before[1] else None

    def _agent(self, event: Mapping[str, Any]) -> tuple[str, str, str] | None:
        reason, uptime = event.get("reason"), event.get("uptime")
        known = _AGENT.get(reason) if isinstance(reason, str) else None
        if known is None or self._before.get(str(reason)) == event:
            return None
        self._before[str(reason)] = event
        kind, word, text = known
        seconds = uptime if isinstance(uptime, (int, float)) else 0.0
        return kind, word, text.format(uptime=seconds, message=str(event.get("message")))


def _note(event: Mapping[str, Any]) -> tuple[str, str, str]:
    kind = WARNING if event.get("warning") is True else NORMAL
    return kind, str(event.get("reason")), str(event.get("message"))


def _running(name: str, _detail: Mapping[str, Any]) -> tuple[str, str, str]:
    return NORMAL, "Started", f"Started container {name}"


def _waiting(name: str, detail: Mapping[str, Any]) -> tuple[str, str, str] | None:
    if detail.get("reason") == "CrashLoopBackOff":
        return WARNING, "BackOff", f"{detail.get('message')}"
    created = detail.get("reason") == "ContainerCreating"
    return (NORMAL, "Created", f"Created container {name}") if created else None


def _terminated(name: str, detail: Mapping[str, Any]) -> tuple[str, str, str]:
    code, reason = detail.get("exitCode"), str(detail.get("reason"))
    if reason == "StartError":
        return WARNING, "Failed", f"Error: container {name}: {detail.get('message')}"
    how = f", signal {detail['signal']}" if "signal" in detail else ""
    kind = NORMAL if code == 0 else WARNING
    return kind, reason, f"Container {name} ended with exit code {code}{how}"


_CONTAINER = {"running": _running, "waiting": _waiting, "terminated": _terminated}


def all_events(runtime: Runtime, entry: PodEntry) -> list[Happening]:
    """Everything that is known to have happened in a pod, the oldest first."""
    chronicle = Chronicle(entry, follow=False)
    found = list(chronicle.read())
    end = chronicle.end(runtime)
    return [*found, end] if end else found
