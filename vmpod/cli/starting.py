"""What `vmpod start` and `vmpod restart` share."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from vmpod.cli.common import (
    accelerator_option,
    boot_timeout_option,
    chosen_accelerator,
    for_each,
    quiet_option,
    runtime,
    template_option,
)
from vmpod.cli.interrupt import Interruption, interruptible
from vmpod.cli.moments import checked, seconds
from vmpod.cli.progress import progress
from vmpod.cli.timings import show_timings, timings_option

if TYPE_CHECKING:
    from vmpod.plan.model import Accelerator
    from vmpod.progress import Progress
    from vmpod.runtime.context import Runtime
    from vmpod.state.store import PodEntry

F = TypeVar("F", bound=Callable[..., Any])
Start = Callable[["Runtime", str, "Accelerator", "Progress"], "PodEntry"]


def starting_options(command: F) -> F:
    """The options of both commands."""
    options = (
        click.option(
            "--file",
            "file",
            type=click.Path(path_type=Path, dir_okay=False),
            help="Where the pod's Secrets are. [default: the manifest it was run from]",
        ),
        click.option(
            "--timeout",
            callback=checked(seconds),
            metavar="DURATION",
            help="Fail if a pod is not ready after so long, as 90s.",
        ),
        template_option,
        boot_timeout_option,
        quiet_option,
        timings_option,
        accelerator_option,
    )
    for option in reversed(options):
        command = option(command)
    return command


def start_each(
    names: Sequence[str], start: Start, *, accel: str, timeout: float | None, quiet: bool, timings: bool
) -> int:
    """Start every pod, and wait until they are ready. Returns the exit status."""
    from vmpod.runtime.follow import wait_ready  # noqa: PLC0415
    from vmpod.state.timeline import timed  # noqa: PLC0415
    from vmpod.stopwatch import process_start  # noqa: PLC0415

    accelerator = chosen_accelerator(accel, quiet=quiet)
    found, shown = runtime(), progress(quiet=quiet)
    started: dict[str, tuple[PodEntry, float | None]] = {}

    def begin(name: str) -> None:
        # The first one's start began with the command.
        since = process_start() if name == names[0] else None
        entry = timed(partial(start, found, name, accelerator), shown, begin=since)
        started[name] = entry, None if timeout is None else time.monotonic() + timeout

    def wait(name: str) -> None:
        entry, deadline = started[name]
        with shown.phase("Starting the containers"):
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            wait_ready(found, entry, timeout=left)
        if timings:
            show_timings(found, [entry])
        click.echo(entry.record.called)

    try:
        with interruptible():
            # None is waited for before all run: one may need another.
            return max(for_each(names, begin), for_each(started, wait))
    except Interruption as interruption:
        return interruption.status
