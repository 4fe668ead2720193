"""`vmpod stop`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from vmpod.cli.common import for_each, runtime
from vmpod.cli.names import POD

F = TypeVar("F", bound=Callable[..., Any])


def grace_option(command: F) -> F:
    """`--time`."""
    return click.option(
        "-t",
        "--time",
        "grace",
        type=click.IntRange(min=0),
        metavar="SECONDS",
        help="Wait so long for containers to end before they are killed. [default: the pod's own]",
    )(command)


@click.command("stop")
@click.argument("pods", type=POD, nargs=-1, required=True, metavar="POD...")
@grace_option
def command(pods: tuple[str, ...], grace: int | None) -> int:
    """Stop PODs: ask their containers to end, wait, turn the machines off. Pods and logs are kept."""
    from vmpod.runtime.remove import stop_pod  # noqa: PLC0415

    found = runtime()
    return for_each(pods, lambda name: stop_pod(found, name, grace=grace))
