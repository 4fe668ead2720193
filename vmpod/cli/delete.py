"""`vmpod delete`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

import click

from vmpod.cli.common import for_each, runtime
from vmpod.cli.jobs import each_kind
from vmpod.cli.names import POD_OR_JOB
from vmpod.cli.sources import source_options, texts
from vmpod.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from vmpod.spec.model import Manifest


@click.command("delete")
@click.argument("names", type=POD_OR_JOB, nargs=-1, metavar="[POD|job/NAME]...")
@partial(source_options, required=False)
@click.option(
    "--grace-period",
    "grace",
    type=click.IntRange(min=0),
    metavar="SECONDS",
    help="Kill what has not ended after so long. [default: the pod's own]",
)
@click.option("--force", is_flag=True, help="Do not wait for anything to end.")
@click.option("--ignore-not-found", is_flag=True, help="It is no failure if something is not there.")
def command(  # noqa: PLR0917 - click passes options by name
    names: tuple[str, ...],
    files: tuple[str, ...],
    recursive: bool,
    grace: int | None,
    force: bool,
    ignore_not_found: bool,
) -> int:
    """Stop PODs or Jobs, or those of manifests, gracefully, and remove them and all that is kept of them.

    With a Job go its pods. The PersistentVolumeClaims of the manifests go after them, with their data. What a
    StatefulSet has claimed for its pods stays, unless its persistentVolumeClaimRetentionPolicy says Delete.
    """
    from vmpod.cli.manifest import to_find_again  # noqa: PLC0415
    from vmpod.cli.removed import remove_claims  # noqa: PLC0415
    from vmpod.runtime.changes import surplus  # noqa: PLC0415
    from vmpod.runtime.jobs.make import remove_job  # noqa: PLC0415
    from vmpod.runtime.remove import remove_pod, stop_pod  # noqa: PLC0415
    from vmpod.runtime.retention import claims_of_the_deleted  # noqa: PLC0415
    from vmpod.spec.model import Manifest  # noqa: PLC0415

    if not names and not files:
        raise UsageError("say what to delete: names, or -f with a manifest")
    found = runtime()

    def delete_pod(name: str) -> None:
        if not force:
            stop_pod(found, name, grace=grace)
        remove_pod(found, name, force=force)
        click.echo(f"pod/{name.removeprefix('default/')} deleted")

    def delete_job(name: str) -> None:
        remove_job(found, name, grace=grace, force=force)
        click.echo(f"job/{name.removeprefix('default/')} deleted")

    delete = each_kind(found, delete_pod, delete_job)

    def action(name: str) -> None:
        try:
            delete(name)
        except NotFoundError:
            if not ignore_not_found:
                raise

    manifest = to_find_again(texts(files, recursive=recursive)) if files else Manifest(())
    more = surplus(found, manifest)
    going = claims_of_the_deleted(found, manifest, more)
    status = for_each([*names, *_made(manifest, more)], action)
    # A replica that was never started has claimed nothing.
    status = remove_claims(found, going, ignore_not_found=True) or status
    own = [f"{each.namespace}/{each.name}" for each in manifest.claims]
    return remove_claims(found, own, ignore_not_found=ignore_not_found) or status


def _made(manifest: Manifest, surplus: Iterable[str]) -> Iterator[str]:
    """The names of all that a manifest makes, the last one first: it may need what came before.

    surplus: pods that its workloads have made beside those.
    """
    yield from (f"job/{job.namespace}/{job.name}" for job in reversed(manifest.jobs))
    yield from surplus
    yield from (f"{pod.namespace}/{pod.name}" for pod in reversed(manifest.pods))
