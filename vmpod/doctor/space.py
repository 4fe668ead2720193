"""Room: on the disks, and in memory."""

from __future__ import annotations

import os
from pathlib import Path

from vmpod.doctor.model import Finding, Host, ok
from vmpod.errors import DiskFullError, HostMemoryError
from vmpod.plan.size import memory_class

MIB = 1 << 20
FREE = 32 * MIB
"""Bytes that the pods' file system must have free: the disks are sparse, but not nothing."""
PLENTY = 512 * MIB
"""Bytes below which images soon find no room."""
_ELSEWHERE = "VMPOD_HOME=DIR puts vmpod's files elsewhere"
_MAKE_ROOM = ("df -h", "vmpod prune", "vmpod image prune", _ELSEWHERE)


def disks(host: Host) -> Finding:
    """Where pods, images and sockets are kept: the worst of them, or each that is on a disk of its own."""
    places = [_existing(path) for path in (host.paths.state, host.paths.data, host.paths.runtime)]
    order = ("fatal", "degraded", "none")
    worst = min(map(disk, places), key=lambda each: order.index(each.impact))
    if worst.state != "ok":
        return worst
    # That of the sockets belongs there.
    for place in places[:2]:
        if in_memory(place, host.proc):
            evidence = (
                f"{place} is in memory (tmpfs): disks there take the host's, and machines end when it is full"
            )
            return Finding("degraded", evidence, (_ELSEWHERE,), "degraded")
    apart = {place.stat().st_dev: disk(place).evidence for place in places}
    return ok(", ".join(apart.values()))


def disk(directory: Path) -> Finding:
    """Whether there, or where it will be made, can be written, and how much."""
    place = _existing(directory)
    try:
        status = os.statvfs(place)
    except OSError as error:
        return Finding("unusable", f"{place}: {error.strerror}", (_ELSEWHERE,), "fatal")
    if status.f_flag & os.ST_RDONLY:
        return Finding("unusable", f"{place} is on a file system that is read-only", (_ELSEWHERE,), "fatal")
    if not os.access(place, os.W_OK | os.X_OK, effective_ids=True):
        return Finding("denied", f"{place} may not be written by this user", (_ELSEWHERE,), "fatal")
    return _room(place, status)


def _room(place: Path, status: os.statvfs_result) -> Finding:
    free = status.f_bavail * status.f_frsize
    told = f"{place} has {_size(free)} of free space"
    if free < FREE:
        evidence = f"{told}, and a pod's disks need {FREE >> 20} MiB"
        return Finding("unusable", evidence, _MAKE_ROOM, "fatal", DiskFullError)
    if status.f_files and not status.f_favail:
        return Finding(
            "unusable", f"{place} has no room for another file", _MAKE_ROOM, "fatal", DiskFullError
        )
    if free < PLENTY:
        return Finding("degraded", f"{told}: few images will fit", _MAKE_ROOM, "degraded")
    return ok(told)


def in_memory(place: Path, proc: Path) -> bool:
    """Whether a place is on a tmpfs. Source: proc(5), mountinfo."""
    try:
        lines = (proc / "self/mountinfo").read_text(errors="replace").splitlines()
    except OSError:
        return False
    device = place.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    words = (line.split() for line in lines)
    return any(each[2] == number and each[each.index("-") + 1] == "tmpfs" for each in words if "-" in each)


def _existing(path: Path) -> Path:
    """The path, or what there is of it."""
    while not os.path.lexists(path) and path != path.parent:
        path = path.parent
    return path


def memory(host: Host) -> Finding:
    """Whether the smallest machine fits, at all and now."""
    least = memory_class(0)
    sizes = meminfo(host.proc / "meminfo")
    if "MemTotal" not in sizes:
        return Finding("unusable", f"{host.proc / 'meminfo'} cannot be read", ("mount /proc",))
    if (found := fits(least, host.proc / "meminfo")).state != "ok":
        return found
    available = sizes.get("MemAvailable", sizes["MemTotal"])
    told = f"{_size(available)} of {_size(sizes['MemTotal'])} available"
    if available < least:
        evidence = f"{told}, and the smallest machine has {least >> 20} MiB"
        return Finding("degraded", evidence, ("vmpod top", "vmpod stop POD"), "degraded")
    return ok(told)


def fits(needed: int, path: Path = Path("/proc/meminfo")) -> Finding:
    """Whether a machine of so many bytes is no larger than the host with its swap.

    Less than that is let in: a guest's memory is taken when it is first used, and is given back.
    """
    there = all_memory(path)
    if not there:
        return ok("unknown")  # nothing speaks against it
    if needed <= there:
        return ok(_size(there))
    return Finding(
        "unusable",
        f"the machine needs {needed >> 20} MiB of memory, the host has {there >> 20} MiB with its swap",
        ("lower the memory that its containers request (resources.requests; a limit alone is a request)",),
        "fatal",
        HostMemoryError,
    )


def all_memory(path: Path = Path("/proc/meminfo")) -> int:
    """Bytes that the host has, with its swap; 0 if that cannot be told."""
    sizes = meminfo(path)
    return sizes["MemTotal"] + sizes.get("SwapTotal", 0) if "MemTotal" in sizes else 0


def meminfo(path: Path) -> dict[str, int]:
    """Bytes by name; empty if it cannot be read. Source: proc(5)."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return {}
    words = (line.replace(":", " ").split() for line in lines)
    return {each[0]: int(each[1]) * 1024 for each in words if len(each) > 1 and each[1].isdecimal()}


def _size(count: int) -> str:
    return f"{count >> 20} MiB" if count < 10 << 30 else f"{count >> 30} GiB"
