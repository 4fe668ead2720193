"""`vmpod get`."""

from __future__ import annotations

import click

from vmpod.cli import render
from vmpod.cli.common import output_option, runtime
from vmpod.cli.pods import FORMATS, kubernetes, show


@click.command("get")
@click.argument("pod")
@output_option(*FORMATS)
def command(pod: str, output: str | None) -> None:
    """Show a POD; with -o json or yaml as a v1 Pod object with its status."""
    pods = runtime().pods
    entry = pods.find(pod)
    each = (entry, pods.status(entry))
    if output in ("json", "yaml"):
        render.structured(kubernetes(each), output)
    else:
        show([each], output)
