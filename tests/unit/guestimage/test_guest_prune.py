"""Pruning guest images."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.guestimage.test_store import ID, agent, root
from vmpod.guestimage.store import GuestStore
from vmpod.progress import SILENT
from vmpod.removable import disk_usage

__all__ = ["agent", "root"]

OLD, OTHER = "1111111111111111", "2222222222222222"


@pytest.fixture
def store(root: Path, agent: Path) -> GuestStore:
    """Besides the current image a replaced one, one of another recipe, and what killed builds leave."""
    found = GuestStore(root, agent=agent)
    found.ensure(SILENT)
    for name in (OLD, OTHER):
        shutil.copytree(root / "images" / ID, root / "images" / name)
        (root / "initrds" / f"{name}-aaaaaaaaaaaa").write_bytes(bytes(9000))
    (root / "recipes/ffffffffffffffff").symlink_to(Path("..") / "images" / OTHER)
    (root / "recipes/.eeeeeeeeeeeeeeee.new").symlink_to(Path("..") / "images" / OLD)
    (root / "images/.build").mkdir()
    (root / "images/.build/root").write_bytes(bytes(50_000))
    (root / "initrds" / f"{ID}-bbbbbbbbbbbb").write_bytes(b"older agent")
    (root / "initrds" / f".{ID}-cccccccccccc.77").write_bytes(b"half")
    return found


def names(root: Path) -> set[str]:
    return {path.name for part in ("images", "initrds", "recipes") for path in (root / part).iterdir()}


def test_what_is_replaced_goes(store: GuestStore, root: Path) -> None:
    image = store.describe()
    before = disk_usage(root)
    told = store.prune(dry_run=True)
    assert disk_usage(root) == before
    assert store.prune() == told
    assert {(item.kind, Path(item.name).name) for item in told} == {
        ("guest-image", OLD),
        ("initrd", f"{ID}-bbbbbbbbbbbb"),
        ("initrd", f"{OLD}-aaaaaaaaaaaa"),
        ("initrd", f"{OTHER}-aaaaaaaaaaaa"),
        ("leftover", ".build"),
        ("leftover", f".{ID}-cccccccccccc.77"),
        ("leftover", ".eeeeeeeeeeeeeeee.new"),
    }
    assert before - disk_usage(root) == sum(item.size for item in told)
    assert store.describe() == image
    assert image.initrd.exists()
    assert [info.id for info in store.list()] == [ID, OTHER]


def test_everything_takes_the_images_of_other_recipes(store: GuestStore, root: Path) -> None:
    store.prune(everything=True)
    (link,) = (root / "recipes").iterdir()
    assert names(root) == {ID, store.describe().initrd.name, link.name}


def test_what_a_running_machine_uses_stays(store: GuestStore, root: Path, tmp_path: Path) -> None:
    # It knows the store under another name, as a user who shares it by a link does.
    (tmp_path / "link").symlink_to(root)
    files = [tmp_path / f"link/images/{OLD}/root", tmp_path / f"link/initrds/{ID}-bbbbbbbbbbbb"]
    wait = "import sys; print(flush=True); sys.stdin.read()"
    argv = [sys.executable, "-c", wait, "-initrd", str(files[1]), f'{{"filename":"{files[0]}"}}']
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as machine:
        assert machine.stdout
        machine.stdout.readline()
        store.prune(everything=True)
        assert all(path.exists() for path in files)
    store.prune(everything=True)
    assert not any(path.exists() for path in files)


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path, agent: Path) -> None:
    assert GuestStore(tmp_path / "none", agent=agent).prune() == []
    assert not (tmp_path / "none").exists()
