"""Where the store keeps things, so that any number of processes can use it and any can be killed.

    names.json                   from full names to digests
    disks/HEX/disk.squashfs      the disk; image.json beside it describes it
    staging/N/                   work under way, each with a `lock` that its maker holds
    lock                         held for moments: names.json, and what enters or leaves disks/ and staging/
    locks/XX                     held while an image is fetched and converted; XX is its digest's start
    users                        held by who is about to use images (shared), or removes some (alone)

An image appears in disks/ by one rename, complete. Whoever is killed leaves something in staging/ whose
lock nobody holds, and the next who works there removes it. Readers take no lock.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, MutableSequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from vmpod.errors import ImageError
from vmpod.lock import exclusive, held, shared
from vmpod.oci import record
from vmpod.oci.record import NameEntry, Record

DISK = "disk.squashfs"
_RECORD = "image.json"


class Shelf:
    """The directories of a store. They are made when something is kept."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._names = root / "names.json"
        self._disks = root / "disks"
        self._staging = root / "staging"
        self._locks = root / "locks"

    def disk(self, digest: str) -> Path:
        """Where the disk of an image is, or would be."""
        return self.directory(digest) / DISK

    def read(self, digest: str) -> Record | None:
        """The record of an image; None if it is not here. Raises ImageError if it is damaged."""
        found = record.read_record(self.directory(digest) / _RECORD)
        if found:
            record.check_disk(self.disk(digest), found)
        return found

    def sound(self, digest: str) -> bool:
        """Whether an image is here and not damaged."""
        try:
            return self.read(digest) is not None
        except ImageError:
            return False

    def digests(self) -> list[str]:
        """Every image that has a directory here, damaged or not, sorted."""
        found = sorted(self._disks.iterdir()) if self._disks.is_dir() else []
        return [f"sha256:{directory.name}" for directory in found]

    def records(self, problems: MutableSequence[ImageError] | None = None) -> list[Record]:
        """The records of all images, by digest. What is damaged goes to problems; without that, it is
        raised."""
        found = []
        for digest in self.digests():
            try:
                found.append(self.read(digest))
            except ImageError as error:
                if problems is None:
                    raise
                problems.append(error)
        return [item for item in found if item]

    def names(self) -> dict[str, NameEntry]:
        """The names index as it is now."""
        return record.read_names(self._names)

    @contextmanager
    def changing(self) -> Iterator[dict[str, NameEntry]]:
        """The names index, to be changed; written back when the block ends well. Nobody else changes
        names or disks meanwhile."""
        self._make()
        with exclusive(self._root / "lock"):
            names = self.names()
            before = dict(names)
            yield names
            if names != before:
                record.write_names(self._names, names, self._staging / "names.json")

    def using(self) -> AbstractContextManager[None]:
        """Have every image stay that is here or comes, until the block ends."""
        self._make()
        return shared(self._root / "users")

    def unused(self, waiting: Callable[[], None]) -> AbstractContextManager[None]:
        """Have nobody be about to use an image. waiting: called once if somebody is."""
        self._make()
        return exclusive(self._root / "users", waiting=waiting)

    def sole(self, digest: str, waiting: Callable[[], None]) -> AbstractContextManager[None]:
        """Be the only one who makes this image. waiting: called once if somebody else is at it."""
        self._make()
        # A few hundred lock files at most, whatever comes and goes.
        return exclusive(self._locks / _hex(digest)[:2], waiting=waiting)

    @contextmanager
    def workspace(self) -> Iterator[Path]:
        """An empty directory that is removed in the end, whatever happens."""
        self._make()
        with exclusive(self._root / "lock"):
            self.sweep()
            directory = Path(tempfile.mkdtemp(dir=self._staging, prefix=""))
            lock = exclusive(directory / "lock")
            lock.__enter__()
        try:
            work = directory / "work"
            work.mkdir()
            yield work
        finally:
            shutil.rmtree(directory, ignore_errors=True)
            lock.__exit__(None, None, None)

    def place(self, disk: Path, found: Record) -> None:
        """Move a disk from a workspace to its place. To be called while changing()."""
        ready = disk.parent / "image"
        ready.mkdir()
        disk.rename(ready / DISK)
        record.write_record(ready / _RECORD, found)
        record.sync(ready)
        self.discard(found.digest)  # there is nothing, or a damaged one
        ready.rename(self.directory(found.digest))
        record.sync(self._disks)

    def discard(self, digest: str) -> None:
        """Remove an image's directory. To be called while changing()."""
        if not self.directory(digest).exists():
            return  # somebody else was quicker
        # Out of sight at once; if we are killed while removing it, it is staging junk.
        directory = Path(tempfile.mkdtemp(dir=self._staging, prefix=""))
        self.directory(digest).rename(directory / "image")
        shutil.rmtree(directory, ignore_errors=True)

    def directory(self, digest: str) -> Path:
        """Where everything of an image is, or would be."""
        return self._disks / _hex(digest)

    def leftovers(self) -> list[Path]:
        """What killed commands have left in staging/. To be called while changing()."""
        found = sorted(self._staging.iterdir())
        return [path for path in found if not (path.is_dir() and held(path / "lock"))]

    def sweep(self) -> None:
        """Remove the leftovers. To be called while changing()."""
        for path in self.leftovers():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    def _make(self) -> None:
        for directory in (self._disks, self._staging, self._locks):
            directory.mkdir(parents=True, exist_ok=True)


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")
