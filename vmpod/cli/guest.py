"""`vmpod guest`."""

from __future__ import annotations

import click

from vmpod.cli import removed, render
from vmpod.cli.common import for_each, quiet_option, runtime
from vmpod.cli.listing import Kind, Wanted, listing_options, show, text_filter, time_filter, truth_filter
from vmpod.cli.names import GUEST
from vmpod.cli.progress import progress
from vmpod.guestimage.model import GuestInfo


@click.group("guest")
def command() -> None:
    """Manage the guest image: the kernel and root disk that every machine boots."""


@command.command("build")
@click.option("--force", is_flag=True, help="Even if it is there, to take in newer packages.")
@quiet_option
def build(force: bool, quiet: bool) -> None:
    """Build the guest image from Debian packages, if it is not there yet.

    `vmpod run` does so by itself when it has to.
    """
    click.echo(runtime().guests.build(progress(quiet=quiet), force=force).id)


@command.command("ls")
@listing_options
def ls(wanted: Wanted) -> None:
    """List guest images, the newest first; '*' marks the one that new pods boot.

    Filters: id, current (true or false), since and until (a moment, or so long ago).
    """
    show(GUESTS, runtime().guests.list(), wanted)


@command.command("rm")
@click.argument("ids", type=GUEST, nargs=-1, required=True, metavar="ID...")
def rm(ids: tuple[str, ...]) -> int:
    """Remove guest images. Pods that run are not affected."""
    found = runtime()
    return for_each(ids, found.guests.remove)


@command.command("prune")
@click.option("-a", "--all", "everything", is_flag=True, help="Also what other versions of vmpod boot.")
@click.option("--dry-run", is_flag=True, help="Only tell what would go.")
def prune(everything: bool, dry_run: bool) -> None:
    """Remove guest images that a newer build replaced, and what killed builds have left.

    What a running machine uses stays.
    """
    found = runtime().guests.prune(everything=everything, dry_run=dry_run, progress=progress())
    removed.show(found, dry_run=dry_run)


def _row(image: GuestInfo) -> list[str]:
    built = f"{render.age(render.moment(image.created))} ago"
    mark = "*" if image.current else ""
    sizes = " ".join(f"{name}={render.size(size)}" for name, size in sorted(image.sizes.items()))
    return [mark, image.id, image.kernel_release, built, render.size(image.size), sizes]


def _json(image: GuestInfo) -> dict[str, object]:
    return {
        "id": image.id,
        "current": image.current,
        "created": render.moment(image.created),
        "kernel": image.kernel_release,
        "sizes": image.sizes,
        "packages": list(image.packages),
    }


GUESTS: Kind[GuestInfo] = Kind(
    list_kind="GuestImageList",
    header=["", "ID", "KERNEL", "BUILT", "SIZE", "FILES"],
    narrow=5,
    rows=lambda image: [_row(image)],
    to_json=_json,
    names=lambda image: [image.id],
    filters={
        "id": text_filter(lambda image, text: bool(text) and image.id.startswith(text)),
        "current": truth_filter(lambda image: image.current),
        "since": time_filter(lambda image: image.created, before=False),
        "until": time_filter(lambda image: image.created, before=True),
    },
)
