"""`vmpod stats`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from vmpod.cli import render
from vmpod.cli.listing import Kind, Wanted, listing_options, show
from vmpod.cli.main import show_errors
from vmpod.cli.names import POD
from vmpod.cli.pods import entry_filters, labels
from vmpod.text import printable

if TYPE_CHECKING:
    from vmpod.client.stats import PodUsage, Usage
    from vmpod.state.store import PodEntry

    Used = tuple[PodEntry, PodUsage]

_HEADER = ["POD", "CONTAINER", "CPU %", "MEM USAGE / LIMIT", "MEM %", "NET IO", "BLOCK IO", "PIDS"]
_REFRESH = 2.0  # seconds
_CLEAR = "\x1b[H\x1b[J"


@click.command("stats")
@click.argument("pods", type=POD, nargs=-1, metavar="[POD]...")
@click.option("--no-stream", is_flag=True, help="Show one sample and end, as always off a terminal.")
@listing_options
def command(pods: tuple[str, ...], no_stream: bool, wanted: Wanted) -> int:
    """Show what PODs and their containers use, or all that run, again and again until Ctrl-C.

    100 CPU % is one core. The line without a container is the whole machine: its kernel and agent, too, and
    the network, which all containers share.

    Filters: name (a regular expression), label, id or uid, image or ancestor, namespace, since and until (a
    moment, or so long ago).
    """
    from vmpod.cli.usage import INTERVAL, watching  # noqa: PLC0415

    live = not no_stream and wanted.output.format in {"table", "wide"} and sys.stdout.isatty()
    with watching(pods) as watch:
        for found in watch.rounds(_REFRESH if live else INTERVAL):
            if live:
                click.echo(_CLEAR, nl=False)
            show(STATS, found, wanted)
            if not live:
                break
    return show_errors(watch.problems)


def _rows(each: Used) -> list[list[str]]:
    entry, used = each
    machine = [entry.record.called, "-", *_row(used.machine, machine=True)]
    return [
        machine,
        *([entry.record.called, printable(one.counters.name), *_row(one)] for one in used.containers),
    ]


def _row(used: Usage, *, machine: bool = False) -> list[str]:
    counters = used.counters
    share = used.memory_share()
    limit = render.size(counters.limit) if counters.limit else "-"
    return [
        "-" if used.cores is None else f"{used.cores * 100:.1f}",
        f"{render.size(counters.memory)} / {limit}",
        "-" if share is None else f"{share * 100:.1f}",
        f"{render.size(counters.received)} / {render.size(counters.sent)}" if machine else "-",
        "-" if machine else f"{render.size(counters.read)} / {render.size(counters.written)}",
        "-" if machine else str(counters.pids),
    ]


def to_json(each: Used) -> dict[str, Any]:
    """Bytes, cores and seconds as plain numbers."""
    entry, used = each
    machine = used.machine.counters
    return {
        "apiVersion": "vmpod/v1",
        "kind": "PodStats",
        "metadata": {"name": entry.record.name, "namespace": entry.record.namespace, "uid": entry.record.uid},
        "machine": _common(used.machine)
        | {"networkReceivedBytes": machine.received, "networkSentBytes": machine.sent},
        "containers": [
            {"name": each.counters.name}
            | _common(each)
            | {
                "readBytes": each.counters.read,
                "writtenBytes": each.counters.written,
                "processes": each.counters.pids,
            }
            for each in used.containers
        ],
    }


def _common(used: Usage) -> dict[str, Any]:
    return {
        "cpuCores": None if used.cores is None else round(used.cores, 4),
        "cpuSeconds": used.counters.cpu / 1e6,
        "memoryBytes": used.counters.memory,
        "memoryLimitBytes": used.counters.limit or None,
    }


STATS: Kind[Used] = Kind(
    list_kind="PodStatsList",
    header=_HEADER,
    narrow=len(_HEADER),
    rows=_rows,
    to_json=to_json,
    names=lambda each: [each[0].record.called],
    labels=lambda each: labels(each[0]),
    filters=entry_filters(lambda each: each[0]),
)
