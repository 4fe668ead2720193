"""The ways in which a pod's machine begins, as far as the vmpod that is measured knows them.

Cold: it boots. Warm: it is a copy of a frozen one, a template. A vmpod without templates boots always.
"""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

from bench import common

COLD = "cold"
WARM = "warm"


@cache
def _help(*command: str) -> str:
    done = subprocess.run([*common.VMPOD, *command, "--help"], stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def kinds() -> dict[str, list[str]]:
    """The options of `vmpod run` for each way."""
    if "--no-template" in _help("run"):
        return {COLD: ["--no-template"], WARM: []}
    return {COLD: []}


def can_fork() -> bool:
    """Whether pods can be copied while they run."""
    return any(line.split()[:1] == ["fork"] for line in _help().splitlines())


def prepare(accel: str) -> None:
    """Make the template that pods with the least of needs begin from, where there are templates."""
    if WARM in kinds():
        subprocess.run([*common.VMPOD, "template", "create", "--accel", accel], stdout=sys.stderr, check=True)


def check(kind: str, name: str) -> None:
    """End the program if the pod's machine did not begin in that way: vmpod boots where it cannot copy."""
    arguments = Path(f"/proc/{common.qemu(common.record(name))}/cmdline").read_bytes().split(b"\0")
    if (kind == WARM) != (b"-incoming" in arguments):
        began = "boot" if kind == WARM else "begin from a template"
        sys.exit(f"the {kind} pod {name} did {began}; what `vmpod --debug run` says may tell why")


def pod_name(what: str, number: int = 0) -> str:
    """A name that no other benchmark uses at the same time."""
    return f"bench-{what}-{os.getpid()}-{number}"
