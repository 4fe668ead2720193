"""The toolbox: a root file system with programs to look into machines, as a disk that is attached on request.

    <root>/<key>.squashfs     one for each recipe

It is built when it is first wanted, from Debian packages, as the guest image is.
"""

from __future__ import annotations

import hashlib
import shutil
import tomllib
from dataclasses import replace
from pathlib import Path

from vmpod.errors import GuestImageError
from vmpod.guestimage import elf, recipe, rootfs
from vmpod.guestimage.recipe import Recipe
from vmpod.guestimage.tree import Node, Tree, directory, file, link, with_parents
from vmpod.guestimage.unpack import LIBRARIES, unpack
from vmpod.lock import exclusive
from vmpod.progress import Progress
from vmpod.removable import Removable, disk_usage

_LOADER = f"{LIBRARIES}/ld-linux-x86-64.so.2"
_DIRECTORIES = ("dev", "etc", "mnt", "proc", "root", "run", "sys", "tmp", "var/tmp")
_LINKS = {
    "bin": "usr/bin",
    "sbin": "usr/bin",
    "lib": "usr/lib",
    "lib64": "usr/lib64",
    "usr/bin/sh": "bash",
    "usr/lib64/ld-linux-x86-64.so.2": "../lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
}


class ToolboxStore:
    """Finds and builds the toolbox below one directory."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def ensure(self, progress: Progress) -> Path:
        """The disk, built first if it is missing. Raises GuestImageError, HostError."""
        found = self._root / f"{_key()}.squashfs"
        if found.exists():
            return found
        self._root.mkdir(parents=True, exist_ok=True)
        with exclusive(self._root / "lock"):
            if not found.exists():
                self._build(found, progress)
        return found

    def prune(self, *, dry_run: bool = False) -> list[Removable]:
        """Remove what another recipe made, and what killed builds left. Machines keep what they have open."""
        if not self._root.is_dir():
            return []
        with exclusive(self._root / "lock"):
            kept = {f"{_key()}.squashfs", "lock"}
            going = sorted(path for path in self._root.iterdir() if path.name not in kept)
            found = [Removable("toolbox", path.name, disk_usage(path)) for path in going]
            for path in () if dry_run else going:
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink()
        return found

    def _build(self, target: Path, progress: Progress) -> None:
        wanted = _recipe()
        with progress.phase("Fetching the toolbox's packages") as phase:
            packages = unpack(wanted, self._root, phase.update)
        with progress.phase("Building the toolbox"):
            new = target.with_name(f".{target.name}.new")
            new.unlink(missing_ok=True)
            rootfs.write_disk(_tree(wanted, packages), new, wanted.squashfs_options)
            new.rename(target)


def _directory() -> Path:
    found = recipe.recipe_directory() / "toolbox"
    if not (found / "toolbox.toml").is_file():
        raise GuestImageError("the recipe of the toolbox is missing", hint="install vmpod again")
    return found


def _key() -> str:
    """A hash of the recipe and of this builder: 16 hexadecimal digits."""
    top = _directory()
    digest = hashlib.sha256()
    for path in (top / "toolbox.toml", top / "prepare", Path(__file__)):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _recipe() -> Recipe:
    """The guest image's, with other packages."""
    top = _directory()
    told = tomllib.loads((top / "toolbox.toml").read_text())
    guest = recipe.load(recipe.recipe_directory())
    return replace(
        guest,
        directory=top,
        packages=tuple(told["packages"]),
        keep=tuple(told["keep"]),
        files=told["files"],
        links=_LINKS,
    )


def _tree(wanted: Recipe, packages: Tree) -> dict[str, Node]:
    # One directory of programs, as the guest has it.
    programs = {
        path.replace("usr/sbin/", "usr/bin/"): node for path, node in packages.items() if path in wanted.keep
    }
    binaries = [path for path in packages if path in wanted.keep]
    libraries = elf.libraries(binaries, packages, LIBRARIES) | {_LOADER}
    return with_parents(
        {
            **{f"usr/bin/{name}": link("busybox") for name in wanted.applets},
            **programs,
            **{path: packages[path] for path in libraries},
            **{path: directory(0o1777 if path.endswith("tmp") else 0o755) for path in _DIRECTORIES},
            **{path: link(target) for path, target in wanted.links.items()},
            **{path: file(text.encode()) for path, text in wanted.files.items()},
        }
    )
