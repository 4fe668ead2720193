"""`vmpod describe`."""

from __future__ import annotations

import click

from vmpod.cli.common import for_each, runtime
from vmpod.cli.names import POD


@click.command("describe")
@click.argument("pods", type=POD, nargs=-1, required=True, metavar="POD...")
def command(pods: tuple[str, ...]) -> int:
    """Tell everything about PODs, for people: states, containers, volumes, the machine, what happened."""
    from vmpod.cli.description import describe  # noqa: PLC0415

    found = runtime()
    texts: list[str] = []
    status = for_each(pods, lambda name: texts.append(describe(found, found.pods.find(name))))
    if texts:
        click.echo("\n\n".join(texts))
    return status
