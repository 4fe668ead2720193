"""The disks of a machine, read back by other programs than those that wrote them."""

from __future__ import annotations

import io
import json
import os
import subprocess
from pathlib import Path

import pycdlib
import pytest

from tests.unit.documents import boot_container, boot_document
from vmpod import wire
from vmpod.errors import CommandError
from vmpod.plan.make import images_start
from vmpod.plan.model import ImageUse
from vmpod.runtime import disks
from vmpod.wire.boot import check


@pytest.mark.parametrize("containers", [1, 100])
def test_the_boot_disk_holds_the_boot_document(containers: int, tmp_path: Path) -> None:
    path = tmp_path / "boot.iso"
    document = check(
        boot_document(*(boot_container(name=f"c{n}", argv=["é" * 500]) for n in range(containers)))
    )
    disks.write_boot_disk(document, path)
    assert path.stat().st_size % 512 == 0
    iso = pycdlib.PyCdlib()
    iso.open(str(path))
    content = io.BytesIO()
    iso.get_file_from_iso_fp(content, rr_path=f"/{wire.BOOT_DOCUMENT_NAME}")
    assert [child.file_identifier() for child in iso.list_children(iso_path="/")][2:] == [b"BOOT.JSON;1"]
    iso.close()
    assert json.loads(content.getvalue()) == document


def use(path: Path) -> ImageUse:
    return ImageUse(path.stem, f"sha256:{path.stem}", path)


@pytest.mark.parametrize("sizes", [[], [4096], [8192, 512, 1024 * 1024]])
def test_the_images_disk_is_all_images_one_after_the_other(sizes: list[int], tmp_path: Path) -> None:
    images = []
    for number, size in enumerate(sizes):
        images.append(tmp_path / f"image {number}.squashfs")
        images[-1].write_bytes(os.urandom(size))
    disk, raw = tmp_path / "images.vmdk", tmp_path / "raw"
    disks.write_images_disk(tuple(map(use, images)), disk)
    subprocess.run(["qemu-img", "convert", "-O", "raw", disk, raw], check=True)
    wanted = bytes(images_start(len(sizes))) + b"".join(image.read_bytes() for image in images)
    assert raw.read_bytes() == wanted
    assert disk.stat().st_size < 4096, "the images were copied"


def test_the_scratch_disk_is_an_empty_file_system_that_takes_no_space(tmp_path: Path) -> None:
    path = tmp_path / "scratch.raw"
    disks.make_scratch_disk(path, 8 * 1024**3)
    assert path.stat().st_size == 8 * 1024**3
    assert path.stat().st_blocks * 512 < 4 * 1024**2
    assert path.stat().st_mode & 0o777 == 0o600
    subprocess.run(["/sbin/e2fsck", "-fn", path], check=True, capture_output=True)


def test_a_scratch_disk_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"mkfs\.ext4"):
        disks.make_scratch_disk(tmp_path / "scratch.raw", 4096)
