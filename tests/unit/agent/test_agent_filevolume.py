"""Files of a volume that are exchanged all at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmpod_agent.filevolume import FileVolume

Files = dict[str, bytes]


def write(directory: Path, files: Files) -> bool:
    told = [(path, content, 0o640, os.geteuid()) for path, content in files.items()]
    return FileVolume(str(directory), -1).write(told)


def seen(directory: Path) -> Files:
    """What a container sees: every file by its path, hidden directories left out."""
    found = {}
    for top, directories, names in os.walk(directory, followlinks=True):
        directories[:] = [each for each in directories if not each.startswith("..")]
        for name in names:
            path = Path(top, name)
            found[str(path.relative_to(directory))] = path.read_bytes()
    return found


def test_files_are_links_into_one_directory(tmp_path: Path) -> None:
    assert write(tmp_path, {"a": b"1", "deep/b": b"2", "deep/c": b"3"})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["..data", "..version_0", "a", "deep"]
    assert (tmp_path / "a").readlink() == Path("..data/a")
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640
    assert seen(tmp_path) == {"a": b"1", "deep/b": b"2", "deep/c": b"3"}


def test_what_is_the_same_is_left_alone(tmp_path: Path) -> None:
    write(tmp_path, {"a": b"1", "b/c": b"2"})
    before = (tmp_path / "..data").readlink()
    assert not write(tmp_path, {"b/c": b"2", "a": b"1"})
    assert (tmp_path / "..data").readlink() == before
    for changed in ({"a": b"1"}, {"a": b"1", "b/c": b"2", "d": b""}, {"a": b"1", "b/c": b"3"}):
        write(tmp_path, {"a": b"1", "b/c": b"2"})
        assert write(tmp_path, changed)


def test_one_that_is_open_can_be_read_on(tmp_path: Path) -> None:
    write(tmp_path, {"a": b"old"})
    with (tmp_path / "a").open("rb") as file:
        write(tmp_path, {"a": b"new"})
        assert file.read() == b"old"
    assert (tmp_path / "a").read_bytes() == b"new"


def test_others_may_be_kept(tmp_path: Path) -> None:
    """As they are: their modes, too."""
    volume, own = FileVolume(str(tmp_path), -1), os.geteuid()
    volume.write([("a", b"1", 0o400, own), ("deep/b", b"2", 0o640, own), ("c", b"3", 0o644, own)])
    assert volume.write([("deep/b", b"new", 0o640, own)], keep=True)
    assert seen(tmp_path) == {"a": b"1", "deep/b": b"new", "c": b"3"}
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("a", "deep/b", "c")] == [
        0o400,
        0o640,
        0o644,
    ]
    assert not volume.write([("deep/b", b"new", 0o640, own)], keep=True)


NAMES = st.sampled_from(["a", "b", "c", "d/e", "d/f", "g/h/i"])
VERSIONS = st.lists(st.dictionaries(NAMES, st.binary(max_size=3), max_size=5), min_size=1, max_size=5)


@given(VERSIONS)
def test_after_any_changes_the_last_files_are_there_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, versions: list[Files]
) -> None:
    directory = tmp_path_factory.mktemp("volume")
    for files in versions:
        write(directory, files)
        assert seen(directory) == files
    assert len([path for path in directory.iterdir() if path.name.startswith("..version")]) == 1
