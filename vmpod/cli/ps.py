"""`vmpod ps`."""

from __future__ import annotations

import click

from vmpod.cli.common import output_option, runtime
from vmpod.cli.main import FAILED, show_error
from vmpod.cli.pods import FORMATS, show
from vmpod.errors import HostError


@click.command("ps")
@click.option("-a", "--all", "every", is_flag=True, help="Also pods that have ended.")
@click.option("-q", "--quiet", is_flag=True, help="Names only.")
@output_option(*FORMATS)
def command(every: bool, quiet: bool, output: str | None) -> int:
    """List pods that run, or with --all every pod."""
    pods = runtime().pods
    problems: list[HostError] = []
    found = [(entry, pods.status(entry)) for entry in pods.list(problems=problems)]
    show([each for each in found if every or not each[1].ended], "name" if quiet else output)
    for problem in problems:
        show_error(problem)
    return FAILED if problems else 0
