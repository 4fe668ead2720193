"""`vmpod rm`."""

from __future__ import annotations

import click

from vmpod.cli.common import for_each, runtime
from vmpod.cli.names import POD


@click.command("rm")
@click.argument("pods", type=POD, nargs=-1, required=True, metavar="POD...")
@click.option("-f", "--force", is_flag=True, help="Also a pod that runs: end it at once.")
def command(pods: tuple[str, ...], force: bool) -> int:
    """Remove PODs: their disks, logs and all else that is kept of them."""
    from vmpod.runtime.remove import remove_pod  # noqa: PLC0415

    found = runtime()
    return for_each(pods, lambda name: remove_pod(found, name, force=force))
