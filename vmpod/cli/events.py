"""`vmpod events`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from vmpod.cli import render
from vmpod.cli.common import for_each, runtime
from vmpod.cli.interrupt import Interruption, interruptible
from vmpod.cli.jobs import each_kind
from vmpod.cli.listing import Kind, Wanted, listing_options, select, show, text_filter
from vmpod.cli.names import POD_OR_JOB

if TYPE_CHECKING:
    from vmpod.runtime.context import Runtime
    from vmpod.runtime.events import Chronicle, Happening, JobChronicle
    from vmpod.state.jobs import JobEntry
    from vmpod.state.store import PodEntry

_POLL = 0.05
_WIDTHS = (10, 9, 18, 24)


@click.command("events")
@click.argument("names", type=POD_OR_JOB, nargs=-1, metavar="[POD|job/NAME]...")
@click.option("-w", "--watch", is_flag=True, help="Go on with what happens until all of them have ended.")
@listing_options
def command(names: tuple[str, ...], watch: bool, wanted: Wanted) -> int:
    """Show what happened in PODs, or to all pods and Jobs, in the order of time.

    Of a Job it is what its controller did, and what happened in those of its pods that are still there.
    Events are kept as long as the pod or the Job is, whether it runs or not. Without a name, --watch shows
    the pods and Jobs that come as well, until Ctrl-C. Filters: type, reason, container, pod, job.
    """
    found = runtime()
    subjects = _Subjects(found, everything=not names)
    status = for_each(names, each_kind(found, subjects.add_pod, subjects.add_job))
    if names and not subjects.now():
        return status
    if not watch:
        show(EVENTS, _sorted(subjects.happenings()), wanted)
        return status
    try:
        with interruptible():
            _watch(found, subjects, wanted)
    except Interruption as interruption:
        return interruption.status
    return status


class _Subjects:
    """The pods and Jobs that are asked for, each once; and the pods that such a Job has by now."""

    def __init__(self, runtime: Runtime, *, everything: bool) -> None:
        self._runtime = runtime
        self._pods: list[PodEntry] = []
        self._jobs: list[JobEntry] = []
        self.everything = everything

    def add_pod(self, name: str) -> None:
        """Raises NotFoundError."""
        self._pods.append(self._runtime.pods.find(name))

    def add_job(self, name: str) -> None:
        """Raises NotFoundError."""
        self._jobs.append(self._runtime.jobs.find(name))

    def now(self) -> dict[str, PodEntry | JobEntry]:
        """What there is of them, by uid; Jobs before their pods."""
        from vmpod.runtime.jobs.observe import pods_of  # noqa: PLC0415

        pods, jobs = list(self._pods), self._jobs
        if self.everything:
            pods, jobs = self._runtime.pods.list(problems=[]), self._runtime.jobs.list(problems=[])
        else:
            pods += [pod for job in jobs for pod in pods_of(self._runtime, job.record)]
        found: list[PodEntry | JobEntry] = [*jobs, *pods]
        return {entry.record.uid: entry for entry in found}

    def happenings(self) -> Iterable[Happening]:
        """All that is known to have happened to them."""
        from vmpod.runtime.events import JobChronicle, all_events  # noqa: PLC0415
        from vmpod.state.jobs import JobEntry  # noqa: PLC0415

        for entry in self.now().values():
            if isinstance(entry, JobEntry):
                yield from JobChronicle(self._runtime, entry).read()
            else:
                yield from all_events(self._runtime, entry)

    def chronicle(self, entry: PodEntry | JobEntry) -> Chronicle | JobChronicle:
        """Tells what happens to one of them, as it comes."""
        from vmpod.runtime.events import Chronicle, JobChronicle  # noqa: PLC0415
        from vmpod.state.jobs import JobEntry  # noqa: PLC0415

        if isinstance(entry, JobEntry):
            return JobChronicle(self._runtime, entry)
        return Chronicle(entry, follow=True)


def _sorted(happenings: Iterable[Happening]) -> list[Happening]:
    return sorted(happenings, key=lambda each: each.moment)


def _watch(runtime: Runtime, subjects: _Subjects, wanted: Wanted) -> None:
    say = _printer(wanted)
    told: set[str] = set()
    open_: dict[str, Chronicle | JobChronicle] = {}
    while True:
        # In this order: what came before the end is read once the end is known.
        ended = {uid for uid, each in open_.items() if each.over(runtime)}
        for uid, entry in subjects.now().items():
            if uid not in told:
                told.add(uid)
                open_[uid] = subjects.chronicle(entry)
        new = [each for chronicle in open_.values() for each in chronicle.read()]
        new += [end for uid in ended if (end := open_.pop(uid).end(runtime))]
        say(select(EVENTS, _sorted(new), wanted))
        if not open_ and not subjects.everything:
            return
        time.sleep(_POLL)


def _printer(wanted: Wanted) -> Callable[[Iterable[Happening]], None]:
    """Prints events as they come: columns that do not wait for the widest cell, or an object each."""

    def line(happening: Happening) -> None:
        if wanted.output.structured:
            wanted.output.show(to_json(happening))
        elif wanted.quiet or wanted.output.format == "name":
            click.echo(f"event/{identity(happening)}")
        else:
            _columns(_rows(happening)[0])

    if not (wanted.quiet or wanted.output.structured or wanted.output.format == "name"):
        _columns(EVENTS.header)

    def show_all(happenings: Iterable[Happening]) -> None:
        for each in happenings:
            line(each)

    return show_all


def _columns(cells: Sequence[str]) -> None:
    *first, last = cells
    click.echo(" ".join([*(cell.ljust(width) for cell, width in zip(first, _WIDTHS, strict=True)), last]))


def _rows(happening: Happening) -> list[list[str]]:
    target = _kind(happening).lower() + f"/{called(happening)}"
    target += f"/{happening.container}" if happening.container else ""
    return [[render.age(happening.moment), happening.kind, happening.reason, target, happening.message]]


def called(happening: Happening) -> str:
    """What commands call the pod, or the Job without its 'job/'."""
    return happening.entry.record.called


def _kind(happening: Happening) -> str:
    return "Job" if happening.of_job else "Pod"


def _named(happening: Happening, kind: str, text: str) -> bool:
    return _kind(happening) == kind and called(happening) == text


def identity(happening: Happening) -> str:
    """A name of its own for the event, as the API server gives: the pod's or Job's, and when it was."""
    return f"{happening.entry.record.name}.{''.join(filter(str.isdigit, happening.moment))}"


def to_json(happening: Happening) -> dict[str, Any]:
    """A v1 Event object."""
    record = happening.entry.record
    target: dict[str, Any] = {
        "kind": _kind(happening),
        "apiVersion": "batch/v1" if happening.of_job else "v1",
        "namespace": record.namespace,
        "name": record.name,
        "uid": record.uid,
    }
    if happening.container:
        group = "initContainers" if happening.init else "containers"
        target["fieldPath"] = f"spec.{group}{{{happening.container}}}"
    second = f"{happening.moment.partition('.')[0]}Z"
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": identity(happening), "namespace": record.namespace},
        "involvedObject": target,
        "type": happening.kind,
        "reason": happening.reason,
        "message": happening.message,
        "firstTimestamp": second,
        "lastTimestamp": second,
        "eventTime": f"{happening.moment[:26]}Z",
        "count": 1,
        "source": {"component": "vmpod"},
    }


def _labels(happening: Happening) -> Mapping[str, str]:
    return happening.entry.record.metadata("labels")


EVENTS: Kind[Happening] = Kind(
    list_kind="EventList",
    api_version="v1",
    header=["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"],
    narrow=5,
    rows=_rows,
    to_json=to_json,
    names=lambda happening: [f"event/{identity(happening)}"],
    labels=_labels,
    filters={
        "type": text_filter(lambda happening, text: happening.kind.casefold() == text.casefold()),
        "reason": text_filter(lambda happening, text: happening.reason == text),
        "container": text_filter(lambda happening, text: happening.container == text),
        "pod": text_filter(lambda happening, text: _named(happening, "Pod", text)),
        "job": text_filter(lambda happening, text: _named(happening, "Job", text)),
    },
)
