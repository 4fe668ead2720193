"""When each step of a pod's last start was: what its command noted, and what the guest's events tell.

The guest counts time from the start of its kernel. The event that says that the pod was handed over has
both that and the time of day, which the host has just set: so all that the guest tells can be put on the
host's clock.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from vmpod.dataclass import dataclass
from vmpod.files import write_atomically
from vmpod.progress import Progress
from vmpod.state.record import Record
from vmpod.state.status import TimedEvent
from vmpod.state.store import PodEntry
from vmpod.stopwatch import Step, Stopwatch
from vmpod.wire import events

FILE = "timeline.json"
VERSION = 1
RESUMED = "resume"
"""The part of the host's steps with whose end the machine runs its first instruction."""

_SECOND = 10**9
_LONGEST = 24 * 3600 * _SECOND


@dataclass(frozen=True)
class Timeline:
    """The steps of a start. host: one after the other, with parts; guest: as its events tell.

    begin: of the command; ready: when all containers were, None if they never were (ns since the epoch).
    """

    begin: int
    host: tuple[Step, ...]
    guest: tuple[Step, ...]
    ready: int | None

    @property
    def end(self) -> int:
        """Of the last step."""
        return max([step.end for step in (*self.host, *self.guest)], default=self.begin)

    @property
    def total(self) -> int:
        """What the start took, to the last step if the pod never was ready."""
        return (self.ready or self.end) - self.begin


def timed(start: Callable[[Progress], PodEntry], progress: Progress, *, begin: int | None = None) -> PodEntry:
    """Start a pod, and write down when each step was.

    begin: when it has begun (ns since the epoch), None for now. Raises as start, and OSError.
    """
    watch = Stopwatch(progress, begin=begin)
    entry = start(watch)
    save(entry.directory, watch.begin, watch.steps)
    return entry


def save(directory: Path, begin: int, steps: Iterable[Step]) -> None:
    """Write down the host's steps, in place of those of the start before. Raises OSError."""
    content = {"version": VERSION, "begin": begin, "steps": [asdict(step) for step in steps]}
    write_atomically(directory / FILE, json.dumps(content).encode())


def load(directory: Path, record: Record, told: Iterable[TimedEvent]) -> Timeline | None:
    """The timeline of a pod's last start; None if nothing was written down. told: its events, not trusted."""
    try:
        content = json.loads((directory / FILE).read_bytes())
        if content["version"] != VERSION:
            return None
        begin: int = content["begin"]
        host = tuple(Step(**step) for step in content["steps"])
    except (OSError, ValueError, TypeError, KeyError):
        return None
    ready, guest = _guest(begin, host, record, list(told))
    # What the host waited for is the guest's.
    return Timeline(begin, host, tuple(guest), ready)


def _guest(
    begin: int, host: tuple[Step, ...], record: Record, told: list[TimedEvent]
) -> tuple[int | None, list[Step]]:
    resumed = next((step.end for step in host if step.name == RESUMED), begin)
    ready, found = None, list[Step]()
    place = _forked(begin, told)
    latest = [(moment, event) for at, event in told[place or 0 :] if (moment := _moment(at)) is not None]
    latest = [(moment, event) for moment, event in latest if moment >= begin - _SECOND]
    if place is None:
        found += _agent(resumed, latest)
    else:
        # What the machine went through before it was a copy is not of this start.
        moment = latest[0][0]
        found += [Step("wake", resumed, moment)] if resumed < moment < resumed + _LONGEST else []
        ready = moment if _was_ready(told[:place]) else None
    opened: dict[str, tuple[str, int]] = {}
    for moment, event in latest:
        if ready:
            break
        if not begin <= moment <= begin + _LONGEST:
            continue
        if event.get("kind") == "pod" and event.get("ready") is True:
            ready = moment
        elif event.get("kind") == "container":
            found += _container(moment, event, record, opened)
    return ready, found


def _forked(begin: int, told: Sequence[TimedEvent]) -> int | None:
    """The place of the event with which the machine became a copy in this start, None if there is none."""
    for place in reversed(range(len(told))):
        at, event = told[place]
        if event.get("reason") == events.FORKED and event.get("kind") == "agent":
            return place if (_moment(at) or 0) >= begin else None
    return None


def _was_ready(told: Sequence[TimedEvent]) -> bool:
    """Whether all containers were, when that was all that was told."""
    return next(
        (event.get("ready") is True for _, event in reversed(told) if event.get("kind") == "pod"), False
    )


def _agent(resumed: int, told: list[tuple[int, Mapping[str, Any]]]) -> Iterator[Step]:
    """The machine's own steps."""
    marks = {event.get("reason"): event for _, event in told if event.get("kind") == "agent"}
    handed = next(
        (
            moment - _nanoseconds(event.get("uptime"))
            for moment, event in reversed(told)
            if event.get("kind") == "agent" and event.get("reason") == events.HANDED_OVER
        ),
        None,
    )
    if handed is None:
        return
    began = _nanoseconds(marks.get(events.BOOTED, {}).get("began"))
    last = resumed
    for name, uptime in (
        ("firmware", 0),
        ("kernel and Python", began),
        ("agent", _nanoseconds(marks.get(events.BOOTED, {}).get("uptime"))),
        ("network and disks", _nanoseconds(marks.get(events.PREPARED, {}).get("uptime"))),
        ("hand over", _nanoseconds(marks.get(events.HANDED_OVER, {}).get("uptime"))),
    ):
        end = handed + uptime
        # What was before the machine was frozen is not of this start.
        if last < end < last + _LONGEST:
            yield Step(name if name != "agent" or began else "wake", last, end)
            last = end


def _container(
    moment: int, event: Mapping[str, Any], record: Record, opened: dict[str, tuple[str, int]]
) -> Iterator[Step]:
    """What a container's event ends. opened: by name, what the container is at, and since when."""
    name, state = event.get("name"), event.get("state")
    if name not in record.logged_containers or not isinstance(state, dict):
        return
    waiting = state.get("waiting")
    if isinstance(waiting, dict) and waiting.get("reason") == "ContainerCreating":
        opened[name] = "start", moment
        return
    stage, since = opened.get(name, ("", 0))
    if stage and "terminated" in state:
        yield Step(f"{name}: run", since, moment)
        del opened[name]
    elif (
        stage and "running" in state and (stage == "start" or (stage != "run" and event.get("ready") is True))
    ):
        yield Step(f"{name}: {stage}", since, moment)
        opened[name] = "run" if event.get("ready") is True else "until ready", moment


def _nanoseconds(uptime: Any) -> int:
    return int(uptime * _SECOND) if isinstance(uptime, int | float) and 0 <= uptime < 1e6 else 0


def _moment(timestamp: str) -> int | None:
    """Of RFC 3339 with nanoseconds; ns since the epoch."""
    try:
        whole = datetime.fromisoformat(timestamp[:19] + "+00:00")
        return int(whole.timestamp()) * _SECOND + int(timestamp[20:29].ljust(9, "0"))
    except ValueError:
        return None
