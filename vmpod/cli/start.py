"""`vmpod start`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from vmpod.cli.names import POD
from vmpod.cli.starting import start_each, starting_options

if TYPE_CHECKING:
    from vmpod.plan.model import Accelerator
    from vmpod.progress import Progress
    from vmpod.runtime.context import Runtime
    from vmpod.state.store import PodEntry


@click.command("start")
@click.argument("pods", type=POD, nargs=-1, required=True, metavar="POD...")
@starting_options
def command(  # noqa: PLR0917 - click passes options by name
    pods: tuple[str, ...],
    file: Path | None,
    timeout: float | None,
    template: bool,
    boot_timeout: float | None,
    quiet: bool,
    timings: bool,
    accel: str,
) -> int:
    """Start PODs that have ended, in the background, and return when they are ready.

    They keep name, uid, ports, logs and what is in their emptyDirs on disk. Their containers begin with
    their images' files, as after any restart, and init containers run again.
    """
    from vmpod.runtime.again import How, start_again  # noqa: PLC0415

    def start(runtime: Runtime, name: str, accelerator: Accelerator, progress: Progress) -> PodEntry:
        how = How(accelerator, file, boot_timeout, template)
        return start_again(runtime, name, how, progress=progress)

    return start_each(pods, start, accel=accel, timeout=timeout, quiet=quiet, timings=timings)
