"""`vmpod pause`."""

from __future__ import annotations

import click

from vmpod.cli.common import for_each, runtime
from vmpod.cli.names import POD


@click.command("pause")
@click.argument("pods", type=POD, nargs=-1, required=True, metavar="POD...")
def command(pods: tuple[str, ...]) -> int:
    """Let PODs stand still: they keep their memory, and use no processor.

    What runs in them notices nothing but that time has passed when `vmpod resume` lets them run on.
    """
    from vmpod.runtime.pausing import pause  # noqa: PLC0415

    def action(pod: str) -> None:
        pause(runtime(), pod)
        click.echo(pod)

    return for_each(pods, action)
