"""System calls that Python 3.11 lacks, through the C library.

Constants are from asm-generic/ioctls.h (the module termios would have to be read from the disk) and from
blkpg.h, bpf.h, keyctl.h, mount.h, openat2.h, prctl.h, reboot.h and sched.h in linux/.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import struct

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_STRICTATIME = 0x1000000
MNT_DETACH = 2
RB_POWER_OFF = 0x4321FEDC
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWPID = 0x20000000
PR_SET_DUMPABLE = 4
PR_SET_KEEPCAPS = 8
PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38
AF_INET = 2
AF_INET6 = 10
LAST_FD = 0xFFFFFFFF
TIOCSCTTY = 0x540E
TIOCSWINSZ = 0x5414
TIOCSPTLCK = 0x40045431
TIOCGPTPEER = 0x5441
_SOCK_DGRAM_CLOEXEC = 0o2000002
_BLKPG = 0x1269
_BLKPG_ADD_PARTITION = 1
_CAPABILITY_VERSION_3 = 0x20080522

# Calls that the C library has no function for: numbers of x86-64.
_NR_KEYCTL, _NR_BPF, _NR_OPENAT2 = 250, 321, 437
_AT_FDCWD = -100
_AT_EMPTY_PATH = 0x1000
_OPEN_TREE_CLONE = 1
_AT_RECURSIVE = 0x8000
MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC = 1, 2, 4, 8
_MOVE_MOUNT_F_EMPTY_PATH = 0x4
_MOVE_MOUNT_T_EMPTY_PATH = 0x40
_RESOLVE_NO_MAGICLINKS, _RESOLVE_BENEATH = 2, 8
_KEYCTL_JOIN_SESSION_KEYRING = 1
_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 22, 2
_BPF_PROG_LOAD, _BPF_PROG_ATTACH = 5, 8
_BPF_PROG_TYPE_CGROUP_DEVICE = 15
_BPF_CGROUP_DEVICE = 6
_BPF_INSTRUCTION = 8  # bytes
_BPF_TRIES = 20
_FILTER_INSTRUCTION = 8  # bytes

_libc = ctypes.CDLL(None, use_errno=True)


def mount(source: str, target: str, kind: str, *, flags: int = 0, options: str = "") -> None:
    """mount(2). Raises OSError naming the target."""
    result = _libc.mount(
        source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), options.encode() or None
    )
    _check(result, f"mount {kind or source} on {target}")


def unmount(target: str) -> None:
    """Detach a mount, at once from the tree and in fact when its last user is gone. Raises OSError."""
    _check(_libc.umount2(target.encode(), MNT_DETACH), f"unmount {target}")


def pivot_root(new: str, old: str) -> None:
    """pivot_root(2). Raises OSError."""
    _check(_libc.pivot_root(new.encode(), old.encode()), "change the root")


def open_tree(path: str, directory: int = _AT_FDCWD) -> int:
    """A descriptor of a copy of what is mounted at a path, with what is mounted below; the caller closes it.

    directory: where the path begins; '' for itself. Raises OSError.
    """
    flags = _OPEN_TREE_CLONE | os.O_CLOEXEC | _AT_RECURSIVE | (0 if path else _AT_EMPTY_PATH)
    fd: int = _libc.open_tree(directory, os.fsencode(path), ctypes.c_uint(flags))
    _check(min(fd, 0), f"open the mount {path}")
    return fd


def restrict_tree(tree: int, attributes: int, *, recursive: bool) -> None:
    """Set attributes (MOUNT_ATTR_...) of what open_tree() gave, and of mounts below. Raises OSError."""
    packed = struct.pack("QQQQ", attributes, 0, 0, 0)
    flags = _AT_EMPTY_PATH | (_AT_RECURSIVE if recursive else 0)
    result = _libc.mount_setattr(tree, b"", flags, packed, ctypes.c_size_t(len(packed)))
    _check(result, "restrict a mount")


def protect(path: str) -> None:
    """Let nobody write to what is mounted there; what is mounted below stays as it is. Raises OSError."""
    attributes = struct.pack("QQQQ", MOUNT_ATTR_RDONLY, 0, 0, 0)
    result = _libc.mount_setattr(
        _AT_FDCWD, os.fsencode(path), 0, attributes, ctypes.c_size_t(len(attributes))
    )
    _check(result, f"make {path} read-only")


def move_mount(tree: int, target: int) -> None:
    """Mount what open_tree() gave on what open_path() gave. Raises OSError."""
    flags = _MOVE_MOUNT_F_EMPTY_PATH | _MOVE_MOUNT_T_EMPTY_PATH
    _check(_libc.move_mount(tree, b"", target, b"", flags), "mount")


def open_path(path: str) -> int:
    """A descriptor of a place; links of /proc that lead to open files are refused. The caller closes it.

    Raises OSError, FileNotFoundError among others.
    """
    return _openat2(_AT_FDCWD, path, os.O_PATH, _RESOLVE_NO_MAGICLINKS)


def open_beneath(directory: int, path: str, flags: int = os.O_PATH) -> int:
    """A descriptor of a place in a directory; what leads out of it is refused. The caller closes it.

    Raises OSError: FileNotFoundError, or with EXDEV for a way out.
    """
    return _openat2(directory, path, flags, _RESOLVE_NO_MAGICLINKS | _RESOLVE_BENEATH)


def _openat2(directory: int, path: str, flags: int, resolve: int) -> int:
    how = struct.pack("QQQ", flags | os.O_CLOEXEC, 0, resolve)
    name = ctypes.c_char_p(os.fsencode(path))
    fd: int = _libc.syscall(_NR_OPENAT2, directory, name, how, ctypes.c_size_t(len(how)))
    _check(min(fd, 0), f"open {path}")
    return fd


def unshare(kinds: int) -> None:
    """unshare(2): have namespaces of these kinds (CLONE_NEW...) of its own. Raises OSError."""
    _check(_libc.unshare(kinds), "make namespaces")


def join_new_keyring() -> None:
    """Have a session keyring of its own. A kernel without keys is fine, too."""
    _libc.syscall(_NR_KEYCTL, _KEYCTL_JOIN_SESSION_KEYRING, None)


def load_filter(program: bytes) -> int:
    """A descriptor of a BPF program for filter_devices(). Raises OSError."""
    instructions, license_ = ctypes.create_string_buffer(program), ctypes.c_char_p(b"Apache")
    addresses = ctypes.addressof(instructions), ctypes.cast(license_, ctypes.c_void_p).value
    count = len(program) // _BPF_INSTRUCTION
    return _bpf(
        _BPF_PROG_LOAD, struct.pack("IIQQ", _BPF_PROG_TYPE_CGROUP_DEVICE, count, *addresses), "load a filter"
    )


def filter_devices(cgroup: str, loaded: int) -> None:
    """Have the kernel ask a BPF program before processes of a cgroup open a device. Raises OSError."""
    group = os.open(cgroup, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _bpf(_BPF_PROG_ATTACH, struct.pack("IIII", group, loaded, _BPF_CGROUP_DEVICE, 0), "set a filter")
    finally:
        os.close(group)


def _bpf(command: int, attributes: bytes, what: str) -> int:
    for _ in range(_BPF_TRIES):
        result: int = _libc.syscall(_NR_BPF, command, attributes, ctypes.c_size_t(len(attributes)))
        # The kernel gives up checking a program when a signal has come, the end of a child's for one.
        if result >= 0 or ctypes.get_errno() != errno.EAGAIN:
            break
    _check(min(result, 0), what)
    return result


class _Partition(ctypes.Structure):
    """struct blkpg_partition of linux/blkpg.h."""

    _fields_ = (
        ("start", ctypes.c_longlong),
        ("length", ctypes.c_longlong),
        ("number", ctypes.c_int),
        ("names", ctypes.c_char * 128),
    )


class _PartitionCall(ctypes.Structure):
    """struct blkpg_ioctl_arg of linux/blkpg.h."""

    _fields_ = (
        ("operation", ctypes.c_int),
        ("flags", ctypes.c_int),
        ("size", ctypes.c_int),
        ("data", ctypes.POINTER(_Partition)),
    )


def add_partition(disk: str, number: int, start: int, length: int) -> None:
    """Make a range of a disk (bytes) a partition, without a partition table. Raises OSError."""
    partition = _Partition(start=start, length=length, number=number)
    call = _PartitionCall(
        operation=_BLKPG_ADD_PARTITION, size=ctypes.sizeof(partition), data=ctypes.pointer(partition)
    )
    fd = os.open(disk, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.ioctl(fd, _BLKPG, call)
    finally:
        os.close(fd)


def set_host_name(name: str) -> None:
    """sethostname(2). Raises OSError."""
    _check(_libc.sethostname(name.encode(), len(name.encode())), "set the host name")


def write_setting(path: str, value: str) -> None:
    """Write a file of /proc or /sys. Raises OSError."""
    # Not through a buffer: a refusal has to come now.
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, value.encode())
    finally:
        os.close(fd)


def datagram_socket(family: int = AF_INET) -> int:
    """A descriptor of a datagram socket, for ioctl(2); the caller closes it. Raises OSError."""
    fd: int = _libc.socket(family, _SOCK_DGRAM_CLOEXEC, 0)
    _check(min(fd, 0), "open a socket")
    return fd


def set_namespaces(pidfd: int, kinds: int) -> None:
    """setns(2): into a process's namespaces of these kinds (CLONE_NEW...). Raises OSError."""
    _check(_libc.setns(pidfd, kinds), "enter the namespaces")


def prctl(option: int, argument: int) -> None:
    """prctl(2), of the kinds that take one number. Raises OSError."""
    _check(_libc.prctl(option, *map(ctypes.c_ulong, (argument, 0, 0, 0))), f"prctl {option}")


class _Program(ctypes.Structure):
    """struct sock_fprog of linux/filter.h."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def set_filter(program: bytes) -> None:
    """Have the kernel ask a program at every system call from now on. Raises OSError."""
    filter_ = _Program(length=len(program) // _FILTER_INSTRUCTION, instructions=program)
    result = _libc.prctl(_PR_SET_SECCOMP, ctypes.c_ulong(_SECCOMP_MODE_FILTER), ctypes.byref(filter_))
    _check(result, "filter system calls")


def set_capabilities(*, permitted: int, effective: int) -> None:
    """capset(2), as masks of 1 << number; none are inheritable. Raises OSError."""
    low, high = 0xFFFFFFFF, 32
    words = (effective & low, permitted & low, 0, effective >> high, permitted >> high, 0)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    _check(_libc.capset(header, (ctypes.c_uint32 * 6)(*words)), "set the capabilities")


def close_range(first: int, last: int) -> None:
    """Close the descriptors from first to last, those that there are. Raises OSError."""
    if first <= last:
        _check(_libc.close_range(ctypes.c_uint(first), ctypes.c_uint(last), 0), "close descriptors")


def power_off() -> None:
    """Turn the machine off now; whatever is not synced is lost. Raises OSError."""
    _check(_libc.reboot(RB_POWER_OFF), "power off")


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
