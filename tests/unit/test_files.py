"""Copies of sparse files."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from vmpod.files import copy_extents

SIZE = 64 * 1024 * 1024


@pytest.mark.parametrize("places", [[], [0], [4096 * 100], [0, SIZE // 2, SIZE - 512]])
def test_a_sparse_file_is_copied_with_its_holes(places: list[int], tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    with source.open("wb") as file:
        file.truncate(SIZE)
        for place in places:
            file.seek(place)
            file.write(os.urandom(512))
    copy_extents(source, target)
    assert target.read_bytes() == source.read_bytes()
    assert target.stat().st_blocks <= source.stat().st_blocks + 8


def test_a_file_is_copied_to_another_file_system(tmp_path: Path) -> None:
    """Templates and pods may lie on different ones."""
    source = tmp_path / "source"
    source.write_bytes(os.urandom(200_000))
    with tempfile.TemporaryDirectory(dir="/dev/shm") as there:
        target = Path(there, "target")
        assert target.parent.stat().st_dev != tmp_path.stat().st_dev
        copy_extents(source, target)
        assert target.read_bytes() == source.read_bytes()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"new")
    (tmp_path / "target").write_bytes(b"old")
    with pytest.raises(FileExistsError):
        copy_extents(tmp_path / "source", tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == b"old"
