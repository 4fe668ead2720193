"""Builds the files of a guest image into a directory."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from vmpod.guestimage import kernel, rootfs
from vmpod.guestimage.initrd import base_initrd
from vmpod.guestimage.model import INITRD, KERNEL, ROOT
from vmpod.guestimage.recipe import Recipe
from vmpod.guestimage.unpack import unpack
from vmpod.progress import Progress


def build_into(recipe: Recipe, directory: Path, progress: Progress) -> str:
    """Make kernel, base initrd and root disk in an empty directory, and `guest.json` and `contents`.

    Returns the image's id: a hash of what was made. As the build is reproducible, the same packages and
    the same recipe give the same id, and other package versions another one.
    Raises GuestImageError, or HostError if a program is missing.
    """
    with progress.phase("Fetching the guest's packages") as phase:
        packages = unpack(recipe, directory, phase.update)
    with progress.phase("Building the guest image"):
        release = rootfs.kernel_release(packages)
        root = rootfs.root_tree(recipe, packages)
        rootfs.write_disk(root, directory / ROOT, recipe.squashfs_options)
        (directory / KERNEL).write_bytes(kernel.extract(packages[f"boot/vmlinuz-{release}"].data))
        (directory / INITRD).write_bytes(base_initrd(recipe, packages, root))
        (directory / "contents").write_text(rootfs.contents(root))
        description = {
            "kernel_release": release,
            "python_magic": packages["python-magic"].data.decode().strip(),
            "packages": packages["packages"].data.decode().split(),
            "command_line": dict(recipe.command_line),
        }
        (directory / "guest.json").write_text(json.dumps(description, indent=2) + "\n")
        return _identity(directory)


def _identity(directory: Path) -> str:
    digest = hashlib.sha256()
    for name in (KERNEL, INITRD, ROOT, "guest.json"):
        with (directory / name).open("rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()[:16]
