"""`vmpod top`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from vmpod.cli.listing import Kind, Wanted, listing_options, show
from vmpod.cli.main import show_errors
from vmpod.cli.names import POD
from vmpod.cli.pods import entry_filters, labels
from vmpod.cli.stats import to_json
from vmpod.cli.usage import INTERVAL, mebibytes, millicores, watching
from vmpod.text import printable

if TYPE_CHECKING:
    from vmpod.client.stats import PodUsage
    from vmpod.state.store import PodEntry

    Used = tuple[PodEntry, PodUsage]


@click.command("top")
@click.argument("pods", type=POD, nargs=-1, metavar="[POD]...")
@click.option("--containers", is_flag=True, help="A line for each container.")
@listing_options
def command(pods: tuple[str, ...], containers: bool, wanted: Wanted) -> int:
    """Show what PODs use, or all that run: thousandths of a core, and memory that cannot be given up.

    As `kubectl top pod` does. It measures for a second. Only containers count, not the machine around them:
    `vmpod stats` shows that too, and so does -o json. Filters are those of `vmpod stats`.
    """
    with watching(pods) as watch:
        show(CONTAINERS if containers else PODS, next(watch.rounds(INTERVAL)), wanted)
    return show_errors(watch.problems)


def _pod_rows(each: Used) -> list[list[str]]:
    entry, used = each
    return [[entry.record.called, millicores(used.cores()), mebibytes(used.memory())]]


def _container_rows(each: Used) -> list[list[str]]:
    entry, used = each
    return [
        [
            entry.record.called,
            printable(one.counters.name),
            millicores(one.cores or 0.0),
            mebibytes(one.counters.memory),
        ]
        for one in used.containers
    ]


def _kind(header: list[str], rows: Callable[[Used], list[list[str]]]) -> Kind[Used]:
    return Kind(
        list_kind="PodStatsList",
        header=header,
        narrow=len(header),
        rows=rows,
        to_json=to_json,
        names=lambda each: [each[0].record.called],
        labels=lambda each: labels(each[0]),
        filters=entry_filters(lambda each: each[0]),
    )


PODS = _kind(["NAME", "CPU(cores)", "MEMORY(bytes)"], _pod_rows)
CONTAINERS = _kind(["POD", "NAME", "CPU(cores)", "MEMORY(bytes)"], _container_rows)
