"""KVM where it really runs guests, else emulation with an honest reason.

That /dev/kvm opens proves little: inside some virtual machines it is offered by a hypervisor that
cannot run a guest kernel. So the processor has to say that it can virtualize, as well.
"""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path

from vmpod.errors import KvmError, UsageError
from vmpod.plan.model import Accelerator

_KVM_GET_API_VERSION = 0xAE00
_KVM_API_VERSION = 12


@dataclass(frozen=True)
class Choice:
    """The accelerator, and a sentence for the user when it is not the one hoped for."""

    accelerator: Accelerator
    reason: str = ""


def choose(wanted: str, *, device: Path = Path("/dev/kvm"), cpuinfo: Path = Path("/proc/cpuinfo")) -> Choice:
    """Decide for 'auto', 'kvm' or 'tcg'. Raises UsageError, and KvmError if KVM was demanded in vain."""
    if wanted == "tcg":
        return Choice("tcg")
    if wanted not in ("auto", "kvm"):
        raise UsageError(f"no accelerator is called {wanted!r}", hint="use auto, kvm or tcg")
    fault = kvm_fault(device, cpuinfo)
    if fault is None:
        return Choice("kvm")
    message, hint = fault
    if wanted == "kvm":
        raise KvmError(f"KVM cannot be used: {message}", hint=hint)
    return Choice("tcg", f"software emulation, many times slower than KVM: {message} ({hint})")


def kvm_fault(device: Path, cpuinfo: Path) -> tuple[str, str] | None:
    """Why KVM will not run a guest, and what to do about it; None if it will."""
    if not device.exists():
        return (
            f"{device} does not exist",
            "enable virtualization in the firmware, and load kvm_intel or kvm_amd",
        )
    if not _virtualizes(cpuinfo):
        return (
            "the processor does not offer virtualization (neither vmx nor svm)",
            "enable nested virtualization on the outer host",
        )
    try:
        fd = os.open(device, os.O_RDWR | os.O_CLOEXEC)
    except PermissionError:
        return f"{device} may not be opened by this user", "add the user to the group kvm, and log in again"
    except OSError as error:
        return f"{device} cannot be opened: {error.strerror}", "load kvm_intel or kvm_amd"
    try:
        version = fcntl.ioctl(fd, _KVM_GET_API_VERSION)
    except OSError as error:
        return f"{device} does not answer: {error.strerror}", "look at the kernel's log"
    finally:
        os.close(fd)
    return None if version == _KVM_API_VERSION else (f"KVM has API version {version}", "update the kernel")


def _virtualizes(cpuinfo: Path) -> bool:
    for line in cpuinfo.read_text().splitlines():
        if line.startswith("flags"):
            return bool({"vmx", "svm"} & set(line.split()))
    return False
