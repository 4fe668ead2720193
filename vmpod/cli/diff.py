"""`vmpod diff`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vmpod.cli.common import runtime
from vmpod.cli.sources import source_options, texts
from vmpod.plan.forward import called, pod_key
from vmpod.text import printable_lines

if TYPE_CHECKING:
    from vmpod.runtime.context import Runtime
    from vmpod.spec.jobmodel import Job
    from vmpod.spec.model import Manifest, Pod


@click.command("diff")
@source_options
def command(files: tuple[str, ...], recursive: bool) -> int:
    """Show how manifests differ from the pods that are there, as `vmpod apply` would.

    The status is 0 if all is as they say, 1 if something differs or is not there, 125 if vmpod itself failed.
    Secrets are kept nowhere, so they are not compared, but for whether they are immutable.
    """
    from vmpod.cli.manifest import to_find_again  # noqa: PLC0415
    from vmpod.runtime import claims  # noqa: PLC0415
    from vmpod.runtime.changes import differences, existing  # noqa: PLC0415

    found, status = runtime(), 0
    manifest = to_find_again(texts(files, recursive=recursive))
    for claim in manifest.claims:
        if lines := claims.differences(found, claim):
            click.echo(printable_lines("\n".join(lines)))
            status = 1
    for job in manifest.jobs:
        status = _job(found, job, manifest) or status
    for pod in manifest.pods:
        entry = existing(found, pod)
        if entry is None:
            click.echo(_missing("pod", pod))
            status = 1
        elif lines := differences(entry, pod, manifest):
            click.echo(printable_lines("\n".join(lines)))
            status = 1
    return status


def _job(runtime: Runtime, job: Job, manifest: Manifest) -> int:
    """Tell how a Job differs; 1 if it does."""
    from vmpod.runtime.jobs.make import differences, existing  # noqa: PLC0415

    entry = existing(runtime, job)
    lines = differences(entry, job, manifest) if entry else [_missing("job", job)]
    if lines:
        click.echo(printable_lines("\n".join(lines)))
    return int(bool(lines))


def _missing(kind: str, what: Pod | Job) -> str:
    return f"{kind}/{called(pod_key(what.namespace, what.name))} is not there"
