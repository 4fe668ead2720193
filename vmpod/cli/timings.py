"""`--timings`: where the time went, after a start."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from vmpod.runtime.context import Runtime
    from vmpod.state.store import PodEntry

F = TypeVar("F", bound=Callable[..., Any])


def timings_option(command: F) -> F:
    """`--timings`."""
    return click.option(
        "--timings", is_flag=True, help="Show where the time of the start went, as `vmpod timeline` does."
    )(command)


def show_timings(runtime: Runtime, entries: Iterable[PodEntry]) -> None:
    """Wait until each pod is ready or has ended, and draw its start on stderr."""
    from vmpod.cli.timeline import bars  # noqa: PLC0415
    from vmpod.runtime.follow import wait_until  # noqa: PLC0415
    from vmpod.state.timeline import load  # noqa: PLC0415

    for entry in entries:
        wait_until(runtime, entry, lambda status: status.ready or status.ended, timeout=None)
        if found := load(entry.directory, entry.record, runtime.pods.events(entry)):
            click.echo("\n".join(bars(found, shutil.get_terminal_size().columns)), err=True)
