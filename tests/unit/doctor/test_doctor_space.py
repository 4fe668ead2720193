"""Room on disks and in memory; the clock."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.unit.doctor.hosts import Place, nobody
from vmpod.doctor import clock, space

MIB = 1 << 20


@pytest.fixture
def disk_with(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes every file system look so."""

    def make(*, free: int = 1 << 30, files: int = 100, flag: int = 0, error: OSError | None = None) -> None:
        def statvfs(_path: Path) -> SimpleNamespace:
            if error:
                raise error
            return SimpleNamespace(
                f_bavail=free // 4096, f_frsize=4096, f_files=100, f_favail=files, f_flag=flag
            )

        monkeypatch.setattr(os, "statvfs", statvfs)

    return make


def test_a_disk_with_room(place: Place) -> None:
    found = space.disks(place.host)
    assert (found.state, found.impact) == ("ok", "none")
    # One file system, told once.
    assert found.evidence.count("of free space") == 1
    assert list(place.top.glob("state")) == []


@pytest.mark.parametrize(
    ("disk", "state", "impact", "evidence"),
    [
        ({"free": 31 * MIB}, "unusable", "fatal", "31 MiB of free space, and a pod's disks need 32 MiB"),
        ({"free": 32 * MIB}, "degraded", "degraded", "32 MiB of free space: few images will fit"),
        ({"free": 512 * MIB}, "ok", "none", "512 MiB of free space"),
        ({"free": 99 << 30}, "ok", "none", "99 GiB of free space"),
        ({"files": 0}, "unusable", "fatal", "has no room for another file"),
        ({"flag": os.ST_RDONLY}, "unusable", "fatal", "is on a file system that is read-only"),
        ({"error": OSError(5, "Input/output error")}, "unusable", "fatal", ": Input/output error"),
    ],
)
def test_disks(
    disk: dict[str, object],
    state: str,
    impact: str,
    evidence: str,
    place: Place,
    disk_with: Callable[..., None],
) -> None:
    disk_with(**disk)
    found = space.disks(place.host)
    assert (found.state, found.impact) == (state, impact)
    assert found.evidence.startswith(str(place.top))
    assert found.evidence.endswith(evidence)
    assert bool(found.mend) is (state != "ok")


def test_a_directory_of_somebody_else(place: Place) -> None:
    place.host.paths.data.mkdir(mode=0o700)
    with nobody():
        found = space.disk(place.host.paths.data / "images")
    if os.geteuid() == 0:
        assert (found.state, found.impact) == ("denied", "fatal")
        assert found.evidence == f"{place.host.paths.data} may not be written by this user"


def test_the_worst_disk_is_told(place: Place) -> None:
    """The state's is fine, the data's is not."""
    place.host.paths.data.symlink_to("/proc")
    found = space.disks(place.host)
    assert found.state != "ok"
    assert found.evidence.startswith(f"{place.host.paths.data} ")


def test_disks_in_memory(place: Place) -> None:
    device = place.top.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    place.write("proc/self/mountinfo", f"22 1 {number} / / rw shared:1 - ext4 /dev/x rw\n23 1 0:9 / /y rw\n")
    assert space.disks(place.host).state == "ok"
    place.write(
        "proc/self/mountinfo", f"22 1 {number} / / rw - tmpfs tmpfs rw\n23 1 0:9 / /y rw - ext4 y rw\n"
    )
    found = space.disks(place.host)
    assert (found.state, found.impact) == ("degraded", "degraded")
    assert found.evidence.startswith(f"{place.top} is in memory (tmpfs)")
    assert any("VMPOD_HOME" in line for line in found.mend)


@pytest.mark.parametrize(
    ("total", "available", "swap", "state", "impact", "evidence"),
    [
        (8 << 20, 4 << 20, 0, "ok", "none", "4096 MiB of 8192 MiB available"),
        (64 << 20, 20 << 20, 0, "ok", "none", "20 GiB of 64 GiB available"),
        (8 << 20, 200 << 10, 0, "degraded", "degraded", "200 MiB of 8192 MiB available, and the smallest"),
        (200 << 10, 100 << 10, 0, "unusable", "fatal", "the host has 200 MiB with its swap"),
        (200 << 10, 180 << 10, 1 << 20, "degraded", "degraded", "180 MiB of 200 MiB available"),
    ],
)
def test_memory(
    total: int, available: int, swap: int, state: str, impact: str, evidence: str, place: Place
) -> None:
    text = (
        f"MemTotal: {total} kB\nMemAvailable:{available} kB\nSwapTotal: {swap} kB\nHugePages_Total: x\nodd\n"
    )
    place.write("proc/meminfo", text)
    found = space.memory(place.host)
    assert (found.state, found.impact) == (state, impact)
    assert evidence in found.evidence


def test_memory_of_a_host_without_proc(place: Place) -> None:
    """Nobody knows, so nothing is held against it."""
    found = space.memory(place.host)
    assert (found.state, found.impact) == ("unusable", "none")
    assert found.evidence == f"{place.top}/proc/meminfo cannot be read"
    assert space.fits(1 << 60, place.top / "proc/meminfo").state == "ok"


# The clock.


@pytest.mark.parametrize(
    ("now", "state"),
    [
        (0.0, "unusable"),
        (1_700_000_000.0, "unusable"),
        (1_800_000_000.0, "ok"),
        (4_200_000_000.0, "unusable"),
    ],
)
def test_years(now: float, state: str, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: now)
    found = clock.clock(place.host)
    assert found.state == state
    assert found.impact == ("none" if state == "ok" else "degraded")
    assert "UTC" in found.evidence


def test_this_host_s_clock_says_whether_it_is_synchronised(place: Place) -> None:
    assert clock.clock(place.host).evidence.endswith("synchronised")
