"""What a check is, and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from pathlib import Path
from typing import Literal

from vmpod.dataclass import dataclass
from vmpod.errors import HostError
from vmpod.hypervisor.kvm import DEVICE
from vmpod.packages import OS_RELEASE
from vmpod.paths import Paths

State = Literal["ok", "degraded", "missing", "denied", "unusable"]
"""ok; there, but not as it should be; not there; there, but not for this user; there, but of no use."""

Impact = Literal["none", "degraded", "fatal"]
"""What a finding means for pods: nothing; they run, but slower or not each of them; none runs."""


@dataclass(frozen=True)
class Finding:
    """What a check has found.

    evidence: what was seen, on one line. mend: what to do about it, a command a line where there is one.
    error: what a start raises for it, if it is fatal.
    """

    state: State
    evidence: str
    mend: tuple[str, ...] = ()
    impact: Impact = "none"
    error: type[HostError] = field(default=HostError, compare=False)


def ok(evidence: str) -> Finding:
    """All is well."""
    return Finding("ok", evidence)


@dataclass(frozen=True)
class Host:
    """Where the checks look, and what the user wants.

    accel: as of --accel; uri: of a libvirt to ask besides the embedded driver, '' for none; registry:
    HOST[:PORT] of one to ask, '' for none; fresh: try KVM even if a verdict is known.
    The rest is where things are on a host, for tests to put others there.
    """

    paths: Paths
    environ: Mapping[str, str]
    accel: str = "auto"
    uri: str = ""
    registry: str = ""
    fresh: bool = False
    device: Path = DEVICE
    proc: Path = Path("/proc")
    sys: Path = Path("/sys")
    etc: Path = Path("/etc")
    os_release: Path = OS_RELEASE


@dataclass(frozen=True)
class Check:
    """One thing that a run needs. look: returns None where the question does not arise."""

    name: str
    description: str
    look: Callable[[Host], Finding | None]


@dataclass(frozen=True)
class Result:
    """A check, and what it found."""

    check: Check
    finding: Finding
