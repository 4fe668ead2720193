"""`vmpod delete`."""

from __future__ import annotations

import click

from vmpod.cli.common import for_each, runtime
from vmpod.cli.sources import source_options, texts
from vmpod.errors import NotFoundError


@click.command("delete")
@source_options
@click.option(
    "--grace-period",
    "grace",
    type=click.IntRange(min=0),
    metavar="SECONDS",
    help="Kill what has not ended after so long. [default: the pod's own]",
)
@click.option("--force", is_flag=True, help="Do not wait for anything to end.")
@click.option("--ignore-not-found", is_flag=True, help="It is no failure if something is not there.")
def command(
    files: tuple[str, ...], recursive: bool, grace: int | None, force: bool, ignore_not_found: bool
) -> int:
    """Stop the pods of manifests gracefully, and remove them and all that is kept of them.

    The PersistentVolumeClaims of the manifests go after them, with their data. What a StatefulSet has claimed
    for its pods stays.
    """
    from vmpod.runtime import claims  # noqa: PLC0415
    from vmpod.runtime.changes import surplus  # noqa: PLC0415
    from vmpod.runtime.remove import remove_pod, stop_pod  # noqa: PLC0415
    from vmpod.spec.load import load_all  # noqa: PLC0415

    found = runtime()
    manifest = load_all(texts(files, recursive=recursive))

    def delete(name: str) -> None:
        try:
            if not force:
                stop_pod(found, name, grace=grace)
            remove_pod(found, name, force=force)
        except NotFoundError:
            if not ignore_not_found:
                raise
            return
        click.echo(f"pod/{name.removeprefix('default/')} deleted")

    def delete_claim(name: str) -> None:
        try:
            claims.remove(found, name)
        except NotFoundError:
            if not ignore_not_found:
                raise
            return
        click.echo(f"persistentvolumeclaim/{name.removeprefix('default/')} deleted")

    # The last one first, as what came later may need what came before.
    names = [f"{pod.namespace}/{pod.name}" for pod in reversed(manifest.pods)]
    status = for_each([*surplus(found, manifest), *names], delete)
    return for_each([f"{each.namespace}/{each.name}" for each in manifest.claims], delete_claim) or status
