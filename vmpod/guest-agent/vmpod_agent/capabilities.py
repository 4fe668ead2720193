"""The capabilities of processes.

Source: linux/capability.h, capabilities(7). A container's root has those that container engines grant by
default.
"""

from __future__ import annotations

from vmpod_agent import syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_IN_ORDER = """
CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE
NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT
SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE
AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ
PERFMON BPF CHECKPOINT_RESTORE
"""
_NUMBERS = {f"CAP_{name}": number for number, name in enumerate(_IN_ORDER.split())}

_GRANTED = """
CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL
AUDIT_WRITE
"""

SETUID = 1 << _NUMBERS["CAP_SETUID"]


def mask(names: Iterable[str]) -> int:
    """The set of these capabilities, as the kernel counts them. Raises KeyError for an unknown one."""
    return sum(1 << _NUMBERS[name] for name in set(names))


DEFAULT = mask(f"CAP_{name}" for name in _GRANTED.split())
"""The set that a container may have."""


def limit(bounding: int) -> None:
    """Let no program that is executed from now on have more than these. Raises OSError."""
    number = 0
    try:
        while True:
            if not bounding >> number & 1:
                syscalls.prctl(syscalls.PR_CAPBSET_DROP, number)
            number += 1
    except OSError:
        # A kernel may know more than we do: it refuses the first that it does not know.
        if number < len(_NUMBERS):
            raise
