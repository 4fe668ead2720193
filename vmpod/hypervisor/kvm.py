"""What the host says of KVM: the processor's flags, and its device.

Both are cheap to ask, and neither proves that a guest runs: inside some virtual machines /dev/kvm is offered
by a hypervisor that cannot run a guest's kernel. A verdict (verdict.py) tells that.
"""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path
from typing import Literal

from vmpod.dataclass import dataclass
from vmpod.packages import as_root

DEVICE = Path("/dev/kvm")
CPUINFO = Path("/proc/cpuinfo")

_KVM_GET_API_VERSION = 0xAE00
_KVM_API_VERSION = 12
_MODULES = {"vmx": "kvm_intel", "svm": "kvm_amd"}
NOT_OFFERED = "the processor does not offer virtualization (neither vmx nor svm)"
OFFER = "enable virtualization in the firmware; in a virtual machine, nested virtualization on its host"


@dataclass(frozen=True)
class Fault:
    """Why KVM runs no guest. mend: what to do, a command a line where there is one."""

    state: Literal["missing", "denied", "unusable"]
    reason: str
    mend: tuple[str, ...]


def virtualization(cpuinfo: Path = CPUINFO) -> str:
    """The flag by which the processor offers virtualization, 'vmx' or 'svm'; '' if it does not.

    Raises OSError.
    """
    for flag in ("vmx", "svm"):
        if flag in flags(cpuinfo):
            return flag
    return ""


def flags(cpuinfo: Path = CPUINFO) -> frozenset[str]:
    """The flags of the first processor. Raises OSError."""
    for line in cpuinfo.read_text().splitlines():
        if line.startswith("flags"):
            return frozenset(line.partition(":")[2].split())
    return frozenset()


def device_fault(device: Path = DEVICE, cpuinfo: Path = CPUINFO) -> Fault | None:
    """What is wrong with the device; None if it opens and answers."""
    try:
        fd = os.open(device, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return Fault("missing", f"{device} does not exist", _bring(cpuinfo))
    except PermissionError:
        return Fault("denied", f"{device} may not be opened by this user", _permit(device))
    except OSError as error:
        return Fault("unusable", f"{device} cannot be opened: {error.strerror}", _bring(cpuinfo))
    try:
        version = fcntl.ioctl(fd, _KVM_GET_API_VERSION)
    except OSError as error:
        return Fault(
            "unusable", f"{device} does not answer: {error.strerror}", (as_root("dmesg | grep -i kvm"),)
        )
    finally:
        os.close(fd)
    if version == _KVM_API_VERSION:
        return None
    return Fault(
        "unusable", f"{device} has API version {version}, not {_KVM_API_VERSION}", ("update the kernel",)
    )


def only_roots(device: Path = DEVICE) -> str:
    """As 'root:root 0600', for a device that nobody but root may open; '' for others.

    QEMU of a libvirtd runs as a user of its own. If that one may not open the device, libvirt does not trust
    what it has learned about QEMU, and asks anew at every start.
    """
    try:
        status = device.stat()
    except OSError:
        return ""
    mode = stat.S_IMODE(status.st_mode)
    others = mode & 0o006 == 0o006 or (mode & 0o060 == 0o060 and status.st_gid != 0)
    return "" if status.st_uid != 0 or others else f"root:{_group(status.st_gid)} {mode:04o}"


def _group(gid: int) -> str:
    import grp  # noqa: PLC0415 - hardly ever needed

    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def give_to_group(device: Path = DEVICE) -> str:
    """The command that does to the device what udev does on most hosts."""
    return as_root(f"sh -c 'chgrp kvm {device} && chmod 660 {device}'")


def _bring(cpuinfo: Path) -> tuple[str, ...]:
    try:
        offered = virtualization(cpuinfo)
    except OSError:
        offered = ""
    if offered:
        return (
            as_root(f"modprobe {_MODULES[offered]}"),
            "in a container: start it with the device (--device /dev/kvm)",
        )
    return (OFFER,)


def _permit(device: Path) -> tuple[str, ...]:
    join = as_root(f"usermod --append --groups kvm {_user()}") + "  # then log in again"
    return (give_to_group(device), join) if only_roots(device) else (join,)


def _user() -> str:
    import pwd  # noqa: PLC0415 - hardly ever needed

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
