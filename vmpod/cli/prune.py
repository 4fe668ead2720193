"""`vmpod prune`."""

from __future__ import annotations

from dataclasses import asdict

import click

from vmpod.cli import render
from vmpod.cli.common import runtime
from vmpod.cli.listing import Output, output_option
from vmpod.cli.progress import progress


@click.command("prune")
@click.option("--dry-run", is_flag=True, help="Only tell what would go.")
@click.option("--pods", "ended", is_flag=True, help="Also pods that have ended, with their logs.")
@click.option("-a", "--all", "everything", is_flag=True, help="Also images with names that no pod uses.")
@click.option(
    "--volumes", is_flag=True, help="Also PersistentVolumeClaims that no pod names, with all their data."
)
@click.option("-f", "--force", is_flag=True, help="For scripts that give it: nothing is ever asked.")
@output_option("json", "yaml")
def command(  # noqa: PLR0917 - click passes options by name
    dry_run: bool,
    ended: bool,
    everything: bool,
    volumes: bool,
    force: bool,  # noqa: ARG001
    output: Output,
) -> None:
    """Remove what nobody uses: what commands that were killed have left, images without a name, guest
    images that a newer build replaced.

    Pods that run stay, and what other commands are at; volumes go with --volumes alone. Told are the exact
    bytes of the disk that come back.
    """
    from vmpod.runtime.leftovers import prune  # noqa: PLC0415

    notes: list[str] = []
    found = []
    for item in prune(
        runtime(),
        ended=ended,
        everything=everything,
        volumes=volumes,
        dry_run=dry_run,
        notes=notes,
        progress=progress(),
    ):
        found.append(item)
        if not output.structured:
            click.echo(f"{item.kind} {item.name}: {item.size} bytes")
    total = sum(item.size for item in found)
    if output.structured:
        content = render.items("Removed", [asdict(item) for item in found]) | {"size": total}
        output.show(content)
    else:
        click.echo(f"In all: {total} bytes ({render.size(total)})")
    for note in notes:
        click.echo(f"vmpod: {note}", err=True)
