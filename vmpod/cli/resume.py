"""`vmpod resume`."""

from __future__ import annotations

import click

from vmpod.cli.common import for_each, runtime
from vmpod.cli.names import POD


@click.command("resume")
@click.argument("pods", type=POD, nargs=-1, required=True, metavar="POD...")
def command(pods: tuple[str, ...]) -> int:
    """Let paused PODs run on."""
    from vmpod.runtime.pausing import resume  # noqa: PLC0415

    def action(pod: str) -> None:
        resume(runtime(), pod)
        click.echo(pod)

    return for_each(pods, action)
