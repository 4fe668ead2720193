"""The images that tests and examples make: what vmpod itself, and skopeo, find in them."""

from __future__ import annotations

import io
import json
import re
import subprocess
import tarfile
from pathlib import Path

import pytest

from examples.build import fill, recipes
from tests import images
from vmpod.oci import archive
from vmpod.oci.store import ImageStore
from vmpod.spec.load import load

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


def test_busybox_runs_and_has_its_users(tmp_path: Path) -> None:
    store = ImageStore(tmp_path / "store")
    (image,) = store.load(images.busybox_archive(tmp_path / "busybox.tar", config={"User": "web"}))
    assert image.names == ("localhost/busybox:latest",)
    assert (image.config.cmd, image.config.user, image.config.env) == (("sh",), "web", (("PATH", "/bin"),))
    root = tmp_path / "root"
    unpack: list[str | Path] = ["unsquashfs", "-no-progress", "-quiet", "-dest", root, image.disk]
    subprocess.run(unpack, check=True, stdout=subprocess.DEVNULL)
    assert "web:x:1000:1001:" in (root / "etc/passwd").read_text()
    done = subprocess.run([root / "bin/sh", "-c", "exit 42"], executable=root / "bin/busybox", check=False)
    assert done.returncode == 42


def test_layers_in_order_with_owners_and_modes(tmp_path: Path) -> None:
    lower = images.layer(images.directory("srv", mode=0o2750, owner=(7, 8)), images.plain("srv/a", b"old"))
    upper = images.layer(images.plain("srv/a", b"new", mode=0o600), images.link("srv/b", "a"))
    path = images.oci_archive(tmp_path / "two.tar", "localhost/two:1", [lower, upper], {"Cmd": ["/srv/a"]})
    (image,) = ImageStore(tmp_path / "store").load(path)
    listed = subprocess.run(
        ["unsquashfs", "-lln", image.disk], check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    assert re.search(r"^drwxr-s--- 7/8 .* squashfs-root/srv$", listed, re.MULTILINE)
    assert re.search(r"^-rw------- 0/0 +3 .* squashfs-root/srv/a$", listed, re.MULTILINE)
    assert re.search(r"^lrwxrwxrwx .* squashfs-root/srv/b -> a$", listed, re.MULTILINE)
    content = subprocess.run(["unsquashfs", "-cat", image.disk, "srv/a"], check=True, stdout=subprocess.PIPE)
    assert content.stdout == b"new"


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = (images.busybox_archive(tmp_path / name).read_bytes() for name in ("a.tar", "b.tar"))
    assert first == second
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar", "b.tar"]


def test_skopeo_reads_them(tmp_path: Path) -> None:
    path = images.busybox_archive(tmp_path / "busybox.tar", "localhost/busybox:7")
    argv = ["skopeo", "inspect", f"oci-archive:{path}:localhost/busybox:7"]
    found = json.loads(subprocess.run(argv, check=True, stdout=subprocess.PIPE).stdout)
    assert (found["Architecture"], found["Os"], found["Env"]) == ("amd64", "linux", ["PATH=/bin"])


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "x.tar").mkdir()
    with pytest.raises(IsADirectoryError):
        images.oci_archive(tmp_path / "x.tar", "localhost/x:1", [images.layer()])
    assert [path.name for path in tmp_path.iterdir()] == ["x.tar"]


def test_a_large_layer_is_read_back(tmp_path: Path) -> None:
    big = images.layer(images.plain("big", bytes(range(256)) * 40_000))
    path = images.oci_archive(tmp_path / "big.tar", "localhost/big:1", [big])
    with archive.opened(path, tmp_path) as found:
        assert [[str(name) for name in each.names] for each in found] == [["localhost/big:1"]]


@pytest.mark.parametrize(
    "example", ["hello", "nginx-php", "tomcat-war", "parallel-job", "postgres-fork", "systemd", "podman"]
)
def test_the_examples_use_the_images_that_they_make(example: str) -> None:
    made = {recipe.name for recipe in recipes(EXAMPLES / example / "images.toml")}
    (path,) = (EXAMPLES / example).glob("*.yaml")
    manifest = load(path.read_text(), source=str(path))
    pods = [*manifest.pods, *(job.template for job in manifest.jobs)]
    assert {each.image for pod in pods for each in pod.every_container} == made
    assert not [note for pod in manifest.pods for note in pod.notes]
    assert not [note for job in manifest.jobs for note in job.notes]


def test_what_a_recipe_makes_itself_is_undated(tmp_path: Path) -> None:
    """Else its layer would be another one each time; and only what is asked for is in it."""
    (war, _) = recipes(EXAMPLES / "tomcat-war" / "images.toml")
    times = {"usr/bin/busybox": 1000, "usr/bin/javac": 1001, "hello.war": 2000}
    members = [images.plain(name, b"content") for name in times]
    for member, _ in members:
        member.mtime = times[member.name]
    packages = images.layer(*members)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as layer:
        assert fill(layer, io.BytesIO(packages), war, began=2000.5) == 1000
    out.seek(0)
    with tarfile.open(fileobj=out) as layer:
        found = {member.name: member.mtime for member in layer if member.isreg()}
    assert found == {"usr/bin/busybox": 1000, "hello.war": 0}
