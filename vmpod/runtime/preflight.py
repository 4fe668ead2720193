"""What a start needs of the host, looked at before anything is made: cheap, and told in the user's words."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from vmpod.errors import HostMemoryError, disk_full
from vmpod.run import environment, missing

PROGRAMS = ("qemu-system-x86_64", "mkfs.ext4")
FREE = 32 * 1024 * 1024
"""Bytes that the pods' file system must have free: the disks are sparse, but not nothing."""


def check_host(state: Path) -> None:
    """What every start needs: programs, and room for the pod's disks below the directory.

    Raises MissingProgramError, DiskFullError.
    """
    path = environment()["PATH"]
    for program in PROGRAMS:
        if shutil.which(program, path=path) is None:
            raise missing(program)
    while not state.exists():
        state = state.parent
    status = os.statvfs(state)
    free = status.f_bavail * status.f_frsize
    if free < FREE:
        raise disk_full(
            f"{state} has {free >> 20} MiB of free space, and a pod's disks need {FREE >> 20} MiB"
        )


def check_memory(needed: int, meminfo: Path = Path("/proc/meminfo")) -> None:
    """Raise HostMemoryError if a machine of so many bytes is larger than the host with its swap.

    Less than that is let in: a guest's memory is taken when it is first used, and is given back.
    """
    lines = (line.split() for line in meminfo.read_text().splitlines())
    sizes = {words[0]: int(words[1]) * 1024 for words in lines if len(words) > 1}
    there = sizes.get("MemTotal:", 0) + sizes.get("SwapTotal:", 0)
    if needed > there:
        raise HostMemoryError(
            f"the machine needs {needed >> 20} MiB of memory, the host has {there >> 20} MiB with its swap",
            hint="lower the memory limits of its containers (resources.limits.memory)",
        )
