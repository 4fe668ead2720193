"""Saved images: the same tree again, read by others, and nothing half written."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.unit.oci.images import MadeImage, docker_archive, hard_link, member, tar
from tests.unit.oci.test_oci_flatten import REAL, facts, unpacked
from vmpod.errors import ImageError, NotFoundError
from vmpod.files import replacing
from vmpod.oci.model import Image
from vmpod.oci.save import Format
from vmpod.oci.store import ImageStore

ROOT = Path(__file__).parents[3]
CONFIG = {
    "Entrypoint": ["/bin/su"],
    "Cmd": ["-l"],
    "Env": ["PATH=/bin", "A=b=c"],
    "User": "1000:1001",
    "WorkingDir": "/var",
    "Labels": {"x": "y"},
    "ExposedPorts": {"80/tcp": {}, "53/udp": {}},
    "Volumes": {"/data": {}},
    "StopSignal": "SIGQUIT",
}
LINKS = tar(
    member("a/first", b"one file", mode=0o640, uid=7, gid=8, pax_headers={"SCHILY.xattr.user.k": "v"}),
    hard_link("a/second", "a/first", mode=0o640, uid=7, gid=8),
    hard_link("z", "a/first", mode=0o640, uid=7, gid=8),
    member("zeros", bytes(3 << 20)),
    member("n\udcff\n", b"a strange name"),
)
WHOLE = MadeImage([*REAL, LINKS], CONFIG)
SMALL = MadeImage([tar(member("small", b"small"))], {"Cmd": ["/small"]})


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "store")


def load(store: ImageStore, tmp_path: Path, image: MadeImage, *names: str) -> Image:
    [loaded] = store.load(docker_archive(tmp_path / "image.tar", image, *names))
    return loaded


def save(store: ImageStore, path: Path, *names: str, form: Format = "oci-archive") -> Path:
    with path.open("wb") as sink:
        store.save(names, sink, form)
    return path


FORMS = pytest.mark.parametrize("form", ["oci-archive", "docker-archive"])


@FORMS
@pytest.mark.skipif(os.geteuid() != 0, reason="unpacking owners and devices needs root")
def test_what_is_saved_and_loaded_is_the_same(store: ImageStore, tmp_path: Path, form: Format) -> None:
    image = load(store, tmp_path, WHOLE, "whole:1")
    first = save(store, tmp_path / "first.tar", "whole:1", form=form)
    elsewhere = ImageStore(tmp_path / "elsewhere")
    [again] = elsewhere.load(first)
    assert again.names == image.names
    assert (again.config, again.created, again.architecture) == (
        image.config,
        image.created,
        image.architecture,
    )
    before, after = facts(unpacked(image.disk, tmp_path / "a")), facts(unpacked(again.disk, tmp_path / "b"))
    assert after == before
    assert before["z"][4] == 3
    # The digest is another, but only once: the archive of the archive is the archive.
    assert again.digest != image.digest
    second = save(elsewhere, tmp_path / "second.tar", "whole:1", form=form)
    assert second.read_bytes() == first.read_bytes()
    assert ImageStore(tmp_path / "third").load(second)[0].digest == again.digest


@FORMS
def test_skopeo_reads_it(store: ImageStore, tmp_path: Path, form: Format) -> None:
    load(store, tmp_path, WHOLE, "me/whole:1")
    path = save(store, tmp_path / "saved.tar", "me/whole:1", form=form)
    name = f"{form}:{path}:docker.io/me/whole:1"
    raw = subprocess.run(["skopeo", "inspect", "--config", name], check=True, stdout=subprocess.PIPE).stdout
    found: dict[str, Any] = json.loads(raw)
    assert found["config"] == CONFIG
    assert found["created"] == "2024-01-02T03:04:05Z"
    # It checks every digest and size on the way.
    subprocess.run(["skopeo", "copy", "--quiet", name, f"oci:{tmp_path}/copy:x"], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="unpacking owners and devices needs root")
def test_umoci_unpacks_it_to_the_same_tree(store: ImageStore, tmp_path: Path) -> None:
    image = load(store, tmp_path, WHOLE, "whole:1")
    path = save(store, tmp_path / "saved.tar", "whole:1")
    subprocess.run(
        ["skopeo", "copy", "--quiet", f"oci-archive:{path}", f"oci:{tmp_path}/layout:x"], check=True
    )
    argv = ["umoci", "unpack", "--image", f"{tmp_path}/layout:x", str(tmp_path / "bundle")]
    subprocess.run(argv, check=True, capture_output=True)
    theirs = facts(tmp_path / "bundle/rootfs")
    assert theirs == facts(unpacked(image.disk, tmp_path / "ours"))


@FORMS
def test_several_images_go_into_one_archive(store: ImageStore, tmp_path: Path, form: Format) -> None:
    small = load(store, tmp_path, SMALL, "small:1", "small:2", "small:3")
    load(store, tmp_path, WHOLE, "whole")
    path = save(store, tmp_path / "all.tar", "small:1", "whole", "docker.io/library/small:2", form=form)
    found = ImageStore(tmp_path / "elsewhere")
    found.load(path)
    assert [image.names for image in found.list()] == [
        ("docker.io/library/small:1", "docker.io/library/small:2"),
        ("docker.io/library/whole:latest",),
    ]
    # By its digest an image has all its names; a name with a digest would be untrue.
    save(store, path, f"small@{small.digest}", form=form)
    assert [image.names for image in ImageStore(tmp_path / "x").load(path)] == [("localhost/all:latest",)]
    save(store, path, small.digest[7:20], form=form)
    assert ImageStore(tmp_path / "y").load(path)[-1].names == small.names


def test_an_image_that_is_not_there_writes_nothing(store: ImageStore, tmp_path: Path) -> None:
    load(store, tmp_path, SMALL, "small")
    sink = io.BytesIO()
    with pytest.raises(NotFoundError, match="'no'"):
        store.save(["small", "no"], sink, "oci-archive")
    assert sink.getvalue() == b""


def test_a_damaged_disk_is_told(store: ImageStore, tmp_path: Path) -> None:
    image = load(store, tmp_path, WHOLE, "whole")
    with image.disk.open("r+b") as disk:
        disk.write(bytes(200))
    with pytest.raises(ImageError, match=f"{image.disk} cannot be read"):
        store.save(["whole"], io.BytesIO(), "oci-archive")


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), replacing(path) as sink:
        sink.write(b"half" * (1 // 0))
    assert path.read_bytes() == b"old"
    (tmp_path / "link").symlink_to("file")
    with replacing(tmp_path / "link") as sink:
        sink.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    with replacing(Path("/dev/null")) as sink:
        sink.write(b"gone")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "link"]


def vmpod(home: Path, *words: object, **options: Any) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-m", "vmpod", *map(str, words)]
    return subprocess.Popen(argv, cwd=ROOT, env=os.environ | {"VMPOD_HOME": str(home)}, **options)


def test_whoever_is_killed_while_saving_leaves_nothing(tmp_path: Path) -> None:
    store = ImageStore(tmp_path / "home/data/images")
    load(store, tmp_path, MadeImage([tar(member("big", os.urandom(30 << 20)))]), "big")
    target = tmp_path / "target"
    target.mkdir()
    with vmpod(
        tmp_path / "home", "image", "save", "big", "-o", target / "a.tar", stderr=subprocess.PIPE
    ) as saving:
        assert saving.stderr
        assert saving.stderr.readline().startswith(b"Reading")
        assert saving.stderr.readline().startswith(b"Reading")
        assert saving.stderr.readline().startswith(b"Writing")
        saving.send_signal(signal.SIGKILL)
    assert list(target.iterdir()) == []
    with vmpod(tmp_path / "home", "image", "save", "-q", "big", stdout=subprocess.PIPE) as piped:
        assert piped.stdout
        with tarfile.open(fileobj=piped.stdout, mode="r|") as archive:
            assert "index.json" in [info.name for info in archive]
    assert piped.returncode == 0


def test_an_archive_is_not_written_to_a_terminal(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    with vmpod(tmp_path, "image", "save", "x", stdout=theirs, stderr=subprocess.PIPE) as refused:
        said = refused.communicate()[1]
    assert refused.returncode == 125
    assert b"nothing for a terminal" in said
    os.close(ours)
    os.close(theirs)
