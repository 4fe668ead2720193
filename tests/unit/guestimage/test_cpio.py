"""The initrd archives, read back by the cpio program."""

from __future__ import annotations

import subprocess
from pathlib import Path

from vmpod.guestimage.cpio import archive
from vmpod.guestimage.tree import directory, file, link


def unpack(data: bytes, into: Path) -> None:
    subprocess.run(["cpio", "-idm", "--quiet"], input=data, cwd=into, check=True)


def test_contents_modes_and_links_survive(tmp_path: Path) -> None:
    big = bytes(range(256)) * 33 + b"odd"
    unpack(
        archive(
            {"init": file(big, executable=True), "a/b/c": file(b""), "l": link("a/b"), "d": directory(0o1777)}
        ),
        tmp_path,
    )
    assert (tmp_path / "init").read_bytes() == big
    assert (tmp_path / "init").stat().st_mode & 0o7777 == 0o755
    assert (tmp_path / "a/b/c").read_bytes() == b""
    assert (tmp_path / "l").readlink() == Path("a/b")
    assert (tmp_path / "d").stat().st_mode & 0o7777 == 0o1777


def test_order_does_not_matter_to_the_bytes() -> None:
    one, two = file(b"1"), file(b"2")
    assert archive({"b": one, "a": two}) == archive({"a": two, "b": one})


def test_parents_come_before_their_children() -> None:
    data = archive({"x/y/z": file(b"")})
    listing = subprocess.check_output(["cpio", "-it", "--quiet"], input=data)
    assert listing.split() == [b"x", b"x/y", b"x/y/z"]


def test_a_second_archive_can_follow() -> None:
    assert len(archive({"a": file(b"12345")})) % 512 == 0
