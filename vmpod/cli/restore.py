"""`vmpod restore`."""

from __future__ import annotations

import click

from vmpod.cli.common import quiet_option, runtime
from vmpod.cli.progress import progress
from vmpod.plan.network import parse_publish


@click.command("restore")
@click.argument("snapshot")
@click.option("--name", help="Another name for the pod than it had.")
@click.option("--replace", is_flag=True, help="Remove a pod of the same name first.")
@click.option(
    "-p",
    "--publish",
    multiple=True,
    metavar="[IP:]HOST:POD[/udp]",
    help="Bind these ports of the host, in place of those that the pod had.",
)
@quiet_option
def command(snapshot: str, name: str | None, replace: bool, publish: tuple[str, ...], quiet: bool) -> None:
    """Let a pod go on from a SNAPSHOT: its containers run on from where they were then.

    A snapshot may be restored any number of times, under several names also at once.
    """
    from vmpod.runtime.copies import restore  # noqa: PLC0415
    from vmpod.state import timeline  # noqa: PLC0415
    from vmpod.stopwatch import process_start  # noqa: PLC0415

    forwards = tuple(parse_publish(text) for text in publish)
    entry = timeline.timed(
        lambda shown: restore(
            runtime(), snapshot, pod=name, publish=forwards, replace_old=replace, progress=shown
        ),
        progress(quiet=quiet),
        begin=process_start(),
    )
    click.echo(entry.record.called)
