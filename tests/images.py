"""Container images for tests, small and made in no time: busybox, or whatever a test writes into a layer."""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from examples.ociarchive import oci_archive

BUSYBOX = Path("/bin/busybox")
USERS = "root:x:0:0:root:/root:/bin/sh\nweb:x:1000:1001:web:/home/web:/bin/sh\n"
GROUPS = "root:x:0:\nweb:x:1001:\nextra:x:1002:web\n"

_CONFIG = {"Cmd": ["sh"], "Env": ["PATH=/bin"]}

__all__ = ["busybox_archive", "directory", "layer", "link", "oci_archive", "plain"]

Member = tuple[tarfile.TarInfo, bytes]


def busybox_archive(
    path: Path, name: str = "localhost/busybox:latest", config: Mapping[str, Any] | None = None
) -> Path:
    """Write an oci-archive of busybox and return its path.

    It has the users root and web (1000:1001, also in group 1002), and in /bin every command of busybox.
    config: what replaces parts of the image configuration; without it the command is `sh`.
    """
    return oci_archive(path, name, [busybox_layer()], _CONFIG | dict(config or {}))


def busybox_layer() -> bytes:
    """The one layer of the busybox image."""
    applets = subprocess.run(
        [BUSYBOX, "--list"], check=True, stdout=subprocess.PIPE, text=True
    ).stdout.split()
    return layer(
        *(directory(name) for name in ("bin", "etc", "home", "root", "var")),
        directory("tmp", mode=0o1777),
        directory("home/web", owner=(1000, 1001)),
        plain("etc/passwd", USERS.encode()),
        plain("etc/group", GROUPS.encode()),
        plain("bin/busybox", BUSYBOX.read_bytes(), mode=0o755),
        *(link(f"bin/{applet}", "busybox") for applet in applets if applet != "busybox"),
    )


def layer(*members: Member) -> bytes:
    """A tar file."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def plain(name: str, data: bytes, *, mode: int = 0o644, owner: tuple[int, int] = (0, 0)) -> Member:
    """A file. owner: user and group by number."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), mode
    info.uid, info.gid = owner
    return info, data


def directory(name: str, *, mode: int = 0o755, owner: tuple[int, int] = (0, 0)) -> Member:
    """A directory."""
    info = tarfile.TarInfo(name)
    info.type, info.mode = tarfile.DIRTYPE, mode
    info.uid, info.gid = owner
    return info, b""


def link(name: str, target: str) -> Member:
    """A symbolic link."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = tarfile.SYMTYPE, target, 0o777
    return info, b""
