"""`vmpod image`."""

from __future__ import annotations

from pathlib import Path

import click

from vmpod.cli import image_inspect, image_save, removed
from vmpod.cli.common import for_each, quiet_option, runtime
from vmpod.cli.images import IMAGES
from vmpod.cli.listing import Wanted, listing_options, show
from vmpod.cli.main import show_errors
from vmpod.cli.names import IMAGE
from vmpod.cli.progress import progress
from vmpod.errors import ImageError


@click.group("image")
def command() -> None:
    """Manage container images: each is a read-only disk, made once and shared by all pods."""


command.add_command(image_inspect.command)
command.add_command(image_save.command)


@command.command("pull")
@click.argument("names", type=IMAGE, nargs=-1, required=True, metavar="NAME...")
@quiet_option
def pull(names: tuple[str, ...], quiet: bool) -> int:
    """Fetch images from their registries.

    This is done by skopeo, with its configuration: credentials in auth files, mirrors, private
    certificate authorities and proxies work as they do for podman. VMPOD_CERT_DIR names a further
    directory of certificates; VMPOD_MAX_IMAGE_SIZE, as 64Gi, how large an image may be.
    """
    found = runtime()

    def action(name: str) -> None:
        click.echo(found.images.pull(name, progress(quiet=quiet)).digest)

    return for_each(names, action)


@command.command("load")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@quiet_option
def load(files: tuple[Path, ...], quiet: bool) -> int:
    """Take images from files: docker or OCI archives, or directories with an OCI layout."""
    found = runtime()

    def action(file: str) -> None:
        for image in found.images.load(Path(file), progress(quiet=quiet)):
            click.echo(image.names[0] if image.names else image.digest)

    return for_each(map(str, files), action)


@command.command("ls")
@listing_options
def ls(wanted: Wanted) -> int:
    """List images.

    Filters: reference (a name, or a pattern as '*/nginx:*'), id, label, dangling (true or false), before and
    since (an image), until (a moment, or so long ago).
    """
    problems: list[ImageError] = []
    show(IMAGES, runtime().images.list(problems=problems), wanted)
    return show_errors(problems)


@command.command("rm")
@click.argument("names", type=IMAGE, nargs=-1, required=True, metavar="NAME...")
def rm(names: tuple[str, ...]) -> int:
    """Remove images, by name or id. An image that a pod uses stays."""
    found = runtime()
    return for_each(names, lambda name: found.images.remove(name, in_use=found.images_in_use))


@command.command("tag")
@click.argument("source", type=IMAGE, metavar="SOURCE")
@click.argument("targets", nargs=-1, required=True, metavar="TARGET...")
def tag(source: str, targets: tuple[str, ...]) -> None:
    """Give an image further names. A name that another image had moves to this one."""
    for name in runtime().images.tag(source, targets):
        click.echo(name)


@command.command("prune")
@click.option("-a", "--all", "everything", is_flag=True, help="Also images with names, if no pod uses them.")
@click.option("--dry-run", is_flag=True, help="Only tell what would go.")
def prune(everything: bool, dry_run: bool) -> None:
    """Remove images that have no name and that no pod uses, and what killed commands have left.

    Told are the exact bytes of the disk that come back.
    """
    found = runtime()
    gone = found.images.prune(
        found.images_in_use, everything=everything, dry_run=dry_run, progress=progress()
    )
    removed.show(gone, dry_run=dry_run)
