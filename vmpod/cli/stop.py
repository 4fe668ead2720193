"""`vmpod stop`."""

from __future__ import annotations

import click

from vmpod.cli.common import for_each, runtime


@click.command("stop")
@click.argument("pods", nargs=-1, required=True, metavar="POD...")
@click.option(
    "-t",
    "--time",
    "grace",
    type=click.IntRange(min=0),
    metavar="SECONDS",
    help="Wait so long for containers to end before they are killed. [default: the pod's own]",
)
def command(pods: tuple[str, ...], grace: int | None) -> int:
    """Stop PODs: ask their containers to end, wait, turn the machines off. Pods and logs are kept."""
    from vmpod.runtime.remove import stop_pod  # noqa: PLC0415

    found = runtime()
    return for_each(pods, lambda name: stop_pod(found, name, grace=grace))
