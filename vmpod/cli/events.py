"""`vmpod events`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from vmpod.cli import render
from vmpod.cli.common import for_each, runtime
from vmpod.cli.interrupt import Interruption, interruptible
from vmpod.cli.listing import Kind, Wanted, listing_options, select, show, text_filter
from vmpod.cli.names import POD
from vmpod.cli.pods import labels, name

if TYPE_CHECKING:
    from vmpod.runtime.context import Runtime
    from vmpod.runtime.events import Chronicle, Happening
    from vmpod.state.store import PodEntry

_POLL = 0.05
_WIDTHS = (10, 9, 18, 24)


@click.command("events")
@click.argument("pods", type=POD, nargs=-1, metavar="[POD]...")
@click.option("-w", "--watch", is_flag=True, help="Go on with what happens until the pods have ended.")
@listing_options
def command(pods: tuple[str, ...], watch: bool, wanted: Wanted) -> int:
    """Show what happened in PODs, or in all pods, in the order of time.

    Events are kept as long as the pod is, whether it runs or not. Without a POD, --watch shows the pods that
    come as well, until Ctrl-C. Filters: type, reason, container, pod.
    """
    from vmpod.runtime.events import all_events  # noqa: PLC0415

    found = runtime()
    entries: list[PodEntry] = []
    status = for_each(pods, lambda pod: entries.append(found.pods.find(pod)))
    if not pods:
        entries = found.pods.list(problems=[])
    if not watch:
        every = [each for entry in entries for each in all_events(found, entry)]
        show(EVENTS, sorted(every, key=lambda each: each.moment), wanted)
        return status
    try:
        with interruptible():
            _watch(found, entries, wanted, all_pods=not pods)
    except Interruption as interruption:
        return interruption.status
    return status


def _watch(runtime: Runtime, entries: Sequence[PodEntry], wanted: Wanted, *, all_pods: bool) -> None:
    from vmpod.runtime.events import Chronicle  # noqa: PLC0415

    say = _printer(wanted)
    told: dict[str, Chronicle] = {}
    open_: dict[str, Chronicle] = {}
    while True:
        for entry in runtime.pods.list(problems=[]) if all_pods else entries:
            if entry.record.uid not in told:
                told[entry.record.uid] = open_[entry.record.uid] = Chronicle(entry, follow=True)
        # In this order: what came before the end is read once the end is known.
        ended = {uid for uid, each in open_.items() if _over(runtime, each)}
        new = [each for chronicle in open_.values() for each in chronicle.read()]
        new += [end for uid in ended if (end := open_.pop(uid).end(runtime))]
        say(select(EVENTS, sorted(new, key=lambda each: each.moment), wanted))
        if not open_ and not all_pods:
            return
        time.sleep(_POLL)


def _over(runtime: Runtime, chronicle: Chronicle) -> bool:
    entry = runtime.pods.lookup(chronicle.entry.record.key)
    return entry is None or (runtime.pods.status(entry).ended and not entry.alive())


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
    pod = name(happening.entry)
    target = f"pod/{pod}" + (f"/{happening.container}" if happening.container else "")
    return [[render.age(happening.moment), happening.kind, happening.reason, target, happening.message]]


def identity(happening: Happening) -> str:
    """A name of its own for the event, as the API server gives: the pod's, and when it was."""
    return f"{happening.entry.record.name}.{''.join(filter(str.isdigit, happening.moment))}"


def to_json(happening: Happening) -> dict[str, Any]:
    """A v1 Event object."""
    record = happening.entry.record
    target: dict[str, Any] = {
        "kind": "Pod",
        "apiVersion": "v1",
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


EVENTS: Kind[Happening] = Kind(
    list_kind="EventList",
    api_version="v1",
    header=["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"],
    narrow=5,
    rows=_rows,
    to_json=to_json,
    names=lambda happening: [f"event/{identity(happening)}"],
    labels=lambda happening: labels(happening.entry),
    filters={
        "type": text_filter(lambda happening, text: happening.kind.casefold() == text.casefold()),
        "reason": text_filter(lambda happening, text: happening.reason == text),
        "container": text_filter(lambda happening, text: happening.container == text),
        "pod": text_filter(lambda happening, text: name(happening.entry) == text),
    },
)
