"""`vmpod inspect`."""

from __future__ import annotations

import json
from typing import Any

import click

from vmpod.cli.common import for_each, runtime
from vmpod.cli.listing import Output, output_option
from vmpod.cli.names import POD


@click.command("inspect")
@click.argument("pods", type=POD, nargs=-1, required=True, metavar="POD...")
@output_option("json", "yaml")
def command(pods: tuple[str, ...], output: Output) -> int:
    """Show all that is known of PODs, as a JSON array: machine, files, ports, images, and the v1 Pod."""
    from vmpod.runtime.inspect import inspect  # noqa: PLC0415

    found = runtime()
    shown: list[dict[str, Any]] = []
    status = for_each(pods, lambda name: shown.append(inspect(found, found.pods.find(name))))
    if output.structured:
        output.show(shown)
    else:
        click.echo(json.dumps(shown, indent=2, ensure_ascii=False))
    return status
