"""What a start needs of the host, looked at before anything is made: cheap, and told in the user's words.

The checks are those of `vmpod doctor`, which knows more of them.
"""

from __future__ import annotations

from pathlib import Path

from vmpod.doctor.model import Finding
from vmpod.doctor.programs import NEEDED, needed
from vmpod.doctor.space import disk, fits
from vmpod.errors import mending


def check_host(state: Path) -> None:
    """What every start needs: programs, and room for the pod's disks below the directory.

    Raises MissingProgramError, DiskFullError, HostError.
    """
    for program, check in NEEDED.items():
        _require(needed([program]), check)
    _require(disk(state), "disk")


def check_memory(needed_bytes: int, meminfo: Path = Path("/proc/meminfo")) -> None:
    """Raise HostMemoryError if a machine of so many bytes is larger than the host with its swap."""
    _require(fits(needed_bytes, meminfo), "memory")


def _require(finding: Finding, check: str) -> None:
    if finding.impact == "fatal":
        raise finding.error(finding.evidence, hint=mending(check, *finding.mend))
