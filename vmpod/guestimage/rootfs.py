"""Makes the read-only root disk out of the unpacked packages."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path

from vmpod.errors import GuestImageError
from vmpod.guestimage import elf
from vmpod.guestimage.modules import (
    alias_file,
    dependency_file,
    load_order,
    parse_dependencies,
    without_signature,
)
from vmpod.guestimage.recipe import Recipe
from vmpod.guestimage.tree import Node, Tree, directory, file, link, with_parents
from vmpod.guestimage.unpack import LIBRARIES
from vmpod.run import run

_DYNLOAD = "usr/lib/python3.11/lib-dynload"
_LOADER = f"{LIBRARIES}/ld-linux-x86-64.so.2"


def kernel_release(packages: Tree) -> str:
    """The version of the one kernel among the packages, as `uname -r` will say it."""
    releases = {path.split("/")[3] for path in packages if path.startswith("usr/lib/modules/")}
    if len(releases) != 1:
        raise GuestImageError(f"the packages hold {len(releases)} kernels instead of one")
    return releases.pop()


def root_tree(recipe: Recipe, packages: Tree) -> dict[str, Node]:
    """Everything on the root disk. Raises GuestImageError if the packages lack something."""
    programs = {path: node for path, node in packages.items() if _kept(recipe, path)}
    binaries = [path for path, node in programs.items() if node.data.startswith(b"\x7fELF")]
    libraries = elf.libraries(binaries, packages, LIBRARIES) | {_LOADER}
    return with_parents(
        {
            **programs,
            **{path: packages[path] for path in libraries},
            **modules_tree(packages, (*recipe.boot_modules, *recipe.root_modules)),
            **{path: directory(0o1777 if path == "tmp" else 0o755) for path in recipe.directories},
            **{f"usr/bin/{applet}": link("busybox") for applet in recipe.applets},
            **{path: link(target) for path, target in recipe.links.items()},
            **{path: file(text.encode()) for path, text in recipe.files.items()},
        }
    )


def modules_tree(packages: Tree, names: Iterable[str]) -> dict[str, Node]:
    """The named kernel modules, what they need, and the files by which modprobe finds them."""
    top = f"usr/lib/modules/{kernel_release(packages)}"
    dependencies = parse_dependencies(packages[f"{top}/modules.dep"].data.decode())
    order = load_order(names, dependencies)
    aliases = packages[f"{top}/modules.alias"].data.decode()
    return {
        **{f"{top}/{path}": file(without_signature(packages[f"{top}/{path}"].data)) for path in order},
        f"{top}/modules.dep": file(dependency_file(order, dependencies).encode()),
        f"{top}/modules.alias": file(alias_file(order, aliases).encode()),
    }


def write_disk(tree: Tree, target: Path, options: Iterable[str]) -> None:
    """Write the tree as a squashfs; the same tree gives the same bytes."""
    stable = ["-mkfs-time", "0", "-reproducible", "-no-progress", "-quiet"]
    # mksquashfs takes nothing about the top directory from a tar: it would be open to all, made now and the
    # caller's. (squashfs-tools 4.5 heeds -root-time, -root-uid and -root-gid only without -tar.)
    stable += ["-all-time", "0", "-all-root", "-root-mode", "755"]
    # Not sqfstar: in squashfs-tools 4.5 it does not understand the compressors' own options.
    run(["mksquashfs", "-", target, "-tar", *stable, *options], input=_tar(tree))


def contents(tree: Tree) -> str:
    """The files of a tree, one a line with its size in bytes, the links with their targets."""
    lines = (
        f"{'':>9} {path} -> {node.data.decode()}" if node.is_link else f"{len(node.data):>9} {path}"
        for path, node in sorted(tree.items())
        if node.is_link or node.is_file
    )
    return "".join(f"{line}\n" for line in lines)


def _kept(recipe: Recipe, path: str) -> bool:
    if path.startswith(f"{_DYNLOAD}/"):
        return path.removeprefix(f"{_DYNLOAD}/").partition(".")[0] in recipe.extensions
    return any(fnmatchcase(path, pattern) for pattern in recipe.keep)


def _tar(tree: Tree) -> bytes:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, node in tree.items():
            member = tarfile.TarInfo(path)
            member.mode = node.mode & 0o7777
            if node.is_link:
                member.type, member.linkname = tarfile.SYMTYPE, node.data.decode()
            elif node.is_file:
                member.size = len(node.data)
            else:
                member.type = tarfile.DIRTYPE
            archive.addfile(member, io.BytesIO(node.data) if node.is_file else None)
    return output.getvalue()
