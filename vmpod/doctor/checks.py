"""All checks, in the order in which they are told, and how they are made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from vmpod.doctor import certificates, clock, guest, kvm, libvirt, programs, proxy, registry, space
from vmpod.doctor.model import Check, Finding, Host, Result
from vmpod.errors import VmpodError, from_system
from vmpod.text import printable

CHECKS = (
    Check("cpu", "the processor's flags say that it can virtualize", kvm.processor),
    Check("kvm", "/dev/kvm is there, permitted, and runs a guest", kvm.device),
    Check("qemu", "the emulator is installed, and new enough", programs.qemu),
    Check("network", "QEMU has its user-mode network", programs.network),
    Check("libvirt", "libvirt's embedded driver opens", libvirt.embedded),
    Check("connect", "the libvirt of --connect opens", libvirt.daemon),
    Check("guest-image", "the guest image is built, and whole", guest.image),
    Check("guest-builder", "what builds the guest image is installed", guest.builder),
    Check("filesystems", "mkfs.ext4 and sqfstar are installed", programs.filesystems),
    Check("skopeo", "images can be pulled", programs.skopeo),
    Check("extras", "what only some images and commands want is installed", programs.optional),
    Check("disk", "vmpod's directories can be written, and have room", space.disks),
    Check("memory", "the smallest machine fits into the host's memory", space.memory),
    Check("proxy", "the proxies of the environment are addresses", proxy.proxies),
    Check("certificates", "the files of CA certificates can be read", certificates.certificates),
    Check("registry", "the registry of --registry answers", registry.registry),
    Check("clock", "the clock is right, as far as can be told", clock.clock),
)

Verdict = Literal["fine", "degraded", "cannot-run"]
STATUS: dict[Verdict, int] = {"fine": 0, "degraded": 1, "cannot-run": 2}


def examine(host: Host) -> Iterator[Result]:
    """Make every check that applies, one after the other. None raises; each ends in bounded time."""
    for check in CHECKS:
        if (finding := _made(check, host)) is not None:
            yield Result(check, finding)


def _made(check: Check, host: Host) -> Finding | None:
    try:
        return check.look(host)
    except OSError as error:
        fault, mend = from_system(error), ""
    except VmpodError as error:
        fault, mend = error, error.hint or ""
    # What nobody has foreseen for this check: told as it is, and what it means is not known.
    words = printable(" ".join(fault.message.split()))
    return Finding("unusable", words, tuple(mend.splitlines()), "degraded")


def verdict(results: list[Result]) -> Verdict:
    """What all findings together mean for pods."""
    impacts = {result.finding.impact for result in results}
    return "cannot-run" if "fatal" in impacts else "degraded" if "degraded" in impacts else "fine"


def to_json(results: list[Result]) -> dict[str, Any]:
    """What was found as an object of kind Diagnosis; see docs/schemas."""
    checks = [
        {
            "name": each.check.name,
            "description": each.check.description,
            "state": each.finding.state,
            "impact": each.finding.impact,
            "evidence": each.finding.evidence,
            "mend": list(each.finding.mend),
        }
        for each in results
    ]
    return {"apiVersion": "vmpod/v1", "kind": "Diagnosis", "verdict": verdict(results), "checks": checks}
