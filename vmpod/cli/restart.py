"""`vmpod restart`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from vmpod.cli.names import POD
from vmpod.cli.starting import start_each, starting_options
from vmpod.cli.stop import grace_option

if TYPE_CHECKING:
    from vmpod.plan.model import Accelerator
    from vmpod.progress import Progress
    from vmpod.runtime.context import Runtime
    from vmpod.state.store import PodEntry


@click.command("restart")
@click.argument("pods", type=POD, nargs=-1, required=True, metavar="POD...")
@grace_option
@starting_options
def command(  # noqa: PLR0917 - click passes options by name
    pods: tuple[str, ...],
    grace: int | None,
    file: Path | None,
    timeout: float | None,
    template: bool,
    boot_timeout: float | None,
    quiet: bool,
    timings: bool,
    accel: str,
) -> int:
    """Stop PODs as `vmpod stop` does, and start them again as `vmpod start` does.

    A pod that has ended already is only started.
    """
    from vmpod.runtime.again import How, restart  # noqa: PLC0415

    def start(runtime: Runtime, name: str, accelerator: Accelerator, progress: Progress) -> PodEntry:
        how = How(accelerator, file, boot_timeout, template)
        return restart(runtime, name, how, grace=grace, progress=progress)

    return start_each(pods, start, accel=accel, timeout=timeout, quiet=quiet, timings=timings)
