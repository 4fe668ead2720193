"""Whether KVM really runs a guest here, as it was once tried, and remembered while nothing has changed.

A verdict holds for one boot of the host, one kernel, one build of QEMU and one device.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from vmpod.dataclass import dataclass
from vmpod.errors import MissingProgramError
from vmpod.files import write_atomically
from vmpod.hypervisor.kvm import DEVICE
from vmpod.run import which

QEMU = "qemu-system-x86_64"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Verdict:
    """What became of a guest under KVM.

    told: in a sentence's part, as in 'a guest ran'. seconds: it took. sure: whether it would end so again, as
    far as can be told: a guest that was slow on a busy host proves nothing.
    """

    runs: bool
    told: str
    seconds: float
    sure: bool = True


class Verdicts:
    """The last verdict, in a file. device, boot_id: where else to look, for tests."""

    def __init__(self, path: Path, *, device: Path = DEVICE, boot_id: Path = _BOOT_ID) -> None:
        self._path = path
        self._device = device
        self._boot_id = boot_id

    def recall(self) -> Verdict | None:
        """The verdict that holds here and now; None if there is none."""
        try:
            found = json.loads(self._path.read_bytes())
            if found.pop("key") != self._key():
                return None
            verdict = Verdict(**found)
        except (OSError, MissingProgramError, ValueError, TypeError, KeyError, AttributeError):
            return None
        well = isinstance(verdict.runs, bool) and isinstance(verdict.told, str)
        return verdict if well and isinstance(verdict.seconds, float) else None

    def keep(self, verdict: Verdict) -> None:
        """Remember a verdict, if it is sure. One that cannot be written is found out again."""
        if not verdict.sure:
            return
        with suppress(OSError, MissingProgramError):
            content = {"key": self._key()} | asdict(verdict)
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self._path, json.dumps(content).encode())

    def _key(self) -> list[str | int]:
        """All that a verdict depends on. Raises OSError, MissingProgramError."""
        program = Path(which(QEMU)).resolve()
        build, node = program.stat(), self._device.stat()
        return [
            self._boot_id.read_text().strip(),
            os.uname().release,
            str(program),
            build.st_size,
            build.st_mtime_ns,
            # A module that was loaded again, a container with another device, other permissions.
            node.st_dev,
            node.st_ino,
            node.st_ctime_ns,
        ]
