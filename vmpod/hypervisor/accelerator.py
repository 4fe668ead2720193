"""KVM where it really runs guests, else emulation with an honest reason.

What is asked, in this order, until one says no: the device (kvm.py), the processor's flags, and what became
of a guest that was tried (verdict.py). A guest is tried only where all else looks well, or KVM was demanded;
a verdict that is known counts for more than the flags.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from vmpod.dataclass import dataclass
from vmpod.errors import KvmError, UsageError, mending
from vmpod.hypervisor.kvm import CPUINFO, DEVICE, NOT_OFFERED, OFFER, Fault, device_fault, virtualization
from vmpod.hypervisor.verdict import Verdict
from vmpod.plan.model import Accelerator

Trial = Callable[[bool], Verdict | None]
"""Tells what became of a guest under KVM, None if that is not known; True: find out, if it is not."""


@dataclass(frozen=True)
class Choice:
    """The accelerator, and a sentence for the user when it is not the one hoped for."""

    accelerator: Accelerator
    reason: str = ""


def choose(wanted: str, trial: Trial, *, device: Path = DEVICE, cpuinfo: Path = CPUINFO) -> Choice:
    """Decide for 'auto', 'kvm' or 'tcg'. Raises UsageError, and KvmError if KVM was demanded in vain."""
    if wanted == "tcg":
        return Choice("tcg")
    if wanted not in ("auto", "kvm"):
        raise UsageError(f"no accelerator is called {wanted!r}", hint="use auto, kvm or tcg")
    fault = kvm_fault(trial, demanded=wanted == "kvm", device=device, cpuinfo=cpuinfo)
    if fault is None:
        return Choice("kvm")
    if wanted == "kvm":
        raise KvmError(f"KVM cannot be used: {fault.reason}", hint=mending("kvm", *fault.mend))
    return Choice(
        "tcg", f"software emulation, many times slower than KVM: {fault.reason} ({'; '.join(fault.mend)})"
    )


def kvm_fault(
    trial: Trial, *, demanded: bool = False, device: Path = DEVICE, cpuinfo: Path = CPUINFO
) -> Fault | None:
    """Why KVM will not run a guest, None if it will. demanded: try one even where the flags say no."""
    if fault := device_fault(device, cpuinfo):
        return fault
    offered = _offered(cpuinfo)
    verdict = trial(offered or demanded)
    if verdict is None:
        return None if offered else Fault("unusable", NOT_OFFERED, (OFFER,))
    if verdict.runs:
        return None
    reason = f"{device} opens, but runs no guest: {verdict.told}"
    return Fault("unusable", reason if offered else f"{reason}; {NOT_OFFERED}", (OFFER,))


def _offered(cpuinfo: Path) -> bool:
    try:
        return bool(virtualization(cpuinfo))
    except OSError:
        return False  # a host without /proc: the device, and the trial, have to tell
