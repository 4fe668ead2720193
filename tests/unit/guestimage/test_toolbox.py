"""The toolbox: built once, and what is left of earlier ones."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from vmpod.errors import HostError
from vmpod.guestimage import toolbox
from vmpod.guestimage.toolbox import ToolboxStore
from vmpod.guestimage.tree import Node, file
from vmpod.progress import SILENT


@pytest.fixture
def packages(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Stands for mmdebstrap: packages with busybox, and bash without a library. Notes who asks."""
    asked: list[Any] = []

    def unpack(recipe: Any, _directory: Path, _said: Any) -> dict[str, Node]:
        asked.append(recipe)
        program = file(Path("/bin/busybox").read_bytes(), executable=True)
        loader = file(b"loader", executable=True)
        return {
            "usr/bin/busybox": program,
            "usr/sbin/tc": program,
            toolbox._LOADER: loader,
            "usr/bin/x": program,
        }

    monkeypatch.setattr(toolbox, "unpack", unpack)
    return asked


def test_it_is_built_once(tmp_path: Path, packages: list[Any]) -> None:
    store = ToolboxStore(tmp_path / "toolbox")
    disk = store.ensure(SILENT)
    assert store.ensure(SILENT) == disk
    (recipe,) = packages
    assert {"strace", "tcpdump", "iproute2"} <= set(recipe.packages)
    listed = subprocess.run(["unsquashfs", "-l", disk], check=True, capture_output=True, text=True).stdout
    names = {line.removeprefix("squashfs-root/") for line in listed.splitlines()}
    assert {"usr/bin/busybox", "usr/bin/tc", "usr/bin/sh", "usr/bin/ls", "etc/passwd", "proc"} <= names
    assert "usr/bin/x" not in names, "nobody asked for it"


def test_one_that_cannot_be_built_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unpack(*_arguments: object) -> dict[str, Node]:
        raise HostError("no mirror")

    monkeypatch.setattr(toolbox, "unpack", unpack)
    store = ToolboxStore(tmp_path)
    with pytest.raises(HostError):
        store.ensure(SILENT)
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


def test_what_others_made_goes(tmp_path: Path, packages: list[Any]) -> None:
    assert packages == []
    store = ToolboxStore(tmp_path)
    assert store.prune() == []
    disk = store.ensure(SILENT)
    (tmp_path / "0123456789abcdef.squashfs").write_bytes(b"x" * 5000)
    (tmp_path / "mmdebstrap.xyz").mkdir()
    told = store.prune(dry_run=True)
    assert [each.name for each in told] == ["0123456789abcdef.squashfs", "mmdebstrap.xyz"]
    assert store.prune() == told
    assert sorted(path.name for path in tmp_path.iterdir()) == [disk.name, "lock"]
