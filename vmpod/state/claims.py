"""The claims of this user: disks that outlive pods.

    <data>/claims/<key>/claim.json    what is claimed
    <data>/claims/<key>/disk.raw      a sparse file of the claim's size, with an ext4 unless it is Block
    <data>/claims/.<key>.new/         one that is being made
    <data>/claims/.<key>.gone/        one that is being removed
    <data>/claims/.lock               held by who makes, grows or removes one, or begins to use some

Who uses a claim is written down nowhere: the pods' records tell, and QEMU locks the disks that it has open.
Nothing of a disk's content is read here but one flag: a guest has written it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
import uuid
from collections.abc import Mapping, MutableSequence, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

from vmpod.dataclass import dataclass
from vmpod.errors import HostError, NotFoundError
from vmpod.lock import exclusive
from vmpod.paths import private_dir
from vmpod.plan.forward import pod_key
from vmpod.run import run
from vmpod.spec.claims import BLOCK
from vmpod.spec.model import Claim
from vmpod.state import versioned
from vmpod.state.named import Named
from vmpod.state.record import moment

FILE, DISK = "claim.json", "disk.raw"
VERSION = 1

# A hole reads as zeros, so nothing has to be written for them.
_MKFS = [
    *("mkfs.ext4", "-q", "-F", "-m", "0", "-b", "4096", "-i", "16384"),
    *("-E", "nodiscard,lazy_itable_init=1,assume_storage_prezeroed=1"),
]

# ext4's superblock: where the flags are that say what a driver has to know, and the one for a journal that
# has to be replayed. Source: the kernel's Documentation/filesystems/ext4/super.rst.
_FLAGS, _NEEDS_RECOVERY = 1024 + 0x60, 0x4


@dataclass(frozen=True)
class StoredClaim(Named):
    """A claim that is there. size: bytes; modes: its accessModes; created: RFC 3339."""

    name: str
    namespace: str
    uid: str
    created: str
    size: int
    modes: tuple[str, ...]
    labels: Mapping[str, str]
    document: Mapping[str, Any]
    directory: Path

    @property
    def disk(self) -> Path:
        """The file of its disk."""
        return self.directory / DISK

    @property
    def block(self) -> bool:
        """Whether it has no file system, and is a device for its pods."""
        return self.spec.get("volumeMode") == BLOCK

    @property
    def used(self) -> int:
        """Bytes that it takes of the host's disk."""
        try:
            return self.disk.stat().st_blocks * 512
        except FileNotFoundError:
            return 0  # it is being removed

    def needs_recovery(self) -> bool:
        """Whether the last machine that wrote to it ended without unmounting it. Raises OSError."""
        if self.block:
            return False
        fd = os.open(self.disk, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return bool(int.from_bytes(os.pread(fd, 4, _FLAGS), "little") & _NEEDS_RECOVERY)
        finally:
            os.close(fd)


def serial_of(key: str) -> str:
    """What a guest knows a claim's disk by: the same for ever, and known before there is a disk."""
    return "claim-" + hashlib.sha256(key.encode()).hexdigest()[:12]


class ClaimStore:
    """Finds, makes, grows and removes claims. What changes them needs locked()."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def locked(self) -> AbstractContextManager[None]:
        """Hold all claims: nobody else changes one, or begins to use one."""
        private_dir(self._root.parent)
        # QEMU may run as another user (libvirtd's), who has to reach the disks by name.
        self._root.mkdir(mode=0o711, exist_ok=True)
        return exclusive(self._root / ".lock")

    def directory(self, key: str) -> Path:
        """Where a claim of that key is kept, whether or not it is there."""
        return self._root / key

    def list(self, *, problems: MutableSequence[HostError] | None = None) -> list[StoredClaim]:
        """Every claim, by key. One that cannot be read goes to problems; without that, it is raised."""
        found = []
        for directory in self._directories():
            try:
                if claim := _load(directory):
                    found.append(claim)
            except HostError as error:
                if problems is None:
                    raise
                problems.append(error)
        return found

    def lookup(self, key: str) -> StoredClaim | None:
        """The claim of that key, None if there is none. Raises HostError."""
        return _load(self.directory(key))

    def find(self, name: str) -> StoredClaim:
        """The claim of that name, 'NAME' or 'NAMESPACE/NAME'. Raises NotFoundError, HostError."""
        namespace, _, rest = name.rpartition("/")
        sound = rest and not any(part.startswith(".") or "_" in part for part in (namespace, rest))
        found = self.lookup(pod_key(namespace or "default", rest)) if sound and "/" not in namespace else None
        if found is None:
            raise NotFoundError(
                f"there is no PersistentVolumeClaim {name!r}", hint="`vmpod volume ls` lists them"
            )
        return found

    def make(self, claim: Claim) -> StoredClaim:
        """Make a claim's disk, which is not there. Raises CommandError, OSError."""
        key = pod_key(claim.namespace, claim.name)
        new = self._root / f".{key}.new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o711)
        try:
            fd = os.open(new / DISK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.ftruncate(fd, claim.size)
            finally:
                os.close(fd)
            if not claim.block:
                run([*_MKFS, new / DISK])
            found = StoredClaim(
                name=claim.name,
                namespace=claim.namespace,
                uid=str(uuid.uuid4()),
                created=moment(time.time()),
                size=claim.size,
                modes=claim.modes,
                labels=claim.labels,
                document=claim.document,
                directory=new,
            )
            _save(found)
            new.rename(self.directory(key))
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)
            raise
        return replace(found, directory=self.directory(key))

    def change(self, found: StoredClaim, claim: Claim) -> StoredClaim:
        """Let a claim be as it is described now; its disk may only grow. Raises OSError.

        The file system grows when the disk is mounted for the next time: what a guest has written is nothing
        that a program of the host should work on.
        """
        assert claim.size >= found.size
        changed = replace(
            found, size=claim.size, modes=claim.modes, labels=claim.labels, document=claim.document
        )
        if found.disk.stat().st_size < claim.size:
            os.truncate(found.disk, claim.size)
        _save(changed)
        return changed

    def remove(self, found: StoredClaim) -> None:
        """Remove a claim and all that was ever written to it."""
        gone = self._root / f".{found.key}.gone"
        shutil.rmtree(gone, ignore_errors=True)
        found.directory.rename(gone)
        shutil.rmtree(gone)

    def abandoned(self) -> Sequence[Path]:
        """What commands that were killed have left: claims that were being made, or removed."""
        if not self._root.is_dir():
            return []
        return sorted([*self._root.glob(".*.new"), *self._root.glob(".*.gone")])

    def _directories(self) -> Sequence[Path]:
        if not self._root.is_dir():
            return []
        return sorted(
            path for path in self._root.iterdir() if path.is_dir() and not path.name.startswith(".")
        )


def _save(claim: StoredClaim) -> None:
    told = {
        "name": claim.name,
        "namespace": claim.namespace,
        "uid": claim.uid,
        "created": claim.created,
        "size": claim.size,
        "modes": list(claim.modes),
        "labels": dict(claim.labels),
        "document": dict(claim.document),
    }
    versioned.save(claim.directory / FILE, VERSION, told)


def _load(directory: Path) -> StoredClaim | None:
    return versioned.load(
        directory / FILE,
        VERSION,
        lambda told: StoredClaim(directory=directory, **told | {"modes": tuple(told["modes"])}),
        other="use that one",
        damaged=f"the data is in {DISK} beside it, an ext4 file system unless its volumeMode was Block",
    )
