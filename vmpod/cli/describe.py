"""`vmpod describe`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vmpod.cli.common import for_each, runtime
from vmpod.cli.jobs import each_kind
from vmpod.cli.names import POD_OR_JOB

if TYPE_CHECKING:
    from vmpod.runtime.context import Runtime


def _job(runtime: Runtime, name: str) -> str:
    from vmpod.cli.jobdescription import describe_job  # noqa: PLC0415 - most that is described is a pod

    return describe_job(runtime, runtime.jobs.find(name))


@click.command("describe")
@click.argument("pods", type=POD_OR_JOB, nargs=-1, required=True, metavar="POD|job/NAME...")
def command(pods: tuple[str, ...]) -> int:
    """Tell everything about PODs or Jobs, for people: states, containers, volumes, what happened."""
    from vmpod.cli.description import describe  # noqa: PLC0415

    found = runtime()
    texts: list[str] = []
    action = each_kind(
        found,
        lambda name: texts.append(describe(found, found.pods.find(name))),
        lambda name: texts.append(_job(found, name)),
    )
    status = for_each(pods, action)
    if texts:
        click.echo("\n\n".join(texts))
    return status
