"""Which accelerator is taken, and what the user is told."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from vmpod.errors import KvmError, UsageError
from vmpod.hypervisor.accelerator import choose, kvm_fault
from vmpod.hypervisor.kvm import device_fault
from vmpod.hypervisor.verdict import Verdict

INTEL = "processor\t: 0\nflags\t\t: fpu vme vmx sse\nbugs\t\t:\nprocessor\t: 1\n"
AMD = "processor\t: 0\nflags\t\t: fpu svm\n"
NEITHER = "processor\t: 0\nvmx flags\t: vnmi\nmodel name\t: vmx svm\nflags\t\t: fpu vmxnet hypervisor\n"


@pytest.fixture
def device(tmp_path: Path) -> Path:
    """A file in the place of /dev/kvm: it opens, and does not answer."""
    path = tmp_path / "kvm"
    path.touch()
    return path


def cpuinfo(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "cpuinfo"
    path.write_text(text)
    return path


class Trial:
    """Tells what it was made to tell, and keeps how it was asked."""

    def __init__(self, verdict: Verdict | None = None, *, known: bool = False) -> None:
        self.verdict = verdict
        self.known = known
        self.asked: list[bool] = []

    def __call__(self, now: bool) -> Verdict | None:
        self.asked.append(now)
        return self.verdict if now or self.known else None


RAN = Verdict(True, "a guest ran", 0.3)
DID_NOT = Verdict(False, "QEMU ended: no MSR", 0.1)


@pytest.mark.parametrize(
    ("exists", "cpu", "reason"),
    [
        (False, INTEL, "kvm does not exist"),
        (True, INTEL, "kvm does not answer: Inappropriate ioctl for device"),
        (True, AMD, "kvm does not answer"),
    ],
)
def test_without_kvm_it_is_emulation_with_the_reason(
    exists: bool, cpu: str, reason: str, device: Path, tmp_path: Path
) -> None:
    if not exists:
        device.unlink()
    trial = Trial(RAN)
    found = choose("auto", trial, device=device, cpuinfo=cpuinfo(tmp_path, cpu))
    assert found.accelerator == "tcg"
    assert reason in found.reason
    assert "many times slower" in found.reason
    with pytest.raises(KvmError, match="KVM cannot be used") as error:
        choose("kvm", trial, device=device, cpuinfo=cpuinfo(tmp_path, cpu))
    assert reason in error.value.message
    assert error.value.hint
    assert "`vmpod doctor` makes this check, 'kvm', and all others" in error.value.hint
    assert trial.asked == []


@pytest.fixture
def answering(device: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A device that says what KVM says."""
    monkeypatch.setattr("fcntl.ioctl", lambda *_: 12)
    return device


@pytest.mark.parametrize("cpu", [NEITHER, "", None])
def test_a_processor_that_does_not_virtualize(cpu: str | None, answering: Path, tmp_path: Path) -> None:
    """Nothing is tried for 'auto'; what is known counts, and 'kvm' is a reason to try."""
    processor = tmp_path / "none" if cpu is None else cpuinfo(tmp_path, cpu)

    def chosen(wanted: str, trial: Trial) -> str:
        return choose(wanted, trial, device=answering, cpuinfo=processor).accelerator

    trial = Trial(RAN)
    found = choose("auto", trial, device=answering, cpuinfo=processor)
    assert found.accelerator == "tcg"
    assert "the processor does not offer virtualization (neither vmx nor svm)" in found.reason
    assert trial.asked == [False]
    assert chosen("auto", Trial(RAN, known=True)) == "kvm"
    assert chosen("kvm", trial) == "kvm"
    assert trial.asked == [False, True]
    with pytest.raises(KvmError, match="runs no guest: QEMU ended: no MSR; the processor does not offer"):
        chosen("kvm", Trial(DID_NOT))
    with pytest.raises(KvmError, match="the processor does not offer"):
        chosen("kvm", Trial(None))


@pytest.mark.parametrize("cpu", [INTEL, AMD])
@pytest.mark.parametrize("known", [True, False])
def test_kvm_is_taken_where_a_guest_ran(cpu: str, known: bool, answering: Path, tmp_path: Path) -> None:
    for wanted in ("auto", "kvm"):
        trial = Trial(RAN, known=known)
        found = choose(wanted, trial, device=answering, cpuinfo=cpuinfo(tmp_path, cpu))
        assert (found.accelerator, found.reason) == ("kvm", "")
        assert trial.asked == [True]


def test_kvm_that_lies_is_not_taken(answering: Path, tmp_path: Path) -> None:
    """Its device and the flags say yes."""
    processor = cpuinfo(tmp_path, INTEL)
    found = choose("auto", Trial(DID_NOT), device=answering, cpuinfo=processor)
    assert found.accelerator == "tcg"
    assert "opens, but runs no guest: QEMU ended: no MSR (" in found.reason
    with pytest.raises(KvmError, match=r"opens, but runs no guest: QEMU ended: no MSR$"):
        choose("kvm", Trial(DID_NOT), device=answering, cpuinfo=processor)


def test_without_a_verdict_the_flags_decide(answering: Path, tmp_path: Path) -> None:
    """As for `vmpod plan`, which tries nothing."""
    found = choose("auto", Trial(None), device=answering, cpuinfo=cpuinfo(tmp_path, INTEL))
    assert found.accelerator == "kvm"


def test_a_device_that_may_not_be_opened() -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o755)
        device, processor = directory / "kvm", cpuinfo(directory, INTEL)
        device.touch(mode=0)
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)
        try:
            fault = kvm_fault(Trial(RAN), device=device, cpuinfo=processor)
        finally:
            if root:
                os.seteuid(0)
    assert fault is not None
    assert fault.state == "denied"
    assert "may not be opened by this user" in fault.reason


def test_a_directory_is_no_device(tmp_path: Path) -> None:
    fault = device_fault(tmp_path, cpuinfo(tmp_path, INTEL))
    assert fault is not None
    assert fault.state == "unusable"
    assert "cannot be opened" in fault.reason


@pytest.mark.parametrize(("version", "accelerator_"), [(12, "kvm"), (11, "tcg"), (0, "tcg")])
@pytest.mark.parametrize("cpu", [INTEL, AMD])
def test_kvm_of_the_right_version_is_taken(
    version: int, accelerator_: str, cpu: str, device: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fcntl.ioctl", lambda *_: version)
    found = choose("auto", Trial(RAN), device=device, cpuinfo=cpuinfo(tmp_path, cpu))
    assert found.accelerator == accelerator_
    assert bool(found.reason) is (accelerator_ == "tcg")


def test_emulation_on_request_looks_at_nothing(tmp_path: Path) -> None:
    trial = Trial(RAN)
    found = choose("tcg", trial, device=tmp_path / "gone", cpuinfo=tmp_path / "gone")
    assert (found.accelerator, found.reason, trial.asked) == ("tcg", "", [])


@pytest.mark.parametrize("name", ["", "xen", "KVM"])
def test_others_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="no accelerator is called"):
        choose(name, Trial(RAN))


def test_no_descriptor_is_left_open(device: Path, tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        device_fault(device, cpuinfo(tmp_path, INTEL))
    assert len(list(Path("/proc/self/fd").iterdir())) == before
