"""The processor and KVM, in each state that they can be in."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from tests.unit.doctor.hosts import QEMU, Place, nobody
from vmpod.doctor import kvm

RUNS = 'echo "vmpod-trial: user space runs"; exec sleep 100'
ENDS = f"echo '{QEMU}: error: no MSR' >&2; exit 1"
OFFER = "enable virtualization in the firmware; in a virtual machine, nested virtualization on its host"


@pytest.mark.parametrize(
    ("flags", "nested", "state", "evidence"),
    [
        ("fpu vmx sse", None, "ok", "vmx"),
        ("fpu svm hypervisor", None, "ok", "svm, in a virtual machine"),
        ("fpu vmx", ("kvm_intel", "Y"), "ok", "vmx, guests may have guests of their own"),
        ("fpu svm", ("kvm_amd", "0"), "ok", "svm, guests may not have guests of their own"),
        ("fpu vmxnet", None, "missing", "neither vmx nor svm"),
        ("fpu hypervisor", None, "missing", "neither vmx nor svm, in a virtual machine"),
    ],
)
def test_processors(
    flags: str, nested: tuple[str, str] | None, state: str, evidence: str, place: Place
) -> None:
    place.processor(flags)
    if nested:
        place.write(f"sys/module/{nested[0]}/parameters/nested", nested[1] + "\n")
    found = kvm.processor(place.host)
    assert (found.state, found.evidence, found.impact) == (state, evidence, "none")
    assert bool(found.mend) is (state != "ok")


def test_a_host_without_proc(place: Place) -> None:
    found = kvm.processor(place.host)
    assert found.state == "unusable"
    assert found.evidence == f"{place.top}/proc/cpuinfo cannot be read: No such file or directory"


@pytest.fixture
def kvm_host(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A host whose KVM runs guests: a file in the place of the device, which answers."""
    monkeypatch.setattr("fcntl.ioctl", lambda *_: 12)
    place.write("dev/kvm", "", 0o660)
    place.processor("vmx")
    place.program(QEMU, RUNS)
    place.guest_image()
    return place


def test_kvm_that_runs_a_guest(kvm_host: Place) -> None:
    (kvm_host.top / "dev/kvm").chmod(0o666)
    first = kvm.device(kvm_host.host)
    assert first.state == "ok"
    assert first.evidence.startswith(f"{kvm_host.top}/dev/kvm ran a guest in ")
    assert not first.evidence.endswith(" before")
    again = kvm.device(kvm_host.host)
    assert again.evidence.endswith(" s before")
    assert kvm.device(replace(kvm_host.host, fresh=True)).evidence.startswith(first.evidence[:-5])


@pytest.mark.parametrize(("accel", "impact"), [("auto", "degraded"), ("kvm", "fatal")])
def test_kvm_that_runs_none(accel: str, impact: str, kvm_host: Place) -> None:
    kvm_host.program(QEMU, ENDS)
    found = kvm.device(replace(kvm_host.host, accel=accel))
    assert (found.state, found.impact) == ("unusable", impact)
    assert "kvm opens, but runs no guest: QEMU ended: no MSR" in found.evidence
    assert found.mend == (OFFER,)
    kvm_host.program(QEMU, ENDS)
    known = kvm.device(replace(kvm_host.host, accel=accel))
    assert known.evidence.endswith("; known from before, --fresh tries again") is (known != found)


def test_a_fault_that_is_known_says_so(kvm_host: Place) -> None:
    kvm_host.program(QEMU, ENDS)
    kvm.device(kvm_host.host)
    assert kvm.device(kvm_host.host).evidence.endswith("; known from before, --fresh tries again")
    assert "before" not in kvm.device(replace(kvm_host.host, fresh=True)).evidence


def test_flags_do_not_decide(kvm_host: Place) -> None:
    """Some hypervisors give KVM without them."""
    kvm_host.processor("fpu")
    assert kvm.device(kvm_host.host).state in {"ok", "degraded"}
    assert "ran a guest" in kvm.device(kvm_host.host).evidence


@pytest.mark.parametrize(
    ("flags", "mend"), [("vmx", "modprobe kvm_intel"), ("svm", "modprobe kvm_amd"), ("fpu", OFFER)]
)
def test_kvm_that_is_absent(flags: str, mend: str, kvm_host: Place) -> None:
    (kvm_host.top / "dev/kvm").unlink()
    kvm_host.processor(flags)
    found = kvm.device(kvm_host.host)
    assert (found.state, found.impact) == ("missing", "degraded")
    assert found.evidence == f"{kvm_host.top}/dev/kvm does not exist"
    assert mend in found.mend[0]


def test_kvm_that_is_denied(kvm_host: Place) -> None:
    device = kvm_host.top / "dev/kvm"
    device.chmod(0)
    with nobody():
        found = kvm.device(kvm_host.host)
    assert (found.state, found.impact) == ("denied", "degraded")
    assert found.evidence == f"{device} may not be opened by this user"
    assert "usermod --append --groups kvm" in found.mend[-1]


@pytest.mark.parametrize(
    ("mode", "gid", "shown"),
    [
        (0o600, 0, "root:root 0600"),
        (0o660, 0, "root:root 0660"),
        (0o600, 12345, "root:12345 0600"),
        (0o664, 0, "root:root 0664"),
        (0o660, 12345, ""),
        (0o666, 0, ""),
    ],
)
def test_kvm_that_only_root_may_open(mode: int, gid: int, shown: str, kvm_host: Place) -> None:
    """What libvirt then does takes it most of a minute, at each start."""
    if os.geteuid() != 0:
        pytest.skip("takes a file of root's")
    device = kvm_host.top / "dev/kvm"
    os.chown(device, 0, gid)
    device.chmod(mode)
    found = kvm.device(kvm_host.host)
    assert "ran a guest" in found.evidence
    if not shown:
        assert found.state == "ok"
        return
    assert (found.state, found.impact) == ("degraded", "none")
    assert f"but is {shown}: " in found.evidence
    assert found.mend == (f"sh -c 'chgrp kvm {device} && chmod 660 {device}'",)


def test_a_device_that_does_not_answer(place: Place) -> None:
    place.write("dev/kvm", "")
    found = kvm.device(place.host)
    assert found.state == "unusable"
    assert found.evidence.endswith("dev/kvm does not answer: Inappropriate ioctl for device")


def test_kvm_of_another_version(kvm_host: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fcntl.ioctl", lambda *_: 11)
    found = kvm.device(kvm_host.host)
    assert found.state == "unusable"
    assert found.evidence.endswith("has API version 11, not 12")


def test_kvm_without_qemu(kvm_host: Place) -> None:
    (kvm_host.top / "bin" / QEMU).unlink()
    found = kvm.device(kvm_host.host)
    assert (found.state, found.impact) == ("degraded", "degraded")
    assert found.evidence.endswith("whether it runs a guest is not known without QEMU")
    assert "apt-get install qemu-system-x86" in found.mend[0]


@pytest.mark.parametrize("what", ["nothing", "no kernel", "damaged"])
def test_kvm_without_a_guest_image(what: str, kvm_host: Place) -> None:
    directory = kvm_host.host.paths.guests / "images/abc"
    if what == "nothing":
        (kvm_host.host.paths.guests / "recipes").rename(kvm_host.top / "elsewhere")
    elif what == "no kernel":
        (directory / "kernel").unlink()
    else:
        (directory / "guest.json").write_text("{")
    found = kvm.device(kvm_host.host)
    assert (found.state, found.impact) == ("degraded", "degraded")
    assert found.evidence.endswith("whether it runs a guest is not known without a guest image")
    assert found.mend == ("vmpod guest build",)


def test_kvm_of_which_only_the_flags_tell(kvm_host: Place) -> None:
    (kvm_host.host.paths.guests / "recipes").rename(kvm_host.top / "elsewhere")
    kvm_host.processor("fpu")
    found = kvm.device(kvm_host.host)
    assert (found.state, found.impact) == ("unusable", "degraded")
    assert found.evidence.endswith("(neither vmx nor svm); not tried, for want of a guest image")
    assert found.mend == (OFFER, "vmpod guest build")


def test_emulation_wants_no_kvm(place: Place) -> None:
    found = kvm.device(replace(place.host, accel="tcg"))
    assert found.state == "ok"
