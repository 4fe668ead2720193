"""The processor, and KVM: whether it is there, permitted, and really runs a guest."""

from __future__ import annotations

from vmpod.doctor.model import Finding, Host, Impact, ok
from vmpod.doctor.trial import Trial
from vmpod.errors import HostError, KvmError, MissingProgramError, VmpodError
from vmpod.guestimage.model import GuestImage
from vmpod.guestimage.store import NOT_BUILT, GuestStore
from vmpod.hypervisor import kvm
from vmpod.hypervisor.accelerator import kvm_fault
from vmpod.hypervisor.verdict import Verdict, Verdicts

_MODULES = ("kvm_intel", "kvm_amd")


def processor(host: Host) -> Finding:
    """Whether it says that it can virtualize, whether this is a virtual machine itself, and nesting."""
    try:
        flags = kvm.flags(host.proc / "cpuinfo")
    except OSError as error:
        return Finding(
            "unusable", f"{error.filename} cannot be read: {error.strerror}", ("mount /proc",), "none"
        )
    inside = ", in a virtual machine" if "hypervisor" in flags else ""
    offered = [flag for flag in ("vmx", "svm") if flag in flags]
    if not offered:
        # What that means for pods, the check of KVM tells: it does not go by the flags alone.
        return Finding("missing", f"neither vmx nor svm{inside}", (kvm.OFFER,))
    return ok(f"{offered[0]}{inside}{_nesting(host)}")


def _nesting(host: Host) -> str:
    """Whether guests may have guests. Source: the modules' parameter `nested`, Y or 1."""
    for module in _MODULES:
        try:
            value = (host.sys / "module" / module / "parameters" / "nested").read_text().strip()
        except OSError:
            continue
        return f", guests may {'' if value in ('Y', '1') else 'not '}have guests of their own"
    return ""


def device(host: Host) -> Finding:
    """KVM as pods would use it."""
    if host.accel == "tcg":
        return ok("not looked at: --accel tcg")
    tried = _Tried(host)
    try:
        fault = kvm_fault(tried, demanded=True, device=host.device, cpuinfo=host.proc / "cpuinfo")
    except MissingProgramError as error:
        return _unknown(host, "QEMU", tuple((error.hint or "").splitlines()))
    if fault:
        return _faulty(host, fault, tried)
    if tried.verdict is None:
        return _unknown(host, "a guest image", ("vmpod guest build",))
    how = f"ran a guest in {tried.verdict.seconds:.1f} s{' before' if tried.remembered else ''}"
    return _only_roots(host, how) or ok(f"{host.device} {how}")


def _faulty(host: Host, fault: kvm.Fault, tried: _Tried) -> Finding:
    evidence, mend = fault.reason, fault.mend
    if fault.reason == kvm.NOT_OFFERED:
        # The flags are all that is known.
        evidence = f"{host.device} opens, but {fault.reason}; not tried, for want of a guest image"
        mend = (*mend, "vmpod guest build")
    elif tried.remembered:
        evidence += "; known from before, --fresh tries again"
    impact: Impact = "fatal" if host.accel == "kvm" else "degraded"
    return Finding(fault.state, evidence, mend, impact, KvmError)


def _only_roots(host: Host, how: str) -> Finding | None:
    """Vmpod's own QEMU is not bothered by that: it runs as the user who runs the command."""
    if not (only := kvm.only_roots(host.device)):
        return None
    evidence = (
        f"{host.device} {how}, but is {only}: libvirt, where its QEMU is another user's, then asks QEMU anew "
        "at every start what it can do, for up to 50 s"
    )
    return Finding("degraded", evidence, (kvm.give_to_group(host.device),))


def _unknown(host: Host, without: str, mend: tuple[str, ...]) -> Finding:
    evidence = f"{host.device} opens; whether it runs a guest is not known without {without}"
    return Finding("degraded", evidence, mend, "degraded")


class _Tried:
    """A trial that tells afterwards what it was. See accelerator.Trial."""

    def __init__(self, host: Host) -> None:
        self._fresh = host.fresh
        self._verdicts = Verdicts(host.paths.verdict, device=host.device)
        self._trial = Trial(self._verdicts, lambda: _whole(host))
        self.verdict: Verdict | None = None
        self.remembered = False

    def __call__(self, now: bool) -> Verdict | None:
        self.verdict = None if self._fresh else self._verdicts.recall()
        self.remembered = self.verdict is not None
        self.verdict = self.verdict or self._trial(now, fresh=True)
        return self.verdict


def _whole(host: Host) -> GuestImage | None:
    """The guest image, if there is one to try with: what is wrong with it, its own check tells."""
    try:
        found = built(host)
    except VmpodError:
        return None
    return found if found and found.kernel.is_file() else None


def built(host: Host) -> GuestImage | None:
    """The guest image, if it is there. Raises HostError if it is damaged."""
    try:
        image = GuestStore(host.paths.guests).describe()
    except OSError as error:
        raise HostError(f"the guest image cannot be read: {error}") from None
    return None if image.id == NOT_BUILT else image
