"""Disks that are attached: which is which, and what becomes of their file systems."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from tests.unit.agent.harness import run_until
from vmpod_agent import attached
from vmpod_agent.loop import Loop
from vmpod_agent.reaper import Reaper


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Directories in place of the kernel's, with a disk at place 3."""
    monkeypatch.setattr(attached, "_HOSTS", str(tmp_path / "hosts"))
    monkeypatch.setattr(attached, "_DEVICES", str(tmp_path / "devices"))
    monkeypatch.setattr(attached, "_PATIENCE", 0.01)
    monkeypatch.setattr(attached, "load_drivers", lambda: None)
    (tmp_path / "hosts/host2").mkdir(parents=True)
    (tmp_path / "hosts/host2/scan").touch()
    disk = tmp_path / "devices/2:0:3:0"
    # A name that has a device node on every host.
    (disk / "block/null").mkdir(parents=True)
    (disk / "vpd_pg80").write_bytes(b"\0\x80\0\x07claim-a")
    return tmp_path


def test_a_disk_is_looked_for_at_its_place(machine: Path) -> None:
    assert attached.find(3, "claim-a") == "/dev/null"
    assert (machine / "hosts/host2/scan").read_text() == "0 3 0"


def test_another_disk_is_not_taken_for_it(machine: Path) -> None:
    with pytest.raises(OSError, match="the disk at place 3 is 'claim-a'"):
        attached.find(3, "claim-b")
    with pytest.raises(OSError, match="there is no disk at place 4"):
        attached.find(4, "claim-a")


@pytest.mark.parametrize("options", [["-b", "4096", "-O", "64bit"], ["-b", "1024", "-O", "^64bit"]])
def test_the_size_of_a_file_system(tmp_path: Path, options: list[str]) -> None:
    disk = tmp_path / "disk"
    disk.touch()
    os.truncate(disk, 20 * 1024 * 1024)
    subprocess.run(["mkfs.ext4", "-q", "-F", *options, disk], check=True)
    count, size = attached.blocks(disk.read_bytes()[1024:2048])
    assert (count * size, size) == (20 * 1024 * 1024, int(options[1]))


def test_all_is_given_to_a_group_once(tmp_path: Path) -> None:
    group = os.getgid()
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/file").touch(mode=0o600)
    (tmp_path / "a/link").symlink_to("/etc/passwd")
    before = Path("/etc/passwd").stat().st_mode
    tmp_path.chmod(0o755)
    assert not attached.is_given(str(tmp_path), group)
    attached.give(str(tmp_path), group)
    assert attached.is_given(str(tmp_path), group)
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("", "a/b", "a/b/file")]
    assert [mode & 0o2070 for mode in modes[:2]] == [0o2070, 0o2070]
    assert modes[2] & 0o060 == 0o060
    assert Path("/etc/passwd").stat().st_mode == before, "links are not followed"


def test_a_program_stays_its_owners(tmp_path: Path) -> None:
    """The kernel takes the bit off a file that is given away."""
    other = next((each for each in os.getgroups() if each != os.getgid()), 1)
    program = tmp_path / "program"
    program.touch()
    program.chmod(0o4711)
    try:
        attached.give(str(tmp_path), other)
    except PermissionError:
        pytest.skip("this user has one group alone")
    assert stat.S_IMODE(program.stat().st_mode) == 0o4771


def test_files_are_given_beside_all_else(tmp_path: Path, loop: Loop) -> None:
    (tmp_path / "a").touch(mode=0o600)
    told: list[str] = []
    reaper = Reaper(loop)
    attached.give_beside([str(tmp_path)], os.getgid(), reaper, told.append)
    assert not told
    run_until(loop, lambda: told)
    assert told == [""]
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) & 0o660 == 0o660
    told.clear()
    attached.give_beside([str(tmp_path / "b")], os.getgid(), reaper, told.append)
    run_until(loop, lambda: told)
    assert told == [f"{tmp_path}/b: No such file or directory"]
