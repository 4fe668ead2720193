"""`vmpod get`."""

from __future__ import annotations

import click

from vmpod.cli.common import for_each, runtime
from vmpod.cli.listing import Wanted, listing_options, show
from vmpod.cli.main import FAILED, show_error
from vmpod.cli.names import POD
from vmpod.cli.pods import PODS, Pod, kubernetes
from vmpod.errors import HostError


@click.command("get")
@click.argument("names", type=POD, nargs=-1, metavar="[POD]...")
@listing_options
def command(names: tuple[str, ...], wanted: Wanted) -> int:
    """Show PODs, or without a name every pod, whether or not it runs.

    With -o json or yaml one named POD is a v1 Pod object with its status; several, or all, are a List of
    such objects. Filters are those of `vmpod ps`.
    """
    found: list[Pod] = []
    status = _named(names, found) if names else _all(found)
    if len(names) == 1 and found and wanted.output.structured and not _selects(wanted):
        wanted.output.show(kubernetes(found[0]))
    elif found or not names:
        show(PODS, found, wanted)
    return status


def _selects(wanted: Wanted) -> bool:
    return bool(wanted.quiet or wanted.selector or wanted.filters)


def _named(names: tuple[str, ...], found: list[Pod]) -> int:
    pods = runtime().pods

    def action(name: str) -> None:
        entry = pods.find(name)
        found.append((entry, pods.status(entry)))

    return for_each(names, action)


def _all(found: list[Pod]) -> int:
    pods = runtime().pods
    problems: list[HostError] = []
    found += [(entry, pods.status(entry)) for entry in pods.list(problems=problems)]
    for problem in problems:
        show_error(problem)
    return FAILED if problems else 0
