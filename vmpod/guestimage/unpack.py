"""Fetches and unpacks the packages of the guest image, with mmdebstrap."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO

from vmpod.errors import GuestImageError, HostError
from vmpod.guestimage.recipe import Recipe
from vmpod.guestimage.sources import apt_options, source_lines
from vmpod.guestimage.tree import Node, file, link
from vmpod.run import can_hold_family, failed, messages, popen

LIBRARIES = "usr/lib/x86_64-linux-gnu"
# What the later steps may want besides what the recipe keeps. `prepare` writes the last two.
_EXTRA = ("boot/vmlinuz-*", "usr/lib/modules/*", f"{LIBRARIES}/*.so*", "packages", "python-magic")
_EXTENSIONS = "usr/lib/python3.11/lib-dynload/*"
_LIMIT = 1 << 30


def unpack(recipe: Recipe, directory: Path, said: Callable[[str], None]) -> dict[str, Node]:
    """The files of all packages that may go into the image, after `prepare` has run over them.

    directory: for temporary files. said: gets each line of progress.
    Raises GuestImageError with mmdebstrap's own words if it fails.
    """
    argv = _command(recipe)
    wanted = (*recipe.keep, *_EXTRA, _EXTENSIONS)
    said(f"packages from {', '.join(sorted({line.split()[-3] for line in source_lines(recipe.suite)}))}")
    family = can_hold_family()
    # There the next build finds what a killed one has left. The users that an ordinary user's build runs as
    # may not come in, so that one keeps its own place.
    env = {"TMPDIR": str(directory)} if family else None
    with messages() as words:
        process = popen(
            argv,
            stdout=-1,
            stderr=words.fileno(),
            env=env,
            signal="KILL" if family else "TERM",
            family=family,
        )
        with process:
            assert process.stdout is not None
            try:
                tree = _read(process.stdout, wanted)
            except tarfile.TarError:
                tree = {}  # it ended early: its status and words say why
            process.stdout.close()
        if process.returncode != 0 or not tree:
            words.seek(0)
            raise _explained(failed(argv[:1], process.returncode, words.read()))
    return tree


def _command(recipe: Recipe) -> list[str]:
    return [
        "mmdebstrap",
        "--mode=auto",
        "--variant=extract",
        "--format=tar",
        "--architectures=amd64",
        f"--include={','.join(recipe.packages)}",
        "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr",
        # As text, not as a path: under `unshare` the hook's user may not enter the caller's home.
        f"--extract-hook={(recipe.directory / 'prepare').read_text()}",
        *(f"--aptopt={option}" for option in apt_options()),
        recipe.suite,
        "-",
        *source_lines(recipe.suite),
    ]


def _read(stream: IO[bytes], wanted: tuple[str, ...]) -> dict[str, Node]:
    tree: dict[str, Node] = {}
    total = 0
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            path = member.name.removeprefix("./").strip("/")
            if not any(fnmatchcase(path, pattern) for pattern in wanted):
                continue
            total += member.size
            if total > _LIMIT:
                raise GuestImageError("the packages of the guest image are larger than 1 GiB")
            if node := _node(archive, member, tree):
                tree[path] = node
    return tree


def _node(archive: tarfile.TarFile, member: tarfile.TarInfo, tree: dict[str, Node]) -> Node | None:
    if member.issym():
        return link(member.linkname)
    if member.islnk():
        return tree.get(member.linkname.removeprefix("./").strip("/"))
    source = archive.extractfile(member)
    return file(source.read(), executable=bool(member.mode & 0o100)) if source else None


def _explained(fault: HostError) -> GuestImageError:
    return GuestImageError(
        f"the guest image's packages cannot be fetched or unpacked\n{fault.message}",
        hint="check that this host reaches its Debian mirror (VMPOD_DEBIAN_MIRROR names another one); "
        "an ordinary user needs a range in /etc/subuid and the package uidmap",
    )
