"""Where the store keeps things, so that any number of processes can use it and any can be killed.

    names.json                   from full names to digests
    disks/HEX/disk.squashfs      the disk; image.json beside it describes it
    staging/N/                   work under way, each with a `lock` that its maker holds
    lock                         held for moments: names.json, and what enters or leaves disks/ and staging/
    locks/XX                     held while an image is fetched and converted; XX is its digest's start

An image appears in disks/ by one rename, complete. Whoever is killed leaves something in staging/ whose
lock nobody holds, and the next who works there removes it. Readers take no lock.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from vmpod.lock import exclusive, held
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
        return self._directory(digest) / DISK

    def read(self, digest: str) -> Record | None:
        """The record of an image; None if it is not here."""
        return record.read_record(self._directory(digest) / _RECORD)

    def records(self) -> list[Record]:
        """The records of all images, by digest."""
        found = sorted(self._disks.iterdir()) if self._disks.is_dir() else []
        records = (record.read_record(directory / _RECORD) for directory in found)
        return [item for item in records if item]

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
            self._sweep()
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
        ready.rename(self._directory(found.digest))
        record.sync(self._disks)

    def discard(self, digest: str) -> None:
        """Remove an image's directory. To be called while changing()."""
        if not self._directory(digest).exists():
            return  # somebody else was quicker
        # Out of sight at once; if we are killed while removing it, it is staging junk.
        directory = Path(tempfile.mkdtemp(dir=self._staging, prefix=""))
        self._directory(digest).rename(directory / "image")
        shutil.rmtree(directory, ignore_errors=True)

    def _sweep(self) -> None:
        for directory in self._staging.iterdir():
            if directory.is_dir() and not held(directory / "lock"):
                shutil.rmtree(directory, ignore_errors=True)

    def _directory(self, digest: str) -> Path:
        return self._disks / _hex(digest)

    def _make(self) -> None:
        for directory in (self._disks, self._staging, self._locks):
            directory.mkdir(parents=True, exist_ok=True)


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")
