"""`vmpod top`."""

from __future__ import annotations

import click

from vmpod.cli import render
from vmpod.cli.pods import name
from vmpod.text import printable


@click.command("top")
@click.argument("pods", nargs=-1, metavar="[POD]...")
@click.option("--containers", is_flag=True, help="A line for each container.")
def command(pods: tuple[str, ...], containers: bool) -> int:
    """Show what PODs use, or all that run: thousandths of a core, and memory that cannot be given up.

    As `kubectl top pod` does. It measures for a second. Only containers count, not the machine around them:
    `vmpod stats` shows that too.
    """
    from vmpod.cli.usage import INTERVAL, mebibytes, millicores, tell, watching  # noqa: PLC0415

    with watching(pods) as watch:
        found = next(watch.rounds(INTERVAL))
    if containers:
        rows = [
            [
                name(entry),
                printable(each.counters.name),
                millicores(each.cores or 0.0),
                mebibytes(each.counters.memory),
            ]
            for entry, used in found
            for each in used.containers
        ]
        render.table(["POD", "NAME", "CPU(cores)", "MEMORY(bytes)"], rows)
    else:
        rows = [[name(entry), millicores(used.cores()), mebibytes(used.memory())] for entry, used in found]
        render.table(["NAME", "CPU(cores)", "MEMORY(bytes)"], rows)
    return tell(watch.problems)
