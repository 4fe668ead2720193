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

from vmpod_agent import launch, syscalls
from vmpod_agent.process import null, pipe, spawn
from vmpod_agent.syscalls import MS_NODEV, MS_RDONLY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from vmpod_agent.reaper import ExitStatus, Reaper

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
_OF_GROUP = 0o2770
_DISK_GROUP = 6  # of Debian and most others, as udev has it
_MAX_TOLD = 1024  # bytes


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


def link_claim(target: int, serial: str, path: str) -> None:
    """Have a link to a claim's disk, which the group of disks may use. Raises OSError."""
    device = find(target, serial)
    os.chown(device, 0, _DISK_GROUP)
    os.chmod(device, 0o660)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    os.symlink(device, path)


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


def is_given(path: str, group: int) -> bool:
    """Whether a directory is a group's, which stands for all that is in it. Raises OSError."""
    status = os.stat(path)
    return status.st_gid == group and status.st_mode & _OF_GROUP == _OF_GROUP


def give_beside(paths: list[str], group: int, reaper: Reaper, done: Callable[[str], None]) -> None:
    """Let a child give what is in directories to a group, and call done(what went wrong, '' for nothing).

    There may be millions of files, and the loop has others to serve.
    """
    read_end, write_end = pipe()
    pid = os.fork()
    if pid == 0:
        _be_giver(paths, group, write_end)  # does not return
    os.close(write_end)

    def ended(status: ExitStatus) -> None:
        with os.fdopen(read_end, "rb") as stream:
            told = stream.read().decode(errors="replace")
        done(told or (f"it ended with {status.code}" if status.code else ""))

    reaper.adopt(pid, ended)


def _be_giver(paths: list[str], group: int, output: int) -> None:
    try:
        launch.begin()
        os.dup2(output, 3)
        syscalls.close_range(4, syscalls.LAST_FD)
        for path in paths:
            give(path, group)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        os.write(3, f"{where}{error.strerror}"[:_MAX_TOLD].encode(errors="replace"))
    finally:
        os._exit(0)


def give(path: str, group: int) -> None:
    """Give what is in a directory to a group, which may then write it all. Raises OSError."""
    waiting = [path]
    while waiting:
        with os.scandir(waiting.pop()) as found:
            for entry in found:
                status = entry.stat(follow_symlinks=False)
                _give_one(entry.path, status, group)
                if stat.S_ISDIR(status.st_mode):
                    waiting.append(entry.path)
    # Last: if it was cut off, it begins anew.
    _give_one(path, os.lstat(path), group)


def _give_one(path: str, status: os.stat_result, group: int) -> None:
    if new := status.st_gid != group:
        os.lchown(path, -1, group)
    if stat.S_ISLNK(status.st_mode):
        return
    mode = stat.S_IMODE(status.st_mode)
    wanted = mode | (_OF_GROUP if stat.S_ISDIR(status.st_mode) else 0o660)
    # A program that is to run as its owner is none any more when it is given away.
    if wanted != mode or new:
        os.chmod(path, wanted)


def let_go(path: str) -> None:
    """See what was written to a claim on its disk, so that the next machine finds nothing to mend.

    Of no effect while somebody writes.
    """
    try:
        syscalls.mount("none", path, "", flags=syscalls.MS_REMOUNT | MS_RDONLY)
    except OSError:
        pass  # the next machine mends it: ext4 has a journal
