"""A full disk while images are pulled, converted and saved; and once there is room, all works."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.registry import running_registry
from tests.unit.cli.conftest import Vmpod
from tests.unit.oci.images import Layout, MadeImage, docker_archive, member, named, tar

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a small filesystem needs root")

NOISE = MadeImage([tar(member("noise", os.urandom(6 << 20)))], {"Cmd": ["/noise"]})
ROOM = "64m"


@contextmanager
def small(place: Path, size: str) -> Iterator[Path]:
    """A filesystem of that size, mounted for the time of the block."""
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def grow(place: Path) -> None:
    subprocess.run(["mount", "-o", f"remount,size={ROOM}", place], check=True)


def fill(path: Path) -> None:
    """Write until there is no room."""
    with path.open("wb", buffering=0) as filler, contextlib.suppress(OSError):
        while filler.write(bytes(4096)):
            pass


def stored(home: Path) -> list[str]:
    """What is in the store besides locks."""
    images = home / "data/images"
    return [path.name for part in ("disks", "staging") for path in (images / part).glob("*")]


def fails_for_room(vmpod: Vmpod, *words: object) -> None:
    result = vmpod(*words)
    assert result.status == 125, result
    assert "no space left on the disk that holds" in result.err.lower(), result.err
    assert "Traceback" not in result.err


# Less than the layer; enough for the layer, and not for the disk as well.
@pytest.mark.parametrize("size", ["3m", "9m"])
def test_while_pulling_and_converting(
    vmpod: Vmpod, tmp_path: Path, size: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "registry"
    root.mkdir()
    with running_registry(root) as registry, small(tmp_path / "home", size) as home:
        for name, value in registry.write_client_config(tmp_path).items():
            monkeypatch.setenv(name, value)
        layout = Layout(tmp_path / "layout")
        layout.write(layout.manifest(NOISE, **named("x")))
        registry.push(f"oci:{layout.root}:x", "noise:1")
        fails_for_room(vmpod, "image", "pull", "-q", registry.name("noise:1"))
        assert stored(home) == []
        grow(home)
        assert vmpod("image", "pull", "-q", registry.name("noise:1")).status == 0
        assert len(stored(home)) == 1


def test_while_loading_a_packed_archive(vmpod: Vmpod, tmp_path: Path) -> None:
    path = docker_archive(tmp_path / "noise.tar", NOISE, "noise")
    subprocess.run(["gzip", "-1", path], check=True)
    with small(tmp_path / "home", "4m") as home:
        fails_for_room(vmpod, "image", "load", "-q", f"{path}.gz")
        assert stored(home) == []
        grow(home)
        assert vmpod("image", "load", "-q", f"{path}.gz").out == "docker.io/library/noise:latest\n"


def test_while_names_are_written(vmpod: Vmpod, tmp_path: Path) -> None:
    with small(tmp_path / "home", ROOM) as home:
        assert vmpod("image", "load", "-q", docker_archive(tmp_path / "n.tar", NOISE, "noise")).status == 0
        before = vmpod("image", "ls", "-o", "json").out
        fill(home / "filler")
        fails_for_room(vmpod, "image", "tag", "noise", "further")
        assert vmpod("image", "ls", "-o", "json").out == before
        (home / "filler").unlink()
        assert vmpod("image", "tag", "noise", "further").status == 0


def test_while_saving(vmpod: Vmpod, tmp_path: Path) -> None:
    assert vmpod("image", "load", "-q", docker_archive(tmp_path / "n.tar", NOISE, "noise")).status == 0
    with small(tmp_path / "target", "2m") as target:
        (target / "saved.tar").write_text("older")
        fails_for_room(vmpod, "image", "save", "-q", "noise", "-o", target / "saved.tar")
        assert [path.name for path in target.iterdir()] == ["saved.tar"]
        assert (target / "saved.tar").read_text() == "older"
        grow(target)
        assert vmpod("image", "save", "-q", "noise", "-o", target / "saved.tar").status == 0
        assert (target / "saved.tar").stat().st_size > 6 << 20
