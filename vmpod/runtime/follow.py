"""Watching a pod: its output as it comes, and how it ends."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping

from vmpod.dataclass import dataclass
from vmpod.errors import MachineError, TimeoutExpiredError
from vmpod.plan.forward import called
from vmpod.runtime.context import Runtime
from vmpod.runtime.faults import cause, console_tail
from vmpod.state import journal
from vmpod.state.journal import OutputReader
from vmpod.state.status import PodStatus
from vmpod.state.store import PodEntry
from vmpod.wire.journal import Entry

_POLL = 0.02
_START_POLL = 0.01
_AT_ONCE = 1_000_000
"""Entries that are looked at for the last lines: what comes faster than it is read has no last line."""


@dataclass(frozen=True)
class Selection:
    """Which output of a pod.

    containers: names, None for all. previous: of the run before the present one. since: an RFC 3339
    moment in UTC, '' for all. tail: so many last lines of each container, None for all.
    """

    containers: frozenset[str] | None = None
    previous: bool = False
    since: str = ""
    tail: int | None = None


class Output:
    """What the containers of one pod wrote in their present run, and in those that come.

    over: whether the machine had ended before the last read(), so that no more will come.
    """

    def __init__(self, runtime: Runtime, entry: PodEntry, wanted: Selection, *, follow: bool) -> None:
        self._entry, self._wanted, self._follow = entry, wanted, follow
        containers = entry.record.logged_containers
        self._reader = OutputReader(entry.journal, containers, chosen=wanted.containers, follow=follow)
        self._runs = _runs(runtime, entry, wanted)
        self._first = True
        self.over = False

    def read(self) -> Iterator[Entry]:
        """What is there now and was not read yet, in the order of time."""
        # In this order: what was written before the end must be read after it is known.
        self.over = not self._entry.alive()
        first, self._first = self._first, False
        if not first:
            yield from self._chosen(self._reader.read())
            return
        there = itertools.islice(self._reader.read(), _AT_ONCE) if self._follow else self._reader.read()
        chosen, tail = self._chosen(there), self._wanted.tail
        yield from chosen if tail is None else _last_lines(chosen, tail)

    def _chosen(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        for each in entries:
            name, _, run = each.source.partition("/")
            there = int(run) == self._runs[name] if self._wanted.previous else int(run) >= self._runs[name]
            if there and each.timestamp >= self._wanted.since:
                yield each


def output(runtime: Runtime, entry: PodEntry, wanted: Selection, *, follow: bool = False) -> Iterator[Entry]:
    """What the containers wrote in their present run, in the order of time.

    follow: go on until the machine has ended, with the runs to come as well.
    """
    found = Output(runtime, entry, wanted, follow=follow)
    yield from found.read()
    while follow:
        yield from found.read()
        follow = not found.over
        if follow:
            time.sleep(_POLL)


def _runs(runtime: Runtime, entry: PodEntry, wanted: Selection) -> Mapping[str, int]:
    """For each container the run to show: the present one is the newest that has written or may have."""
    disk = entry.journal
    names = entry.record.logged_containers
    newest = {name: journal.newest_run(disk, number) or 0 for number, name in enumerate(names)}
    if not wanted.previous:
        return newest
    # While it waits to be started again, the run that ended last is the previous one, as for kubectl.
    waiting = {
        each.name for each in runtime.pods.status(entry).containers if "waiting" in each.state and each.last
    }
    return {name: run if name in waiting else run - 1 for name, run in newest.items()}


def _last_lines(entries: Iterable[Entry], count: int) -> list[Entry]:
    """The entries of the last lines of each container, in their order."""
    lines: dict[str, deque[list[tuple[int, Entry]]]] = {}
    unfinished: dict[tuple[str, str], list[tuple[int, Entry]]] = {}
    for number, each in enumerate(entries):
        name, key = each.source.partition("/")[0], (each.source, each.stream)
        line = unfinished.pop(key, None)
        if line is None:
            line = []
            lines.setdefault(name, deque(maxlen=count)).append(line)
        line.append((number, each))
        if each.partial:
            unfinished[key] = line
    return [
        each
        for _, each in sorted(
            (item for kept in lines.values() for line in kept for item in line), key=lambda item: item[0]
        )
    ]


def wait_until(
    runtime: Runtime, entry: PodEntry, condition: Callable[[PodStatus], bool], *, timeout: float | None
) -> PodStatus:
    """Wait until the pod's state fulfils the condition or it has ended, and return that state.

    timeout: seconds, None for no limit; the state returned then does neither.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        status = runtime.pods.status(entry)
        if condition(status) or status.ended or (deadline is not None and time.monotonic() > deadline):
            return status
        time.sleep(_START_POLL)


def wait_any(runtime: Runtime, waiting: Mapping[int, tuple[PodEntry, float | None]]) -> dict[int, PodStatus]:
    """Wait until some of the pods are ready, have ended, or their time is up: the states of those.

    waiting: pods with a moment of time.monotonic() each, None for no limit.
    """
    found: dict[int, PodStatus] = {}
    while not found:
        # To look takes time that the guests could use.
        time.sleep(_START_POLL * len(waiting))
        for number, (entry, deadline) in waiting.items():
            status = runtime.pods.status(entry)
            if status.ready or status.ended or (deadline is not None and time.monotonic() > deadline):
                found[number] = status
    return found


class NotReadyError(TimeoutExpiredError):
    """A pod was not ready in the time that it was given."""


def wait_ready(runtime: Runtime, entry: PodEntry, *, timeout: float | None) -> None:
    """Wait until the pod is ready, or has ended well.

    timeout: seconds. Raises NotReadyError, and MachineError if it ends badly.
    """
    check_ready(entry, wait_until(runtime, entry, lambda status: status.ready, timeout=timeout))


def check_ready(entry: PodEntry, status: PodStatus) -> None:
    """Raise MachineError for a state in which the pod has ended badly, NotReadyError if it is not ready."""
    key = entry.record.key
    logs = f"`vmpod logs {called(key)}` and `vmpod describe {called(key)}` tell more"
    if status.ended and exit_code(status) != 0:
        raise MachineError(
            f"the pod {called(key)} ended before it was ready: {status.reason or status.phase}",
            hint=explanation(entry, status) or logs,
        )
    if not status.ready and not status.ended:
        waiting = [
            f"{each.name} ({each.reason or 'Running'})" for each in status.containers if not each.ready
        ]
        raise NotReadyError(
            f"the pod {called(key)} is not ready in time; it waits for {', '.join(waiting)}", hint=logs
        )


def exit_code(status: PodStatus) -> int:
    """What `run` exits with for a pod that has ended: the first failed container's code.

    The first to have failed, by time; an init container's failure counts as well. How a sidecar ends does
    not: it is told to when all others are done.
    """
    failed = [each for each in status.containers if each.exit_code and not each.sidecar]
    if not failed:
        return 0 if status.phase == "Succeeded" else 125
    first = min(failed, key=lambda each: each.state["terminated"].get("finishedAt") or "~")
    return (first.exit_code or 0) & 0xFF or 1


def explanation(entry: PodEntry, status: PodStatus) -> str:
    """Why a pod failed, for the user; '' if it did not, or if its containers say enough."""
    if status.message and status.told:
        return status.message
    if status.message:
        why = cause(entry.console)
        told = f"{status.message}: {why}" if why and status.message not in why else why or status.message
        return f"{told}\n{console_tail(entry.console)}"
    lines = [
        f"container {each.name}: {each.state['terminated'].get('message')}"
        for each in status.containers
        if each.exit_code and each.state["terminated"].get("message")
    ]
    return "\n".join(lines)
