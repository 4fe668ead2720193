"""The disks that sqfstar and the change of their root directory make, read by unsquashfs and the kernel."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from vmpod.errors import HostError
from vmpod.oci.squashfs import DiskFormat, packing
from vmpod.oci.squashfs_root import set_root
from vmpod.tar import write as tarwrite
from vmpod.tar.read import Entry, Kind

ROOT = Entry(b"", Kind.DIRECTORY, 0o711, uid=5, gid=7, mtime=1_000_000_000)


def packed(path: Path, entries: Iterable[Entry], root: Entry = ROOT, form: DiskFormat | None = None) -> Path:
    with packing(path, root, form or DiskFormat()) as sink:
        for entry in entries:
            sink.write(tarwrite.header(entry) + b"x" * entry.size + tarwrite.padding(entry.size))
        sink.write(tarwrite.END)
    return path


def listed(path: Path) -> dict[str, tuple[str, str, str]]:
    """Mode, owner and date by name, '' for the root; read from what unsquashfs lists."""
    argv = ["unsquashfs", "-lln", "-no-progress", str(path)]
    out = subprocess.run(
        argv, check=True, stdout=subprocess.PIPE, env=os.environ | {"TZ": "UTC"}
    ).stdout.decode()
    lines = [line.split(maxsplit=5) for line in out.splitlines() if "squashfs-root" in line]
    return {
        words[5].removeprefix("squashfs-root").lstrip("/"): (words[0], words[1], words[3]) for words in lines
    }


def files(count: int, *, owners: int = 1, **fields: object) -> list[Entry]:
    return [Entry(b"f%05d" % number, Kind.FILE, uid=number % owners, **fields) for number in range(count)]  # type: ignore[arg-type]


@pytest.mark.parametrize("compression", ["lz4", "gzip", "zstd", "none"])
def test_the_root_directory_is_the_image_s(tmp_path: Path, compression: str) -> None:
    disk = packed(tmp_path / "disk", files(3, size=9), form=DiskFormat(compression))
    found = listed(disk)
    assert found[""] == ("drwx--x--x", "5/7", "2001-09-09")
    assert found["f00000"][:2] == ("-rw-r--r--", "0/0")
    assert disk.stat().st_size % 4096 == 0


# One block of the inode table has 8192 bytes, a file's inode 32, a link's 24 and its target: the root's
# inode, the last, slides over the end of the block.
@pytest.mark.parametrize("length", [1, 7, 8, 9, 20, 23, 24, 25, 38, 39, 40, 41])
def test_the_root_may_lie_across_two_blocks(tmp_path: Path, length: int) -> None:
    link = Entry(b"z", Kind.SYMLINK, 0o777, link=b"t" * length)
    found = listed(packed(tmp_path / "disk", [*files(254), link]))
    assert found[""] == ("drwx--x--x", "5/7", "2001-09-09")
    assert len(found) == 256


@pytest.mark.parametrize("owners", [1, 2045, 2046, 2047, 2048, 2049, 4100])
def test_the_root_s_owner_joins_any_number_of_owners(tmp_path: Path, owners: int) -> None:
    entries = files(owners, owners=owners)
    root = Entry(b"", Kind.DIRECTORY, 0o755, uid=3_000_000_000, gid=2_000_000_000)
    found = listed(packed(tmp_path / "disk", entries, root))
    assert found.pop("")[1] == "3000000000/2000000000"
    assert {name: words[1] for name, words in found.items()} == {
        f"f{number:05}": f"{number}/0" for number in range(owners)
    }


def test_attributes_survive_a_new_owner(tmp_path: Path) -> None:
    # More different attribute sets than one block has room for.
    entries = [Entry(b"f%03d" % n, Kind.FILE, xattrs={b"user.n": b"%d" % n}) for n in range(600)]
    disk = packed(tmp_path / "disk", entries)
    subprocess.run(
        ["unsquashfs", "-no-progress", "-quiet", "-dest", str(tmp_path / "out"), str(disk)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    for number in (0, 300, 599):
        assert os.getxattr(tmp_path / f"out/f{number:03}", "user.n") == b"%d" % number


def test_the_kernel_reads_it_too(tmp_path: Path) -> None:
    entries = [
        Entry(b"f%05d" % n, Kind.FILE, uid=n, size=3, xattrs={b"user.n": b"%d" % n}) for n in range(3000)
    ]
    disk = packed(tmp_path / "disk", entries)
    place = tmp_path / "mounted"
    place.mkdir()
    mount = ["mount", "-o", "loop,ro", str(disk), str(place)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting needs root and loop devices")
    try:
        status = place.stat()
        assert (status.st_mode & 0o7777, status.st_uid, status.st_gid) == (0o711, 5, 7)
        assert status.st_mtime == ROOT.mtime
        last = place / "f02999"
        assert (last.stat().st_uid, last.read_bytes(), os.getxattr(last, "user.n")) == (2999, b"xxx", b"2999")
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_the_same_stream_gives_the_same_bytes(tmp_path: Path) -> None:
    entries = files(40, size=200_000)
    first = packed(tmp_path / "first", entries).read_bytes()
    assert packed(tmp_path / "second", entries).read_bytes() == first


def test_what_sqfstar_refuses_is_told(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="sqfstar"), packing(tmp_path / "disk", ROOT) as sink:
        sink.write(b"no tar at all" * 100)
    (tmp_path / "other").write_bytes(bytes(200))
    with pytest.raises(HostError, match="unexpected"):
        set_root(tmp_path / "other", uid=0, gid=0, mode=0, mtime=0)
