"""The images of this host: each converted once into a read-only disk, however many want it at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, MutableSequence, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from vmpod.errors import ConflictError, ImageError, NotFoundError
from vmpod.oci import reference
from vmpod.oci.model import Image
from vmpod.oci.record import NameEntry, Record
from vmpod.oci.reference import Reference
from vmpod.oci.refusals import explained
from vmpod.oci.shelf import Shelf
from vmpod.progress import SILENT, Progress
from vmpod.removable import Removable
from vmpod.spec.containermodel import PullPolicy

if TYPE_CHECKING:
    from vmpod.oci.save import Format

_ID = re.compile(r"(?:sha256:)?([0-9a-f]{4,64})")


class ImageStore:
    """The store in a directory (shelf.py tells what is in it); every method may run anywhere at once.

    Names: one without a registry, as `nginx`, is `docker.io/library/nginx` if that is here, else
    `localhost/nginx` if that is here, else asked for at docker.io. `localhost/NAME` is never asked for
    over the network; `localhost:5000/NAME` is.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._shelf = Shelf(root)

    def ensure(self, name: str, policy: PullPolicy, progress: Progress = SILENT) -> Image:
        """The image of a container, pulled or not as `imagePullPolicy` means it.

        Always asks the registry what the name means, and fails if it cannot be reached, but downloads
        only what is not here. Raises ImageError, HostError.
        """
        wanted = reference.parse(name)
        here, image = self._lookup(wanted)
        if here.is_local:
            if image:
                return image
            raise ImageError(
                f"the image {here} is not in the local store", hint="load it: vmpod image load FILE"
            )
        if policy is PullPolicy.NEVER and not image:
            raise ImageError(
                f'ErrImageNeverPull: Container image "{name}" is not present with pull policy of Never',
                hint=f"get it first: vmpod image pull {name}",
            )
        if image and policy is not PullPolicy.ALWAYS:
            return image
        try:
            return self._pull(wanted, progress)
        except ImageError as error:
            if not image:
                raise
            hint = "a copy is here: imagePullPolicy IfNotPresent uses it"
            raise ImageError(error.message, hint=f"{error.hint}; {hint}" if error.hint else hint) from None

    def pull(self, name: str, progress: Progress = SILENT) -> Image:
        """Get what a name means at its registry now. Raises ImageError, HostError."""
        wanted = reference.parse(name)
        if wanted.is_local:
            raise ImageError(
                f"{wanted} is no name at a registry",
                hint="images of localhost are loaded: vmpod image load FILE",
            )
        return self._pull(wanted, progress)

    def load(self, path: Path, progress: Progress = SILENT) -> list[Image]:
        """Every image of a docker-archive, oci-archive or OCI layout directory, under the names in it.

        archive.opened() tells how images without a name are called. Raises ImageError, HostError.
        """
        from vmpod.oci import intake  # noqa: PLC0415 - needed only when an image is not here

        with explained(self._root):
            return [self._kept(digest) for digest in intake.load(self._shelf, path, progress)]

    def find(self, name: str) -> Image | None:
        """The image of a name, a digest, or the first four or more digits of a digest or id.

        Raises ConflictError if several images' digests start so.
        """
        return self._find(name)[0]

    def list(self, *, problems: MutableSequence[ImageError] | None = None) -> list[Image]:
        """Every image, by its first name; those without a name come last.

        What is damaged goes to problems; without that, it is raised.
        """
        names = self._shelf.names()
        images = [self._image(item, names) for item in self._shelf.records(problems)]
        return sorted(images, key=lambda image: (not image.names, image.names, image.digest))

    def tag(self, name: str, targets: Iterable[str]) -> Sequence[str]:
        """Give an image further names, and return them in full; one that another image had moves.

        Raises NotFoundError, ImageError for what is no name.
        """
        meanings = [str(_tagged(target)) for target in targets]
        with explained(self._root), self._shelf.changing() as names:
            image = self._known(name)
            # The index digest stays: it is what the registry calls this image.
            entry = next((entry for entry in names.values() if entry.digest == image.digest), None)
            names.update(dict.fromkeys(meanings, entry or NameEntry(image.digest)))
        return meanings

    def save(self, names: Iterable[str], sink: BinaryIO, form: Format, progress: Progress = SILENT) -> None:
        """Write images into one archive: under the names given, one given by its digest under all it has.

        A name with a digest is left out, as the saved image has another one.
        Raises NotFoundError before anything is written; ImageError, HostError; OSError if the sink does.
        """
        from vmpod.oci import save  # noqa: PLC0415 - a start of a pod saves nothing

        with self._shelf.using():
            wanted: dict[str, tuple[Image, list[str]]] = {}
            for name in names:
                image, meaning = self._find(name)
                if image is None:
                    raise _no_image(name)
                entry = wanted.setdefault(image.digest, (image, []))
                entry[1].extend([meaning] if meaning else image.names)
            images = [(image, sorted({n for n in given if "@" not in n})) for image, given in wanted.values()]
            save.save(images, sink, form, progress)

    def using(self) -> AbstractContextManager[None]:
        """For who is about to use images, until that is written down: none is removed meanwhile."""
        return self._shelf.using()

    def prune(
        self,
        in_use: Callable[[], Collection[str]],
        *,
        everything: bool = False,
        dry_run: bool = False,
        progress: Progress = SILENT,
    ) -> Sequence[Removable]:
        """Remove what nobody needs, and return it: images without a name, and leftovers of killed commands.

        in_use: digests that must stay. everything: images with names as well. dry_run: only tell.
        Raises ImageError if the index of names is damaged, HostError.
        """
        from vmpod.oci.prune import prune  # noqa: PLC0415 - a start of a pod prunes nothing

        if not self._root.is_dir():
            return []
        with explained(self._root), ExitStack() as waits:

            def waiting() -> None:
                waits.enter_context(progress.phase("Waiting for pods that are starting"))

            return prune(self._shelf, in_use, everything=everything, dry_run=dry_run, waiting=waiting)

    def remove(self, name: str, *, in_use: Callable[[], Collection[str]] = tuple) -> None:
        """Remove a name, and the image with its last name; given a digest or id, the image with all names.

        in_use: digests that must stay; asked while nobody else changes the store.
        Raises NotFoundError, and ConflictError if the image would go and is in use.
        """
        image, meaning = self._find(name)
        if image is None:
            raise _no_image(name)
        with explained(self._root), self._shelf.unused(lambda: None):
            with self._shelf.changing() as names:
                mine = {key for key, entry in names.items() if entry.digest == image.digest}
                going = {meaning} if meaning in mine else mine
                if going == mine and image.digest in in_use():
                    raise ConflictError(
                        f"the image {name!r} is in use", hint="remove the pods that use it first"
                    )
                for key in going:
                    del names[key]
            # The name is gone for good before the disk goes, so no name ever leads nowhere.
            with self._shelf.changing() as names:
                if (
                    all(entry.digest != image.digest for entry in names.values())
                    and image.digest not in in_use()
                ):
                    self._shelf.discard(image.digest)

    def _known(self, name: str) -> Image:
        image = self.find(name)
        if image is None:
            raise _no_image(name)
        return image

    def _find(self, name: str) -> tuple[Image | None, str]:
        """The image, and the full name that led to it, '' if that was a digest."""
        try:
            wanted = reference.parse(name)
        except ImageError:
            return self._by_id(name), ""
        meaning, image = self._lookup(wanted)
        return (image, str(meaning)) if image else (self._by_id(name), "")

    def _pull(self, wanted: Reference, progress: Progress) -> Image:
        from vmpod.oci import intake  # noqa: PLC0415 - needed only when an image is not here

        with explained(self._root):
            return self._kept(intake.pull(self._shelf, wanted, progress))

    def _kept(self, digest: str) -> Image:
        found = self._shelf.read(digest)
        if found is None:
            raise ImageError(f"the image {digest} was removed as soon as it was there")
        return self._image(found)

    def _lookup(self, wanted: Reference) -> tuple[Reference, Image | None]:
        """What a name means here, and its image if it is here."""
        names = self._shelf.names()
        meanings = (wanted, wanted.local_twin()) if wanted.short else (wanted,)
        for meaning in meanings:
            digest = _digest_of(meaning, names)
            found = self._shelf.read(digest) if digest else None
            if found:
                return meaning, self._image(found, names)
        return wanted, None

    def _by_id(self, text: str) -> Image | None:
        match = _ID.fullmatch(text)
        if not match:
            return None
        start = f"sha256:{match[1]}"
        found = [
            item
            for item in self._shelf.records([])
            if item.digest.startswith(start) or item.config_digest.startswith(start)
        ]
        if len(found) > 1:
            raise ConflictError(
                f"the digests of {len(found)} images start with {text!r}", hint="write more digits"
            )
        return self._image(found[0]) if found else None

    def _image(self, found: Record, names: Mapping[str, NameEntry] | None = None) -> Image:
        index = self._shelf.names() if names is None else names
        return Image(
            digest=found.digest,
            names=tuple(sorted(name for name, entry in index.items() if entry.digest == found.digest)),
            config=found.config,
            disk=self._shelf.disk(found.digest),
            disk_size=found.disk_size,
            created=found.created,
            architecture=found.architecture,
            config_digest=found.config_digest,
        )


def _no_image(name: str) -> NotFoundError:
    return NotFoundError(f"there is no image {name!r}", hint="see: vmpod image ls")


def _tagged(name: str) -> Reference:
    wanted = reference.parse(name)
    if wanted.digest:
        raise ImageError(f"{name!r} names a digest, which no other image can have", hint="name a tag")
    return wanted


def _digest_of(meaning: Reference, names: Mapping[str, NameEntry]) -> str | None:
    if entry := names.get(str(meaning)):
        return entry.digest
    # A digest may be that of an index which some tag of the same repository led to.
    for name, entry in names.items() if meaning.digest else ():
        if meaning.digest in (entry.digest, entry.index) and reference.parse(name).name == meaning.name:
            return entry.digest
    return None
