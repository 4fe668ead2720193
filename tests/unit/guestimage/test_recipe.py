"""The recipe, its hash, and where packages come from."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vmpod.errors import GuestImageError
from vmpod.guestimage.recipe import load, recipe_directory, recipe_key
from vmpod.guestimage.sources import parse_targets, source_lines

TOP = Path(__file__).parents[3]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(recipe_directory(), tmp_path / "images"))


def test_the_recipe_is_complete() -> None:
    recipe = load(recipe_directory())
    assert recipe.command_line.keys() == {"tcg", "kvm"}
    assert all("console=ttyS0" in line and "panic=-1" in line for line in recipe.command_line.values())
    assert {"virtio_pci", "virtio_blk", "virtio_console", "squashfs"} <= set(recipe.boot_modules)


def test_kvm_guests_stay_hardened() -> None:
    words = load(recipe_directory()).command_line["kvm"].split()
    assert not {"nokaslr", "mitigations=off", "init_on_alloc=0", "audit=0"} & set(words)


def test_the_key_follows_the_content_alone(copy: Path) -> None:
    key = recipe_key(copy)
    assert key == recipe_key(recipe_directory())
    (copy / "README.md").write_text("other words")
    (copy / "guest.toml").touch()
    assert recipe_key(copy) == key
    (copy / "prepare").write_text((copy / "prepare").read_text() + "# more\n")
    assert recipe_key(copy) != key


@pytest.mark.parametrize("text", ["suite = [", "suite = 'bookworm'\n", ""])
def test_a_broken_recipe_names_its_file(copy: Path, text: str) -> None:
    (copy / "guest.toml").write_text(text)
    with pytest.raises(GuestImageError, match=r"guest\.toml"):
        load(copy)


def test_only_debians_own_archives_are_used() -> None:
    listing = (
        "http://mirror.example/debian/|bookworm|main|Debian\n"
        "http://mirror.example/debian/|bookworm|main|Debian\n"
        "http://mirror.example/debian/|trixie|main|Debian\n"
        "http://packages.example/debian|bookworm|main|Example\n"
        "http://mirror.example/sec|bookworm-security|main|Debian\n"
        "http://mirror.example/debian/|bookworm|contrib|Debian\n"
    )
    lines = [
        line.rsplit("]", 1)[-1].removeprefix("deb").split() for line in parse_targets(listing, "bookworm")
    ]
    assert lines == [
        ["http://mirror.example/debian", "bookworm", "main"],
        ["http://mirror.example/sec", "bookworm-security", "main"],
    ]


def test_addresses_must_do_where_apt_knows_no_origins() -> None:
    listing = (
        "http://m.example/debian/|bookworm|main|$(ORIGIN)\nhttp://m.example/x/|bookworm|main|$(ORIGIN)\n"
    )
    assert len(parse_targets(listing, "bookworm")) == 1


def test_a_mirror_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VMPOD_DEBIAN_MIRROR", "http://m.example/debian http://m.example/debian-security/")
    assert [line.split()[-3:] for line in source_lines("bookworm")] == [
        ["http://m.example/debian", "bookworm", "main"],
        ["http://m.example/debian-security/", "bookworm-security", "main"],
    ]


def test_an_installed_package_carries_recipe_and_agent(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in ("vmpod", "images"):
        shutil.copytree(
            TOP / name, source / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copy(TOP / "pyproject.toml", source)
    (source / "README.md").touch()
    setup = "import warnings; warnings.simplefilter('ignore'); from setuptools import setup; setup()"
    argv = [sys.executable, "-c", setup, "-q", "build", "--build-base", "../base", "--build-lib", "../built"]
    subprocess.run(argv, cwd=source, check=True, capture_output=True)
    built = tmp_path / "built" / "vmpod"
    assert {path.name for path in (built / "images").iterdir()} >= {"guest.toml", "prepare"}
    for directory in ("guest-agent/vmpod_agent", "wire", "guestimage"):
        expected = {path.relative_to(TOP / "vmpod") for path in (TOP / "vmpod" / directory).rglob("*.py")}
        assert expected == {path.relative_to(built) for path in (built / directory).rglob("*.py")}
