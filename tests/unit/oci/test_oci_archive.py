"""Archives and layouts, made by hand and by real tools."""

from __future__ import annotations

import gzip
import json
import subprocess
from pathlib import Path

import pytest

from tests.unit.oci.images import Layout, MadeImage, docker_archive, member, named, platform, symlink, tar
from vmpod.errors import ArchitectureError, ImageError
from vmpod.oci import archive
from vmpod.oci.flatten import flatten

LAYER = tar(member("etc/", b""), member("etc/hello", b"hello"))
IMAGE = MadeImage([LAYER], {"Env": ["PATH=/bin", "EMPTY"], "Cmd": ["sh"], "User": "nobody"})
OTHER = MadeImage([LAYER, LAYER])
ARM = MadeImage([LAYER], architecture="arm64")


def load(path: Path, scratch: Path | None = None) -> list[tuple[str, list[str]]]:
    """Digest and names of each image; every one is read through."""
    found = []
    with archive.opened(path, scratch or path.parent) as images:
        for image in images:
            flatten(image.source.layers)
            found.append((image.source.digest, [str(name) for name in image.names]))
    return found


def names(path: Path) -> list[list[str]]:
    return [names for _, names in load(path)]


def test_a_docker_archive_has_its_names(tmp_path: Path) -> None:
    path = docker_archive(tmp_path / "My App.tar", IMAGE, "app:1", "localhost/app")
    assert names(path) == [["docker.io/library/app:1", "localhost/app:latest"]]


def test_the_configuration_is_read(tmp_path: Path) -> None:
    with archive.opened(docker_archive(tmp_path / "x.tar", IMAGE), tmp_path) as [image]:
        config = image.source.configuration.config
    assert config.env == (("PATH", "/bin"), ("EMPTY", ""))
    assert (config.cmd, config.user, config.entrypoint) == (("sh",), "nobody", ())


@pytest.mark.parametrize(
    ("file", "name"),
    [("My App_2.tar", "my-app-2"), ("web.tar.gz", "web"), ("x.OCI.tar", "x"), ("----.tar", "image")],
)
def test_an_image_without_a_name_is_called_after_its_file(tmp_path: Path, file: str, name: str) -> None:
    assert names(docker_archive(tmp_path / file, IMAGE)) == [[f"localhost/{name}:latest"]]


def test_the_same_docker_image_has_the_same_digest(tmp_path: Path) -> None:
    [(first, _)] = load(docker_archive(tmp_path / "a.tar", IMAGE, "a"))
    [(second, _)] = load(docker_archive(tmp_path / "b.tar", IMAGE, "b"))
    [(other, _)] = load(docker_archive(tmp_path / "c.tar", OTHER))
    assert first == second != other


@pytest.mark.parametrize("packer", ["gzip", "zstd"])
def test_a_compressed_archive_is_unpacked(tmp_path: Path, packer: str) -> None:
    path = docker_archive(tmp_path / "a.tar", IMAGE)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    packed = tmp_path / "a.tar.x"
    packed.write_bytes(subprocess.run([packer, "-c", path], check=True, stdout=subprocess.PIPE).stdout)
    assert load(packed, scratch)[0][0] == load(path)[0][0]


@pytest.mark.parametrize(
    "link", [symlink("1/layer.tar", "../0/layer.tar"), symlink("1/layer.tar", "../x/../0/layer.tar")]
)
def test_a_layer_may_be_a_link_to_another(tmp_path: Path, link: object) -> None:
    listing = [{"Config": "c.json", "RepoTags": [], "Layers": ["0/layer.tar", "1/layer.tar"]}]
    path = tmp_path / "linked.tar"
    path.write_bytes(
        tar(
            member("./0/layer.tar", LAYER),
            link,  # type: ignore[arg-type]
            member("c.json", OTHER.configuration()),
            member("manifest.json", json.dumps(listing).encode()),
        )
    )
    assert names(path) == [["localhost/linked:latest"]]


def test_a_layout_has_its_names(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "web")
    layout.write(
        layout.manifest(IMAGE, **named("v1")),
        layout.manifest(IMAGE, **named("docker.io/me/app:2")),
        layout.manifest(OTHER, annotations={"io.containerd.image.name": "ghcr.io/a/b:c"}),
    )
    assert names(layout.root) == [["localhost/web:v1"], ["docker.io/me/app:2"], ["ghcr.io/a/b:c"]]


def test_several_images_without_names_stay_apart(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "web")
    layout.write(layout.manifest(IMAGE), layout.manifest(OTHER))
    first, second = load(layout.root)
    assert first[1] == [f"localhost/web:{first[0][7:19]}"]
    assert second[1] == [f"localhost/web:{second[0][7:19]}"]


@pytest.mark.parametrize("nested", [False, True])
def test_our_platform_is_chosen(tmp_path: Path, nested: bool) -> None:
    layout = Layout(tmp_path / "multi")
    ours = layout.manifest(IMAGE, **platform("amd64"))
    all_of_them = [
        layout.manifest(ARM, **platform("arm64")),
        layout.manifest(OTHER, **platform("amd64", variant="v3")),
        ours,
        layout.manifest(ARM, platform={"os": "unknown", "architecture": "unknown"}),
    ]
    layout.write(layout.index(*all_of_them, **named("x"))) if nested else layout.write(*all_of_them)
    assert [digest for digest, _ in load(layout.root)] == [ours["digest"]]


@pytest.mark.parametrize("nested", [False, True])
def test_a_foreign_image_is_refused_with_what_there_is(tmp_path: Path, nested: bool) -> None:
    layout = Layout(tmp_path / "multi")
    arms = [layout.manifest(ARM, **platform("arm", variant="v7")), layout.manifest(ARM, **platform("arm64"))]
    layout.write(layout.index(*arms) if nested else arms[0], *([] if nested else arms[1:]))
    with pytest.raises(ArchitectureError, match=r"for linux/amd64, only for: linux/arm/v7, linux/arm64"):
        load(layout.root)
    # Nothing beside the configuration says so here.
    with pytest.raises(ImageError, match="only for: linux/arm64"):
        load(docker_archive(tmp_path / "arm.tar", ARM))


def test_layers_may_be_packed_in_any_way(tmp_path: Path) -> None:
    zstd = subprocess.run(["zstd", "-c"], input=LAYER, check=True, stdout=subprocess.PIPE).stdout
    half = len(LAYER) // 2
    members = gzip.compress(LAYER[:half]) + gzip.compress(LAYER[half:]) + bytes(512)
    layout = Layout(tmp_path / "l")
    layout.write(layout.manifest(MadeImage([LAYER] * 4), packed=[LAYER, gzip.compress(LAYER), zstd, members]))
    assert len(load(layout.root)) == 1


@pytest.mark.parametrize(
    ("packed", "reason"),
    [
        (gzip.compress(LAYER, mtime=0)[:-20], "ends too early|damaged"),
        (gzip.compress(LAYER, mtime=0)[:30] + b"\xff" * 40, "damaged"),
        (
            subprocess.run(["zstd", "-c"], input=LAYER, check=True, stdout=-1).stdout[:-9],
            "zstd data is damaged|too early",
        ),
        (b"BZh91AY&SY", "bzip2"),
        (gzip.compress(b"no tar", mtime=0), "sound tar"),
        (gzip.compress(LAYER + bytes(512), mtime=0), "does not match its digest"),
    ],
)
def test_a_damaged_layer_is_refused(tmp_path: Path, packed: bytes, reason: str) -> None:
    layout = Layout(tmp_path / "l")
    layout.write(layout.manifest(MadeImage([LAYER]), packed=[packed]))
    with pytest.raises(ImageError, match=reason):
        load(layout.root)


def test_a_blob_with_another_content_is_refused(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "l")
    descriptor = layout.manifest(IMAGE)
    layout.write(descriptor)
    blob = layout.root / "blobs" / descriptor["digest"].replace(":", "/")
    blob.write_bytes(blob.read_bytes() + b" ")
    with pytest.raises(ImageError, match="another content"):
        load(layout.root)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "neither"),
        (b"text" * 1000, "not a sound tar"),
        (tar(member("x", b"")), "neither a docker-archive"),
        (tar(member("manifest.json", b"[")), "is not JSON"),
        (tar(member("manifest.json", b"[]")), "0 images"),
        (tar(member("manifest.json", b"[1]")), "is not an object"),
        (tar(member("manifest.json", b'[{"Config": 1}]')), "'Config' is not a JSON string"),
        (tar(member("manifest.json", b'[{"Config": "c"}]')), "no member 'c'"),
        (tar(member("manifest.json", b"[" * 100_000)), "is not JSON"),
        (
            tar(member("index.json", b'{"manifests": [{"digest": "sha256:../../x", "size": 1}]}')),
            "is not 'sha256:'",
        ),
        (tar(member("index.json", b'{"manifests": []}')), "holds no image"),
    ],
)
def test_what_is_no_image_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=reason) as caught:
        load(path)
    assert "x.tar" in caught.value.message


def test_a_missing_file_and_a_wrong_directory_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no such file"):
        load(tmp_path / "none.tar")
    with pytest.raises(ImageError, match="is not an OCI layout"):
        load(tmp_path)


@pytest.mark.parametrize("form", ["docker-archive", "oci-archive", "oci"])
def test_what_skopeo_writes_is_read(tmp_path: Path, form: str) -> None:
    layout = Layout(tmp_path / "made")
    layout.write(layout.manifest(OTHER, **named("x")))
    target = tmp_path / "copy"
    argv = ["skopeo", "copy", "--quiet", f"oci:{layout.root}:x", f"{form}:{target}:me/app:7"]
    subprocess.run(argv, check=True)
    assert names(target) == [["docker.io/me/app:7"]]
