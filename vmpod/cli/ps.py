"""`vmpod ps`."""

from __future__ import annotations

import click

from vmpod.cli.common import runtime
from vmpod.cli.listing import Wanted, listing_options, show
from vmpod.cli.main import show_errors
from vmpod.cli.pods import PODS
from vmpod.errors import HostError


@click.command("ps")
@click.option("-a", "--all", "every", is_flag=True, help="Also pods that have ended.")
@listing_options
def command(every: bool, wanted: Wanted) -> int:
    """List pods that run, or with --all every pod.

    Filters: name (a regular expression), status, label, id or uid, image or ancestor, namespace, since and
    until (a moment, or so long ago).
    """
    pods = runtime().pods
    problems: list[HostError] = []
    found = [(entry, pods.status(entry)) for entry in pods.list(problems=problems)]
    show(PODS, [each for each in found if every or not each[1].ended], wanted)
    return show_errors(problems)
