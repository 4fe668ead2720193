"""The machines that run, told by their processes: QEMU's command line says whose each one is.

libvirt's embedded driver knows a machine only while its root is open, and what is left of a command that was
killed may be in no root, so the processes are the one place to look.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from vmpod.dataclass import dataclass
from vmpod.errors import ConflictError
from vmpod.process import Process, command_lines

_NAME = re.compile(rb"guest=vmpod-([^,]+)")


@dataclass(frozen=True)
class RunningMachine:
    """A QEMU of a pod. key, uid: the pod's; arguments: QEMU's, as /proc has them."""

    process: Process
    key: str
    uid: str
    arguments: bytes

    def uses(self, path: Path) -> bool:
        """Whether something below the directory is on its command line."""
        return os.fsencode(f"{path}/") in self.arguments

    def end(self) -> None:
        """End it at once. Raises ConflictError if that cannot be."""
        end(self.process, self.key)


def end(process: Process, key: str) -> None:
    """End the machine of the pod at once. Raises ConflictError if that cannot be."""
    if not process.end():
        raise ConflictError(
            f"the machine of {key} (process {process.pid}) cannot be killed",
            hint="it waits in the kernel, perhaps for a disk that does not answer",
        )


def find(uid: str) -> Process | None:
    """The machine of the pod with that uid."""
    return next((each.process for each in all_machines() if each.uid == uid), None)


def below(pods: Path) -> list[RunningMachine]:
    """The machines whose disks are in that directory of pods."""
    return [each for each in all_machines() if each.uses(pods / each.key)]


def all_machines() -> Iterator[RunningMachine]:
    """Every machine of every pod that this user can see."""
    for pid, arguments in command_lines():
        words = arguments.split(b"\0")
        name, uid = _NAME.match(_value(words, b"-name")), _value(words, b"-uuid")
        process = Process.of(pid) if name else None
        if name and process:
            yield RunningMachine(process, os.fsdecode(name[1]), os.fsdecode(uid), arguments)


def _value(words: list[bytes], option: bytes) -> bytes:
    """What follows an option, b'' if it is not there."""
    return words[words.index(option) + 1] if option in words[:-1] else b""
