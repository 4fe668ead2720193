"""The capabilities of processes, as the kernel counts them.

Source: linux/capability.h, capabilities(7).
"""

from __future__ import annotations

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
NUMBERS = {name: number for number, name in enumerate(_IN_ORDER.split())}
"""By name, without CAP_."""

_GRANTED = """
CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL
AUDIT_WRITE
"""


def mask(names: Iterable[str]) -> int:
    """The set of these capabilities. Raises KeyError for an unknown one."""
    return sum(1 << NUMBERS[name] for name in set(names))


DEFAULT = mask(_GRANTED.split())
"""Those that container engines grant to a container's root by default."""

ALL = mask(NUMBERS)
