"""Hosts to look at: their files below a directory, their programs shell scripts in a PATH of their own."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from vmpod.doctor.model import Host
from vmpod.guestimage.recipe import recipe_directory, recipe_key
from vmpod.paths import Paths
from vmpod.process import command_lines

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
QEMU = "qemu-system-x86_64"
DEBIAN = 'PRETTY_NAME="Debian GNU/Linux 12"\nID=debian\n'


@dataclass(frozen=True)
class Place:
    """A host's files. host: what a check is asked with."""

    top: Path
    host: Host

    def write(self, name: str, text: str, mode: int = 0o644) -> Path:
        """A file of the host."""
        path = self.top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        return path

    def program(self, name: str, script: str = "exit 0") -> Path:
        """A program of the host."""
        return self.write(f"bin/{name}", f"#!/bin/sh\n{script}\n", 0o755)

    def processor(self, flags: str) -> None:
        """What /proc/cpuinfo says."""
        self.write("proc/cpuinfo", f"processor\t: 0\nflags\t\t: {flags}\n")

    def guest_image(self) -> Path:
        """A guest image that looks whole; returns its directory."""
        directory = self.host.paths.guests / "images/abc"
        directory.mkdir(parents=True)
        for name in ("kernel", "initrd", "root"):
            (directory / name).write_bytes(b"")
        lines = {"tcg": "quiet", "kvm": "console=ttyS0 quiet"}
        told = {"kernel_release": "6", "python_magic": "00", "packages": [], "command_line": lines}
        (directory / "guest.json").write_text(json.dumps(told))
        link = self.host.paths.guests / "recipes" / recipe_key(recipe_directory())
        link.parent.mkdir()
        link.symlink_to("../images/abc")
        return directory

    def left(self) -> list[bytes]:
        """Processes that belong to this host."""
        return [line for _, line in command_lines() if os.fsencode(self.top / "bin") in line]


def make(top: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A host that has nothing but what runs commands at all."""
    paths = Paths(data=top / "data", state=top / "state", runtime=top / "run")
    host = Host(
        paths=paths,
        environ={"HOME": str(top / "home")},
        device=top / "dev/kvm",
        proc=top / "proc",
        sys=top / "sys",
        etc=top / "etc",
        os_release=top / "etc/os-release",
    )
    place = Place(top, host)
    place.write("etc/os-release", DEBIAN)
    for name in ("setpriv", "prlimit", "sleep", "taskset", "chrt", "mkdir"):
        (top / "bin").mkdir(exist_ok=True)
        (top / "bin" / name).symlink_to(f"/usr/bin/{name}")
    monkeypatch.setattr("vmpod.run.environment", lambda extra=None: _environment(top) | dict(extra or {}))
    return place


def _environment(top: Path) -> dict[str, str]:
    return {"PATH": str(top / "bin"), "LC_ALL": "C.UTF-8"}


@contextmanager
def nobody() -> Iterator[None]:
    """As an ordinary user, if this is root."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
