"""Removing from the store what nobody needs, and telling what that brings."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from vmpod.oci.record import NameEntry
from vmpod.oci.shelf import Shelf
from vmpod.removable import Removable, disk_usage


def prune(
    shelf: Shelf,
    in_use: Callable[[], Collection[str]],
    *,
    everything: bool,
    dry_run: bool,
    waiting: Callable[[], None],
) -> list[Removable]:
    """Remove images without a name, and what killed commands have left; returns what went.

    in_use: digests that stay; asked while no pod is about to use one. everything: named images, too.
    dry_run: remove nothing. waiting: called once if a pod is about to use an image.
    """
    with shelf.unused(waiting):
        with shelf.changing() as names:
            going = _unneeded(shelf, names, in_use(), everything=everything)
            found = [_image(shelf, digest, names) for digest in going]
            found += [_leftover(path) for path in shelf.leftovers()]
            for name in [] if dry_run else list(names):
                if names[name].digest in going:
                    del names[name]
        if not dry_run:
            # The names are gone for good before the disks go, so that none ever leads nowhere.
            with shelf.changing() as names:
                shelf.sweep()
                for digest in set(going) - {entry.digest for entry in names.values()}:
                    shelf.discard(digest)
    return found


def _unneeded(
    shelf: Shelf, names: Mapping[str, NameEntry], in_use: Collection[str], *, everything: bool
) -> list[str]:
    kept = set(in_use) | (set() if everything else {entry.digest for entry in names.values()})
    return [digest for digest in shelf.digests() if digest not in kept]


def _image(shelf: Shelf, digest: str, names: Mapping[str, NameEntry]) -> Removable:
    mine = sorted(name for name, entry in names.items() if entry.digest == digest)
    return Removable("image", ", ".join(mine) or digest, disk_usage(shelf.directory(digest)))


def _leftover(path: Path) -> Removable:
    return Removable("leftover", str(path), disk_usage(path))
