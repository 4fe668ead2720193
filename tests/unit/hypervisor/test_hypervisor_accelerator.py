"""Which accelerator is taken, and what the user is told."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from vmpod.errors import HostError, UsageError
from vmpod.hypervisor.accelerator import choose, kvm_fault

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


@pytest.mark.parametrize(
    ("exists", "cpu", "reason"),
    [
        (False, INTEL, "kvm does not exist"),
        (True, NEITHER, "the processor does not offer virtualization (neither vmx nor svm)"),
        (True, "", "the processor does not offer virtualization"),
        (True, INTEL, "kvm does not answer: Inappropriate ioctl for device"),
        (True, AMD, "kvm does not answer"),
    ],
)
def test_without_kvm_it_is_emulation_with_the_reason(
    exists: bool, cpu: str, reason: str, device: Path, tmp_path: Path
) -> None:
    if not exists:
        device.unlink()
    found = choose("auto", device=device, cpuinfo=cpuinfo(tmp_path, cpu))
    assert found.accelerator == "tcg"
    assert reason in found.reason
    assert "many times slower" in found.reason
    with pytest.raises(HostError, match="KVM cannot be used") as error:
        choose("kvm", device=device, cpuinfo=cpuinfo(tmp_path, cpu))
    assert reason in error.value.message
    assert error.value.hint


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
            fault = kvm_fault(device, processor)
        finally:
            if root:
                os.seteuid(0)
    assert fault is not None
    assert "may not be opened by this user" in fault[0]


def test_a_directory_is_no_device(tmp_path: Path) -> None:
    fault = kvm_fault(tmp_path, cpuinfo(tmp_path, INTEL))
    assert fault is not None
    assert "cannot be opened" in fault[0]


@pytest.mark.parametrize(("version", "accelerator_"), [(12, "kvm"), (11, "tcg"), (0, "tcg")])
@pytest.mark.parametrize("cpu", [INTEL, AMD])
def test_kvm_of_the_right_version_is_taken(
    version: int, accelerator_: str, cpu: str, device: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fcntl.ioctl", lambda *_: version)
    found = choose("auto", device=device, cpuinfo=cpuinfo(tmp_path, cpu))
    assert found.accelerator == accelerator_
    assert bool(found.reason) is (accelerator_ == "tcg")


def test_emulation_on_request_looks_at_nothing(tmp_path: Path) -> None:
    found = choose("tcg", device=tmp_path / "gone", cpuinfo=tmp_path / "gone")
    assert (found.accelerator, found.reason) == ("tcg", "")


@pytest.mark.parametrize("name", ["", "xen", "KVM"])
def test_others_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="no accelerator is called"):
        choose(name)


def test_no_descriptor_is_left_open(device: Path, tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        kvm_fault(device, cpuinfo(tmp_path, INTEL))
    assert len(list(Path("/proc/self/fd").iterdir())) == before
