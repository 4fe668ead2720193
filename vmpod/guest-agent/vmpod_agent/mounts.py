"""Mounts of a container, made by a child that has namespaces of its own.

What comes from the machine is taken as descriptors; then the container's root becomes the child's own, and
all is put into place. So links in the image, and in volumes that other containers write to at the same time,
lead nowhere else. Links of /proc, which lead wherever a descriptor points, are not followed.

What is mounted and masked is what container engines do by default.

Sources: pivot_root(2), open_tree(2), mount_setattr(2), openat2(2); OCI Runtime Specification 1.0,
config-linux.md.
"""

from __future__ import annotations

import errno
import os
import stat

from vmpod_agent import syscalls
from vmpod_agent.syscalls import (
    MOUNT_ATTR_NODEV,
    MOUNT_ATTR_NOEXEC,
    MOUNT_ATTR_NOSUID,
    MOUNT_ATTR_RDONLY,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_RDONLY,
    MS_STRICTATIME,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_OPTIONS = {"noexec": MOUNT_ATTR_NOEXEC, "nodev": MOUNT_ATTR_NODEV, "nosuid": MOUNT_ATTR_NOSUID}
_CLOSED = MS_NOSUID | MS_NODEV | MS_NOEXEC
# Where, type, flags, options.
FILE_SYSTEMS = (
    ("/proc", "proc", _CLOSED, ""),
    ("/dev", "tmpfs", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k"),
    ("/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5"),
    ("/dev/mqueue", "mqueue", _CLOSED, ""),
    ("/sys", "sysfs", _CLOSED | MS_RDONLY, ""),
    ("/sys/fs/cgroup", "cgroup2", _CLOSED | MS_RDONLY, ""),
)
HIDDEN = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
)
PROTECTED = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
_NODES = (("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0))
_LINKS = (
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
)
_DOOR = "/root"
"""Where, in the empty file system, the container's root is mounted."""


def take(
    source: str,
    *,
    below: str = "",
    read_only: bool = False,
    recursive: bool = False,
    options: Iterable[str] = (),
) -> int:
    """A descriptor of what is mounted at a path of the machine, for place(). Raises OSError.

    below: a path in there, which is made if it is missing; links in it that lead out of there are refused.
    recursive: what is mounted below is read-only, too. options: noexec, nodev, nosuid.
    """
    tree = _take_below(source, below) if below else syscalls.open_tree(source)
    attributes = sum(_OPTIONS[option] for option in set(options))
    if read_only:
        attributes |= MOUNT_ATTR_RDONLY
    if attributes:
        syscalls.restrict_tree(tree, attributes, recursive=recursive)
    return tree


def _take_below(source: str, path: str) -> int:
    top = os.open(source, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            place = syscalls.open_beneath(top, path)
        except FileNotFoundError:
            place = _make_below(top, path)
    except OSError as error:
        if error.errno == errno.EXDEV:
            raise OSError(f"subPath {path!r} leads out of its volume") from None
        raise
    finally:
        os.close(top)
    try:
        return syscalls.open_tree("", place)
    finally:
        os.close(place)


def _make_below(top: int, path: str) -> int:
    """Make a directory in another, step by step by descriptors: nothing that is swapped is followed."""
    mode = stat.S_IMODE(os.fstat(top).st_mode)
    group = os.fstat(top).st_gid
    parts = [part for part in path.split("/") if part not in ("", ".")]
    for count in range(1, len(parts) + 1):
        way = "/".join(parts[:count])
        try:
            os.close(syscalls.open_beneath(top, way))
            continue
        except FileNotFoundError:
            pass
        above = syscalls.open_beneath(top, "/".join(parts[: count - 1]) or ".", os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.mkdir(parts[count - 1], dir_fd=above)
            made = os.open(parts[count - 1], os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=above)
        finally:
            os.close(above)
        # As the volume's own: whoever may write there may write here.
        os.fchown(made, -1, group)
        os.fchmod(made, mode)
        os.close(made)
    return syscalls.open_beneath(top, path)


def leave(empty: str) -> None:
    """Have an empty file system as root, which a directory is good for, and nothing else. Raises OSError."""
    syscalls.mount("tmpfs", empty, "tmpfs", flags=_CLOSED, options="mode=755,size=64k")
    os.chdir(empty)
    _pivot()
    os.mkdir(_DOOR)


def enter(root: int) -> None:
    """Have what take() gave as root, from where leave() has led to. Raises OSError."""
    target = syscalls.open_path(_DOOR)
    syscalls.move_mount(root, target)
    os.close(target)
    os.close(root)
    os.chdir(_DOOR)
    _pivot()


def _pivot() -> None:
    """Make the working directory, a mount, the root of this process; nothing is left of the old one."""
    # The old root comes to lie over the new one, and goes.
    syscalls.pivot_root(".", ".")
    syscalls.unmount(".")
    os.chdir("/")


def mount(path: str, kind: str, flags: int, options: str) -> None:
    """Mount a file system of the kernel on a directory, making it. Raises OSError."""
    target = _directory(path)
    os.fchdir(target)
    os.close(target)
    syscalls.mount(kind, ".", kind, flags=flags, options=options)


def nodes() -> list[tuple[str, int, int]]:
    """The machine's devices: path, mode, number."""
    found = []
    for directory, _, names in os.walk("/dev"):
        for name in names:
            path = f"{directory}/{name}"
            status = os.lstat(path)
            # Terminals have a file system of their own.
            if stat.S_IFMT(status.st_mode) in (stat.S_IFCHR, stat.S_IFBLK) and name != "ptmx":
                found.append((path, status.st_mode, status.st_rdev))
    return found


def make_devices(more: list[tuple[str, int, int]]) -> None:
    """Fill /dev. more: see nodes(). Raises OSError."""
    usual = [(f"/dev/{name}", 0o666 | stat.S_IFCHR, os.makedev(*number)) for name, *number in _NODES]
    mask = os.umask(0)
    for path, mode, number in {node[0]: node for node in (*more, *usual)}.values():
        os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
        os.mknod(path, mode, number)
    os.umask(mask)
    for name, target in _LINKS:
        os.symlink(target, f"/dev/{name}")
    os.mkdir("/dev/shm")  # noqa: S108 - a mount's place


def place(tree: int, path: str) -> None:
    """Put what was taken at a path of the container, making it. Raises OSError."""
    target = _directory(path) if stat.S_ISDIR(os.fstat(tree).st_mode) else _file(path)
    syscalls.move_mount(tree, target)
    os.close(target)
    os.close(tree)


def hide(path: str) -> None:
    """Show nothing in place of a file or directory of the kernel, if there is one. Raises OSError."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return
    if stat.S_ISDIR(mode):
        mount(path, "tmpfs", _CLOSED | MS_RDONLY, "size=0")
    else:
        place(take("/dev/null"), path)


def protect(path: str) -> None:
    """Let nobody write to what is there, if there is something. Raises OSError."""
    try:
        tree = take(path, read_only=True)
    except FileNotFoundError:
        return
    place(tree, path)


def _directory(path: str) -> int:
    try:
        return syscalls.open_path(path)
    except FileNotFoundError:
        os.makedirs(os.path.realpath(path), exist_ok=True)
    return syscalls.open_path(path)


def _file(path: str) -> int:
    try:
        return syscalls.open_path(path)
    except FileNotFoundError:
        # The path may be a link to where nothing is.
        real = os.path.realpath(path)
        os.makedirs(os.path.dirname(real), exist_ok=True)
        os.close(os.open(real, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644))
    return syscalls.open_path(path)
