"""`vmpod ps`."""

from __future__ import annotations

import click

from vmpod.cli.common import output_option, runtime
from vmpod.cli.pods import FORMATS, show


@click.command("ps")
@click.option("-a", "--all", "every", is_flag=True, help="Also pods that have ended.")
@click.option("-q", "--quiet", is_flag=True, help="Names only.")
@output_option(*FORMATS)
def command(every: bool, quiet: bool, output: str | None) -> None:
    """List pods that run, or with --all every pod."""
    pods = runtime().pods
    found = [(entry, pods.status(entry)) for entry in pods.list()]
    show([each for each in found if every or not each[1].ended], "name" if quiet else output)
