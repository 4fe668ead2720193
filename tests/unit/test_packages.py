"""What installs things, by distribution."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vmpod.packages import LIBVIRT_DRIVER, as_root, install


@pytest.fixture(autouse=True)
def _as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)


@pytest.mark.parametrize(
    ("text", "commands"),
    [
        ("ID=debian\n", ["apt-get install qemu-system-x86 skopeo"]),
        ('NAME="Ubuntu"\nID=ubuntu\nID_LIKE=debian\n', ["apt-get install qemu-system-x86 skopeo"]),
        ("ID=fedora\n", ["dnf install qemu-system-x86-core skopeo"]),
        ("ID='rocky'\nID_LIKE=\"rhel centos fedora\"\n", ["dnf install qemu-system-x86-core skopeo"]),
        (
            "ID=arch\nno equals sign\n",
            [
                "apt-get install qemu-system-x86 skopeo  # Debian, Ubuntu",
                "dnf install qemu-system-x86-core skopeo  # Fedora",
            ],
        ),
    ],
)
def test_distributions(text: str, commands: list[str], tmp_path: Path) -> None:
    path = tmp_path / "os-release"
    path.write_text(text)
    assert list(install("qemu-system-x86_64", "skopeo", os_release=path)) == commands


def test_a_host_that_does_not_say_what_it_is(tmp_path: Path) -> None:
    assert len(install("skopeo", os_release=tmp_path / "none")) == 2


def test_a_package_is_named_once(tmp_path: Path) -> None:
    path = tmp_path / "os-release"
    path.write_text("ID=debian\n")
    assert install("mksquashfs", "sqfstar", LIBVIRT_DRIVER, os_release=path) == (
        "apt-get install squashfs-tools libvirt-daemon",
    )


def test_an_ordinary_user_needs_sudo(monkeypatch: pytest.MonkeyPatch) -> None:
    assert as_root("true") == "true"
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert as_root("true") == "sudo true"
