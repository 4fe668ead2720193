"""The store, with images that a builder has left there."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path

import pytest

from vmpod.errors import GuestImageError, NotFoundError
from vmpod.guestimage.model import GuestImage
from vmpod.guestimage.recipe import recipe_directory, recipe_key
from vmpod.guestimage.store import GuestStore
from vmpod.progress import SILENT

ID = "0123456789abcdef"


@pytest.fixture
def agent(tmp_path: Path) -> Path:
    directory = tmp_path / "vmpod_agent"
    directory.mkdir()
    (directory / "__init__.py").write_text("")
    return directory


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A store with one image, made from the current recipe."""
    image = tmp_path / "store" / "images" / ID
    image.mkdir(parents=True)
    for name in ("kernel", "initrd", "root"):
        (image / name).write_bytes(name.encode() * 128)
    description = {
        "kernel_release": "6.1.0",
        "python_magic": importlib.util.MAGIC_NUMBER.hex(),
        "packages": ["busybox-static_1.35_amd64"],
        "command_line": {"tcg": "a", "kvm": "b"},
    }
    (image / "guest.json").write_text(json.dumps(description))
    recipes = tmp_path / "store" / "recipes"
    recipes.mkdir()
    (recipes / recipe_key(recipe_directory())).symlink_to(Path("..") / "images" / ID)
    return tmp_path / "store"


def ensure(root: Path, agent: Path) -> GuestImage:
    return GuestStore(root, agent=agent).ensure(SILENT)


def test_an_image_that_is_there_is_not_built(root: Path, agent: Path) -> None:
    image = ensure(root, agent)
    assert image.id.startswith(ID)
    assert image.command_line == {"tcg": "a", "kvm": "b"}
    assert image.initrd.read_bytes().startswith(b"initrd" * 128 + b"070701")


def test_another_agent_gives_another_initrd_and_id(root: Path, agent: Path) -> None:
    before = ensure(root, agent)
    assert ensure(root, agent) == before
    (agent / "more.py").write_text("A = 1\n")
    after = ensure(root, agent)
    assert after.id != before.id
    assert after.initrd != before.initrd
    assert after.root == before.root


def test_no_half_written_initrd_remains(root: Path, agent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        ensure(root, agent)
    assert list((root / "initrds").iterdir()) == []


def test_the_list_tells_the_current_one(root: Path) -> None:
    (info,) = GuestStore(root).list()
    assert (info.id, info.current, info.kernel_release) == (ID, True, "6.1.0")
    assert info.size == 128 * len("kernelinitrdroot")


def test_removal_takes_everything_of_an_image(root: Path, agent: Path) -> None:
    ensure(root, agent)
    store = GuestStore(root, agent=agent)
    store.remove(ID)
    assert store.list() == []
    assert [path for name in ("images", "initrds", "recipes") for path in (root / name).iterdir()] == []


def test_removing_what_is_not_there_is_an_error(root: Path) -> None:
    with pytest.raises(NotFoundError, match=r"'\.\./images'"):
        GuestStore(root).remove("../images")


def test_an_unreadable_description_names_its_file(root: Path, agent: Path) -> None:
    (root / "images" / ID / "guest.json").write_text("{")
    with pytest.raises(GuestImageError, match=r"guest\.json"):
        ensure(root, agent)
