"""Makes the disks of one pod's machine."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from vmpod import wire
from vmpod.files import copy_extents
from vmpod.plan.loglimits import LogLimits
from vmpod.plan.make import IMAGES_GAP, images_start
from vmpod.plan.model import ImageUse, Machine, Plan
from vmpod.plan.network import card
from vmpod.run import run
from vmpod.template.store import Template
from vmpod.wire import messages
from vmpod.wire.logdisk import Layout

if TYPE_CHECKING:
    from vmpod.wire.boot import BootDocument

DEBUGGERS = 8
"""Places for the output of containers that are added later; on the host they are holes."""

_SECTOR = 512

# The scratch disk lives as long as the pod: no journal, and tables that are written when first used.
_MKFS = [
    *("mkfs.ext4", "-q", "-F", "-m", "0", "-i", "131072"),
    *("-O", "^has_journal,^resize_inode"),
    *("-E", "lazy_itable_init=1,nodiscard,packed_meta_blocks=1"),
]


def make_disks(plan: Plan, template: Template | None = None) -> bool:
    """Write the images disk of a plan, and make its other disks where there are none.

    Not the boot disk: what is on it depends on how the machine begins. template: what it begins as. Returns
    whether the scratch disk is now a copy of that one's. Raises CommandError, OSError.
    """
    disks = plan.machine.disks
    write_images_disk(plan.images, disks.images)

    def scratch(path: Path) -> None:
        if template:
            copy_extents(template.scratch, path)
            path.chmod(0o600)
        else:
            make_scratch_disk(path, plan.scratch_size)

    # A pod that is started again goes on with what it has.
    new = _once(disks.scratch, scratch)
    _once(disks.journal, lambda path: make_journal_disk(path, _containers(plan.boot), plan.logs))
    return new and template is not None


def _once(path: Path, make: Callable[[Path], None]) -> bool:
    """Make a disk, and tell so, if it is not there: one that is, is complete, whoever was killed at it."""
    if path.exists():
        return False
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    make(new)
    new.rename(path)
    return True


def write_boot_disk(document: BootDocument, path: Path) -> None:
    """An ISO 9660 image with the boot document as its one file."""
    import pycdlib  # noqa: PLC0415 - takes time to import

    content = json.dumps(document).encode()
    iso = pycdlib.PyCdlib()
    iso.new(interchange_level=3, rock_ridge="1.09", vol_ident="VMPOD")
    name = wire.BOOT_DOCUMENT_NAME
    iso.add_fp(io.BytesIO(content), len(content), f"/{name.upper()};1", rr_name=name)
    iso.write(str(path))
    iso.close()


def write_template_disk(machine: Machine) -> None:
    """What a machine has in place of a boot disk that is to be frozen, and what one that begins so has.

    It is told over the channel which pod it is. What all pods have in common stands here.
    """
    told = wire.TEMPLATE + messages.dump(dict(card(ipv6=machine.ipv6))) + b"\n"
    machine.disks.boot.write_bytes(told.ljust(_SECTOR, b"\0"))


def write_images_disk(images: tuple[ImageUse, ...], path: Path) -> None:
    """A disk that is all the pod's images one after the other, without copying them.

    It is a VMDK descriptor: of QEMU's formats the one that can join several raw files to one disk. So
    every machine has the same devices, however many images its pod uses. The agent knows from the boot
    document where each one starts.
    """
    files = [image.disk for image in images if image.disk]
    if images_start(len(images)):
        files.insert(0, make_gap(path))
    extents = "".join(_extent(file) for file in files)
    path.write_text(
        "# Disk DescriptorFile\n"
        "version=1\n"
        "CID=fffffffe\n"
        "parentCID=ffffffff\n"
        'createType="twoGbMaxExtentFlat"\n'
        f"{extents}"
        '#DDB\nddb.adapterType = "ide"\n'
    )


def gap_of(path: Path) -> Path:
    """The file with what comes before several images. path: of the images disk."""
    return path.with_suffix(".gap")


def make_gap(path: Path) -> Path:
    """Write that file. path: of the images disk. Raises OSError."""
    gap = gap_of(path)
    gap.write_bytes(bytes(IMAGES_GAP))
    return gap


def _extent(file: Path) -> str:
    # 'RW' is all that QEMU understands; the disk itself is opened read-only.
    return f'RW {file.stat().st_size // _SECTOR} FLAT "{file}" 0\n'


def _containers(document: BootDocument) -> int:
    return len(document["init_containers"]) + len(document["containers"]) + DEBUGGERS


def make_journal_disk(path: Path, containers: int, logs: LogLimits) -> None:
    """A sparse file for what the agent reports, with its header."""
    layout = Layout(containers, logs.size, logs.files)
    with path.open("xb") as file:
        file.write(layout.header())
        file.truncate(layout.total)
    path.chmod(0o600)


def make_scratch_disk(path: Path, size: int) -> None:
    """A sparse file with an empty ext4 file system of that size in bytes."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.ftruncate(fd, size)
    finally:
        os.close(fd)
    run([*_MKFS, path])
