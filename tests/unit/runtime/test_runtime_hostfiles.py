"""Single files of the host get a name in a directory of the pod."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from vmpod.errors import HostError
from vmpod.plan.model import Share
from vmpod.removable import disk_usage
from vmpod.run import remove_deep
from vmpod.runtime import hostfiles


def _share(tmp_path: Path, file: Path) -> Share:
    return Share("share0", tmp_path / "pod/files/share0", read_only=False, keep_owners=True, file=file)


def test_the_file_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "pod").mkdir()
    (tmp_path / "real").write_text("theirs")
    (tmp_path / "sibling").touch()
    # A kubelet follows links, too.
    (tmp_path / "link").symlink_to("real")
    share = _share(tmp_path, tmp_path / "link")
    hostfiles.put(share)
    assert [path.name for path in share.path.iterdir()] == ["file"]
    assert (share.path / "file").samefile(tmp_path / "real")
    assert not (share.path / "file").is_symlink()
    assert share.path.stat().st_mode & 0o777 == 0o700


def test_the_next_start_has_what_is_there_then(tmp_path: Path) -> None:
    (tmp_path / "pod").mkdir()
    file = tmp_path / "file"
    file.write_text("old")
    share = _share(tmp_path, file)
    hostfiles.put(share)
    (tmp_path / "new").write_text("new")
    (tmp_path / "new").rename(file)
    assert (share.path / "file").read_text() == "old"
    (share.path / "made by a guest").mkdir()
    hostfiles.put(share)
    assert [path.read_text() for path in share.path.iterdir()] == ["new"]


def test_what_is_no_file_any_more(tmp_path: Path) -> None:
    (tmp_path / "pod").mkdir()
    with pytest.raises(HostError, match="is no file any more"):
        hostfiles.put(_share(tmp_path, tmp_path))


def test_a_file_is_made_once(tmp_path: Path) -> None:
    file = tmp_path / "file"
    hostfiles.make(file)
    assert file.stat().st_mode & 0o777 == 0o644 & ~_umask()
    file.write_text("kept")
    hostfiles.make(file)
    assert file.read_text() == "kept"


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert hostfiles.obstacle(tmp_path / "file", tmp_path / "not/yet/there") == ""
    assert hostfiles.obstacle(tmp_path / "to be made", tmp_path) == ""


def test_another_file_system(tmp_path: Path) -> None:
    with tempfile.NamedTemporaryFile(dir="/dev/shm") as file:
        if os.fstat(file.fileno()).st_dev == tmp_path.stat().st_dev:
            pytest.skip("there is one file system")
        told = hostfiles.obstacle(Path(file.name), tmp_path / "pods")
        assert told.startswith(f"{file.name} is on another file system than {tmp_path}: ")
        (tmp_path / "pod").mkdir()
        with pytest.raises(HostError, match="cannot have a second name"):
            hostfiles.put(_share(tmp_path, Path(file.name)))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has files of others at hand")
@pytest.mark.parametrize(("mode", "may"), [(0o644, False), (0o666, True), (0o4777, False), (0o2777, False)])
def test_files_of_others(mode: int, may: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "file").chmod(mode)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os, "access", lambda _path, wanted: not wanted & ~(mode & 7))
    told = hostfiles.obstacle(tmp_path / "file", tmp_path)
    assert told == "" if may else "belongs to another user" in told


def test_a_directory_deeper_than_any_path(tmp_path: Path) -> None:
    """A guest may make one; it can be counted and removed all the same."""
    top = tmp_path / "files"
    top.mkdir()
    here = os.open(top, os.O_DIRECTORY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_DIRECTORY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    assert disk_usage(top) > 0
    remove_deep(top)
    assert not top.exists()
    remove_deep(top)
