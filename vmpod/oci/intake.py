"""How an image gets into the store: fetched or read from a file, converted, put on the shelf.

Apart from store.py, which every start of a pod imports, and which finds the image there nearly always.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from vmpod.oci import archive, skopeo
from vmpod.oci.convert import convert
from vmpod.oci.record import NameEntry
from vmpod.oci.reference import Reference
from vmpod.oci.shelf import DISK, Shelf
from vmpod.oci.skopeo import Resolved
from vmpod.oci.source import Source, from_fetched
from vmpod.progress import Progress


def pull(shelf: Shelf, wanted: Reference, progress: Progress) -> str:
    """Get what a name means at its registry now, and return the image's digest.

    Downloads only what is not on the shelf. Raises ImageError, HostError.
    """
    with progress.phase(f"Resolving {wanted}"):
        resolved = skopeo.resolve(wanted)
    names = {str(wanted): NameEntry(resolved.digest, resolved.index)}
    with shelf.workspace() as work:
        _keep(shelf, names, partial(_fetch, resolved, work / "fetched", progress), work / DISK, progress)
    return resolved.digest


def load(shelf: Shelf, path: Path, progress: Progress) -> list[str]:
    """Keep every image of an archive or layout directory under its names, and return the digests.

    Raises ImageError, HostError; the images before a faulty one stay.
    """
    with shelf.workspace() as work, archive.opened(path, work) as found:
        for number, item in enumerate(found):
            names = {str(name): NameEntry(item.source.digest) for name in item.names}
            place = work / f"image{number}"
            place.mkdir()
            _keep(shelf, names, partial(_given, item.source), place / DISK, progress)
        return [item.source.digest for item in found]


def _keep(
    shelf: Shelf,
    names: Mapping[str, NameEntry],
    get: Callable[[], Source],
    disk: Path,
    progress: Progress,
) -> None:
    """See to it that an image is here, made by us or by somebody at it before us, and has its names.

    get: gives what to convert, if it must be. disk: where to convert it to, in a workspace.
    """
    title, entry = next(iter(names.items()))
    with ExitStack() as waits:

        def waiting() -> None:
            waits.enter_context(progress.phase(f"Waiting for another vmpod to get {title}"))

        with shelf.sole(entry.digest, waiting):
            waits.close()
            made = None
            if not shelf.sound(entry.digest):
                source = get()
                with progress.phase(f"Converting {title}") as phase:
                    made = convert(source, disk, phase)
            with shelf.changing() as index:
                if made:
                    shelf.place(disk, made)
                index.update(names)


def _given(source: Source) -> Source:
    return source


def _fetch(resolved: Resolved, directory: Path, progress: Progress) -> Source:
    directory.mkdir()
    with progress.phase(f"Pulling {resolved.reference}") as phase:
        skopeo.fetch(resolved, directory, phase)
    return from_fetched(directory, resolved.digest, str(resolved.reference))
