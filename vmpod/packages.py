"""How what vmpod needs is installed, on the distributions that it knows: the one place that says so."""

from __future__ import annotations

import os
from pathlib import Path

OS_RELEASE = Path("/etc/os-release")

_DEBIAN, _FEDORA = "debian", "fedora"
_INSTALL = {_DEBIAN: "apt-get install", _FEDORA: "dnf install"}
_COMMENT = {_DEBIAN: "Debian, Ubuntu", _FEDORA: "Fedora"}

# By what is needed, a program or one of the words below: the packages of Debian and of Fedora, where they are
# called otherwise than the program.
_PACKAGES = {
    "mkfs.ext4": ("e2fsprogs", "e2fsprogs"),
    "mksquashfs": ("squashfs-tools", "squashfs-tools"),
    "newuidmap": ("uidmap", "shadow-utils"),
    "qemu-system-x86_64": ("qemu-system-x86", "qemu-system-x86-core"),
    "setpriv": ("util-linux", "util-linux"),
    "sqfs2tar": ("squashfs-tools-ng", "squashfs-tools-ng"),
    "sqfstar": ("squashfs-tools", "squashfs-tools"),
    "libvirt's daemon": ("libvirt-daemon-system", "libvirt-daemon-kvm"),
    "libvirt's QEMU driver": ("libvirt-daemon", "libvirt-daemon-driver-qemu"),
    "libvirt's Python binding": ("python3-libvirt", "python3-libvirt"),
    "signature policy": ("golang-github-containers-common", "containers-common"),
}
LIBVIRT_DAEMON = "libvirt's daemon"
LIBVIRT_DRIVER = "libvirt's QEMU driver"
LIBVIRT_BINDING = "libvirt's Python binding"
SIGNATURE_POLICY = "signature policy"


def install(*needed: str, os_release: Path = OS_RELEASE) -> tuple[str, ...]:
    """The command that installs what is needed; on an unknown distribution those of each that is known."""
    families = _families(os_release)
    lines = []
    for family in families:
        column = list(_INSTALL).index(family)
        packages = dict.fromkeys(_PACKAGES.get(each, (each, each))[column] for each in needed)
        comment = f"  # {_COMMENT[family]}" if len(families) > 1 else ""
        lines.append(as_root(f"{_INSTALL[family]} {' '.join(packages)}") + comment)
    return tuple(lines)


def as_root(command: str) -> str:
    """The command as this user has to write it for root to run it."""
    return command if os.geteuid() == 0 else f"sudo {command}"


def _families(os_release: Path) -> list[str]:
    """What the distribution is, or descends from; every one that is known if that cannot be told.

    Source: os-release(5), ID and ID_LIKE.
    """
    try:
        lines = os_release.read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    values = dict(line.split("=", 1) for line in lines if "=" in line)
    words = f"{values.get('ID', '')} {values.get('ID_LIKE', '')}".replace('"', "").replace("'", "").split()
    known = [word for word in words if word in _INSTALL]
    return known[:1] or list(_INSTALL)
