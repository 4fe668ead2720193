"""The programs of the host: there, and able to run."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from vmpod.doctor.model import Finding, Host, Impact, ok
from vmpod.errors import CommandError, MissingProgramError
from vmpod.hypervisor.verdict import QEMU
from vmpod.packages import SIGNATURE_POLICY, install
from vmpod.run import run, which
from vmpod.text import printable

TIMEOUT = 10.0
_OLDEST_QEMU = (6, 0)  # knows the QMP command set-action
NEEDED = {QEMU: "qemu", "mkfs.ext4": "filesystems"}
"""What every start runs, and the check that looks at it."""


def needed(programs: Sequence[str], impact: Impact = "fatal") -> Finding:
    """Whether all of the programs are installed."""
    absent = [program for program in programs if not _path(program)]
    if absent:
        what = " and ".join(repr(program) for program in absent)
        noun, verb = ("program", "is") if len(absent) == 1 else ("programs", "are")
        evidence = f"the {noun} {what} {verb} not installed"
        return Finding("missing", evidence, install(*absent), impact, MissingProgramError)
    return ok(", ".join(filter(None, map(_path, programs))))


def qemu(_host: Host) -> Finding:
    """The emulator, and whether it is new enough."""
    found = needed([QEMU])
    if found.state != "ok":
        return found
    try:
        said = _said(QEMU, "--version")
    except CommandError as error:
        return _broken(error, QEMU, "fatal")
    version = re.search(r"version (\d+)\.(\d+)(\S*)", said)
    if version is None:
        return Finding("unusable", f"{QEMU} does not tell its version", install(QEMU), "fatal")
    if (int(version[1]), int(version[2])) < _OLDEST_QEMU:
        evidence = f"QEMU {version[1]}.{version[2]} is too old: {'.'.join(map(str, _OLDEST_QEMU))} is needed"
        return Finding("unusable", evidence, install(QEMU), "fatal", MissingProgramError)
    return ok(f"{version[1]}.{version[2]}{version[3]}, {found.evidence}")


def network(_host: Host) -> Finding | None:
    """Whether QEMU has its user-mode network, which a build can lack."""
    if not _path(QEMU):
        return None
    try:
        said = _said(QEMU, "-machine", "none", "-display", "none", "-netdev", "help")
    except CommandError as error:
        return _broken(error, QEMU, "fatal")
    if "user" not in said.split():
        return Finding("missing", f"{QEMU} was built without its user-mode network", install(QEMU), "fatal")
    return ok("QEMU's user-mode network")


def filesystems(_host: Host) -> Finding:
    """What makes the disks of pods and images."""
    return needed(("mkfs.ext4", "sqfstar"))


def optional(_host: Host) -> Finding:
    """What only some images, or commands, want."""
    found = needed(("sqfs2tar", "zstd"), "degraded")
    if found.state == "ok":
        return found
    return Finding(
        found.state, f"{found.evidence} (for image save; for layers in zstd)", found.mend, found.impact
    )


def skopeo(host: Host) -> Finding:
    """What pulls images. Without it pods run from images that are there, or are loaded from files."""
    found = needed(["skopeo"], "degraded")
    if found.state != "ok":
        return found
    try:
        said = _said("skopeo", "--version")
    except CommandError as error:
        return _broken(error, "skopeo", "degraded")
    home = host.environ.get("HOME", "")
    policies = [Path(home, ".config/containers/policy.json"), host.etc / "containers/policy.json"]
    if not any(os.path.isfile(path) for path in policies):  # noqa: PTH113 - false also for what may not be seen
        evidence = f"{policies[-1]} is missing, without which skopeo pulls nothing"
        return Finding("missing", evidence, install(SIGNATURE_POLICY), "degraded")
    return ok(printable(said.strip().removeprefix("skopeo version ")))


def _path(program: str) -> str:
    try:
        return which(program)
    except MissingProgramError:
        return ""


def _said(*argv: str) -> str:
    return run(argv, timeout=TIMEOUT).decode(errors="replace")


def _broken(error: CommandError, program: str, impact: Impact) -> Finding:
    """There, but it does not run: half installed, or for another processor."""
    evidence = printable(" ".join(error.message.split()))[:300]
    return Finding("unusable", evidence, reinstall(program), impact)


def reinstall(program: str) -> tuple[str, ...]:
    """How a program that is broken is put right."""
    return tuple(
        line.replace("apt-get install", "apt-get install --reinstall").replace("dnf install", "dnf reinstall")
        for line in install(program)
    )
