"""Disks that were attached to the machine while it was there, or before it woke.

They are behind a SCSI controller whose drivers are loaded when the first such disk is needed, or before the
machine is frozen. The kernel does not look for disks by itself, which would take an emulated one long: each
is asked for at its place, and known by its serial number.

Sources: the kernel's scsi_scan.c (parameter `scan` of scsi_mod) and ext4.h.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct
import time

from vmpod_agent import syscalls
from vmpod_agent.process import null, spawn
from vmpod_agent.syscalls import MS_NODEV, MS_RDONLY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_HOSTS = "/sys/class/scsi_host"
_DEVICES = "/sys/bus/scsi/devices"
_PATIENCE, _POLL = 10.0, 0.002  # seconds
_SERIAL_PAGE = "vpd_pg80"
_PAGE_HEADER = 4  # bytes

_SUPERBLOCK = 1024  # where it is, and its size
_INCOMPAT_64BIT = 0x80
_RESIZE_FS = 0x40086610  # EXT4_IOC_RESIZE_FS
_FRESH = ["lost+found"]
"""All that is in a file system that nobody has used."""


def load_drivers() -> None:
    """Have the controller's drivers loaded. Raises OSError."""
    if not os.path.isdir(_HOSTS):
        _modprobe("scsi_mod", "scan=manual")
    if not os.path.isdir("/sys/module/sd_mod"):
        _modprobe("-a", "virtio_scsi", "sd_mod")


def _modprobe(*words: str) -> None:
    nowhere = null()
    pid = spawn(["/usr/sbin/modprobe", *words], stdin=nowhere, stdout=2, stderr=2)
    os.close(nowhere)
    _, status = os.waitpid(pid, 0)
    if status:
        raise OSError(errno.ENODEV, f"modprobe {' '.join(words)} failed with status {status}")


def find(target: int, serial: str) -> str:
    """The device of a disk, as '/dev/sda'. Raises OSError if it is not there."""
    load_drivers()
    (host,) = os.listdir(_HOSTS)
    device = f"{_DEVICES}/{host.removeprefix('host')}:0:{target}:0"
    syscalls.write_setting(f"{_HOSTS}/{host}/scan", f"0 {target} 0")
    deadline = time.monotonic() + _PATIENCE
    while not (path := _block_device(device)):
        # The kernel finds it at once, and makes a block device of it a little later.
        if time.monotonic() > deadline:
            raise OSError(errno.ENODEV, f"there is no disk at place {target}")
        time.sleep(_POLL)
    with open(f"{device}/{_SERIAL_PAGE}", "rb") as file:
        found = file.read()[_PAGE_HEADER:].decode(errors="replace").strip("\0 ")
    if found != serial:
        raise OSError(errno.ENODEV, f"the disk at place {target} is {found!r}")
    return path


def _block_device(device: str) -> str:
    """'/dev/sda', '' while there is none that can be opened."""
    try:
        for name in os.listdir(f"{device}/block"):
            os.close(os.open(f"/dev/{name}", os.O_RDONLY | os.O_CLOEXEC))
            return f"/dev/{name}"
    except OSError as error:
        # Before it is there it has a directory, a name, and a file, in this order.
        if error.errno not in (errno.ENOENT, errno.ENXIO):
            raise
    return ""


def forget(device: str) -> None:
    """Let the kernel give up a disk that nothing is mounted of, before it is taken away. Raises OSError."""
    syscalls.write_setting(f"/sys/block/{device.rpartition('/')[2]}/device/delete", "1")


def mount_claim(target: int, serial: str, path: str, *, read_only: bool) -> None:
    """Mount the ext4 of a claim's disk, as large as the disk is by now. Raises OSError."""
    device = find(target, serial)
    os.makedirs(path, exist_ok=True)
    options = "errors=remount-ro" if read_only else "errors=remount-ro,discard"
    syscalls.mount(device, path, "ext4", flags=MS_NODEV | (MS_RDONLY if read_only else 0), options=options)
    if not read_only:
        grow(device, path)
        if os.listdir(path) == _FRESH:
            # Programs want an empty directory for their data, and not all of them run as root.
            os.rmdir(f"{path}/{_FRESH[0]}")
            os.chmod(path, 0o777)  # noqa: S103 - as an emptyDir's


def grow(device: str, path: str) -> None:
    """Let a file system that is mounted take up its whole disk. Raises OSError."""
    fd = os.open(device, os.O_RDONLY | os.O_CLOEXEC)
    try:
        has, block = blocks(os.pread(fd, _SUPERBLOCK, _SUPERBLOCK))
        could_have = os.lseek(fd, 0, os.SEEK_END) // block
    finally:
        os.close(fd)
    if could_have > has:
        top = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.ioctl(top, _RESIZE_FS, struct.pack("Q", could_have))
        finally:
            os.close(top)


def blocks(superblock: bytes) -> tuple[int, int]:
    """How many blocks an ext4 has, and of how many bytes."""
    low, exponent, features, high = (
        struct.unpack_from("<I", superblock, offset)[0] for offset in (0x4, 0x18, 0x60, 0x150)
    )
    return low | (high << 32 if features & _INCOMPAT_64BIT else 0), 1024 << exponent


def give(path: str, group: int) -> None:
    """Give what is in a directory to a group, which may then write it all, unless the directory is its own.

    As a kubelet does it, with fsGroupChangePolicy OnRootMismatch. Raises OSError.
    """
    status = os.stat(path)
    if status.st_gid == group and status.st_mode & stat.S_ISGID and status.st_mode & 0o070 == 0o070:
        return
    for each in _below(path):
        _give_one(each, group)
    # Last: if it was cut off, it begins anew.
    _give_one(path, group)


def _below(path: str) -> Iterator[str]:
    for directory, directories, files in os.walk(path):
        for name in (*directories, *files):
            yield f"{directory}/{name}"


def _give_one(path: str, group: int) -> None:
    os.lchown(path, -1, group)
    mode = os.lstat(path).st_mode
    if stat.S_ISDIR(mode):
        os.chmod(path, stat.S_IMODE(mode) | 0o2770)  # noqa: S103 - the group's
    elif not stat.S_ISLNK(mode):
        os.chmod(path, stat.S_IMODE(mode) | 0o660)


def let_go(path: str) -> None:
    """See what was written to a claim on its disk, so that the next machine finds nothing to mend.

    Of no effect while somebody writes.
    """
    try:
        syscalls.mount("none", path, "", flags=syscalls.MS_REMOUNT | MS_RDONLY)
    except OSError:
        pass  # the next machine mends it: ext4 has a journal
