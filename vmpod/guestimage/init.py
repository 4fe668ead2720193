"""What the initrd's init does: drivers, root disk, mounts, and then the agent as PID 1 in the real root.

Numbers of system calls and flags are the kernel's (syscall_64.tbl, include/uapi/linux/mount.h, fs.h).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vmpod.guestimage.steps import Argument, Step

AGENT = "agent"
"""Where the agent lies in the initrd, relative to its top."""

_OPEN, _CLOSE, _CHDIR, _MKDIR, _UNLINK = 2, 3, 80, 83, 87
_EXECVE, _CHROOT, _MOUNT, _FINIT_MODULE = 59, 161, 165, 313
_NOSUID, _NODEV, _NOEXEC, _RDONLY, _BIND, _MOVE = 2, 4, 8, 1, 4096, 8192
_ALL = _NOSUID | _NODEV | _NOEXEC

# The kernel opens the console as 0, 1 and 2, so every file that is opened here, one at a time, is 3.
_FD = 3

NEW = "/root"
"""Where the new root is put together, in the initrd."""

DISK = "/disk"
"""Where the root disk is mounted in the initrd."""

WARM = "/warm"
"""Files in the initrd that are laid over the root disk."""

# Source, path below the new root, type, flags, options. The directories of the first level are on the root
# disk or in the kernel; those of the second are made.
_MOUNTS = (
    ("proc", "/proc", "proc", _ALL, ""),
    ("sysfs", "/sys", "sysfs", _ALL, ""),
    ("tmpfs", "/run", "tmpfs", _NOSUID | _NODEV, "mode=755"),
    ("tmpfs", "/tmp", "tmpfs", _NOSUID | _NODEV, "mode=1777"),  # noqa: S108 - the guest's own
    ("cgroup2", "/sys/fs/cgroup", "cgroup2", _ALL, "nsdelegate"),
    ("devpts", "/dev/pts", "devpts", _NOSUID | _NOEXEC, "gid=5,mode=620,ptmxmode=666"),
    ("tmpfs", "/dev/shm", "tmpfs", _NOSUID | _NODEV, "mode=1777"),  # noqa: S108 - the guest's own
    ("mqueue", "/dev/mqueue", "mqueue", _ALL, ""),
)
_MADE = ("/dev/pts", "/dev/shm", "/dev/mqueue", "/run/vmpod", "/run/vmpod/agent")  # noqa: S108 - see above

# Isolated mode (-I) allows no other way to extend sys.path; `-m` would do, but imports runpy first.
_START = "import sys; sys.path.insert(0, '/run/vmpod/agent'); import vmpod_agent.__main__"
PYTHON = ("/usr/bin/python3", "-I", "-S", "-X", "frozen_modules=on", "-X", "utf8", "-c", _START)
# The agent's heap begins large enough and is kept, so that no copy of a template has to ask the kernel for
# more in its first steps. What is not touched takes no memory. Source: mallopt(3); bytes.
_HEAP = ("MALLOC_TOP_PAD_=2097152", "MALLOC_TRIM_THRESHOLD_=8388608", "MALLOC_MMAP_THRESHOLD_=1048576")
_ENVIRONMENT = ("PATH=/usr/bin", "HOME=/root", "TERM=linux", *_HEAP)


def init_steps(modules: Iterable[str]) -> list[Step]:
    """The whole init; modules: paths in the initrd, in the order in which they can be loaded."""
    modules = list(modules)
    return [
        *(step for path in modules for step in _load(path)),
        _mount("devtmpfs", "/dev", "devtmpfs", _NOSUID),
        _mount("/dev/vda", DISK, "squashfs", _RDONLY),
        _mount("overlay", NEW, "overlay", _RDONLY, f"lowerdir={WARM}:{DISK}"),
        _mount("/dev", f"{NEW}/dev", "", _MOVE),
        *_mounts(),
        _mount(f"/{AGENT}", f"{NEW}/run/vmpod/agent", "", _BIND),
        # Nobody else frees the memory that they take. What is left of the initrd is in use.
        *(Step(_UNLINK, (path,)) for path in modules),
        *_enter(),
        Step(_EXECVE, (PYTHON[0], PYTHON, _ENVIRONMENT), f"cannot start {PYTHON[0]}"),
    ]


def _load(path: str) -> Iterator[Step]:
    yield Step(_OPEN, (path, 0), f"cannot open {path}")
    yield Step(_FINIT_MODULE, (_FD, "", 0), f"cannot load {path}")
    yield Step(_CLOSE, (_FD,))


def _mounts() -> Iterator[Step]:
    made = list(_MADE)
    for source, path, kind, flags, options in _MOUNTS:
        if path in made:
            yield _mkdir(path)
            made.remove(path)
        yield _mount(source, NEW + path, kind, flags, options)
    yield from (_mkdir(path) for path in made)


def _enter() -> Iterator[Step]:
    """Make the new root the root. Source: what util-linux's switch_root(8) does, without its deleting."""
    yield Step(_CHDIR, (NEW,), f"cannot enter {NEW}")
    yield _mount(".", "/", "", _MOVE)
    yield Step(_CHROOT, (".",), "cannot change the root directory")
    yield Step(_CHDIR, ("/",), "cannot enter the new root directory")


def _mkdir(path: str) -> Step:
    return Step(_MKDIR, (NEW + path, 0o755), f"cannot make {path}")


def _mount(source: str, target: str, kind: str, flags: int, options: str = "") -> Step:
    arguments: tuple[Argument, ...] = (source, target, kind, flags, options)
    return Step(_MOUNT, arguments, f"cannot mount {source} on {target}")
