"""The commands on images."""

from __future__ import annotations

import json
import os
from pathlib import Path

from tests.unit.cli.conftest import Vmpod
from tests.unit.oci.images import MadeImage, docker_archive, member, tar
from tests.unit.state.records import keep, record
from vmpod.state.store import PodStore

APP = MadeImage([tar(member("app", b"app"))], {"Cmd": ["/app"], "Env": ["A=b"]})
NEW = MadeImage([tar(member("app", b"new"))])


def load(vmpod: Vmpod, tmp_path: Path, image: MadeImage, name: str) -> str:
    assert vmpod("image", "load", "-q", docker_archive(tmp_path / "x.tar", image, name)).status == 0
    return vmpod("image", "ls", "-q").out.split()[0]


def test_inspect_shows_all_there_is(vmpod: Vmpod, pods: PodStore, tmp_path: Path) -> None:
    digest = load(vmpod, tmp_path, APP, "localhost/app")
    keep(pods, record("user", images=(digest,)))
    result = vmpod("image", "inspect", "app", "nothing", digest[7:20])
    assert result.status == 125
    assert "'nothing'" in result.err
    first, second = json.loads(result.out)
    assert first == second
    assert first["digest"] == digest
    assert first["names"] == ["localhost/app:latest"]
    assert first["config"] == {"Cmd": ["/app"], "Env": ["A=b"]}
    assert first["pods"] == ["user"]
    assert first["size"] == Path(first["disk"]).stat().st_size
    assert first["id"].startswith("sha256:")


def test_a_name_given_by_tag_leads_to_the_image(vmpod: Vmpod, tmp_path: Path) -> None:
    digest = load(vmpod, tmp_path, APP, "app")
    assert vmpod("image", "tag", "app", "localhost/mine:1").out == "localhost/mine:1\n"
    assert json.loads(vmpod("image", "inspect", "mine:1").out)[0]["digest"] == digest
    assert vmpod("image", "tag", "nothing", "x").status == 125


def test_prune_tells_the_same_bytes_before_and_after(vmpod: Vmpod, pods: PodStore, tmp_path: Path) -> None:
    old = load(vmpod, tmp_path, APP, "app")
    new = load(vmpod, tmp_path, NEW, "app")
    keep(pods, record("user", images=(new,)))
    told = vmpod("image", "prune", "--dry-run").out.splitlines()
    done = vmpod("image", "prune").out.splitlines()
    assert told[:-1] == done[:-1]
    assert told[-1].replace("To free", "Freed") == done[-1]
    assert done[0].startswith(f"image {old}: ")
    assert vmpod("image", "ls", "-q").out == f"{new}\n"
    assert vmpod("image", "prune", "-a").out == "Freed: 0 bytes (0 B)\n"
    assert vmpod("guest", "prune", "--all").out == "Freed: 0 bytes (0 B)\n"


def test_a_damaged_image_does_not_hide_the_others(vmpod: Vmpod, tmp_path: Path) -> None:
    bad = load(vmpod, tmp_path, APP, "a")
    load(vmpod, tmp_path, NEW, "b")
    os.truncate(json.loads(vmpod("image", "inspect", bad).out)[0]["disk"], 10)
    result = vmpod("image", "ls", "-o", "name")
    assert (result.status, result.out) == (125, "docker.io/library/b:latest\n")
    assert "is damaged: it has 10 bytes" in result.err


def test_save_needs_a_place_to_write(vmpod: Vmpod, tmp_path: Path) -> None:
    load(vmpod, tmp_path, APP, "app")
    result = vmpod("image", "save", "-q", "app", "-o", tmp_path / "none/app.tar")
    assert result.status == 125
    assert "No such file or directory" in result.err
    assert vmpod("image", "save", "-q", "nothing", "-o", tmp_path / "app.tar").status == 125
    assert not (tmp_path / "app.tar").exists()
    assert vmpod("image", "save", "-q", "app", "-o", tmp_path / "app.tar").status == 0
    assert vmpod("image", "load", "-q", tmp_path / "app.tar").out == "docker.io/library/app:latest\n"
