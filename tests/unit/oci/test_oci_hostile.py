"""Whatever an image holds: an error of ours or a disk, in bounded time and space, and nothing outside."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import subprocess
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.oci.images import Layout, MadeImage, digest, docker_archive, hard_link, member, symlink, tar
from tests.unit.oci.test_oci_flatten import REAL
from tests.unit.oci.test_oci_tar import damaged
from vmpod.errors import ImageError, UsageError, VmpodError
from vmpod.oci import jsonfields, manifest, record
from vmpod.oci.flatten import Layer, Limits, flatten
from vmpod.oci.limits import VARIABLE, max_size
from vmpod.oci.manifest import Configuration
from vmpod.oci.record import Record
from vmpod.oci.store import ImageStore

LAYER = tar(member("etc/", b""), member("etc/hello", b"hello"))
GOOD = MadeImage([LAYER], {"Env": ["A=b"], "Cmd": ["sh"]})


def outside(root: Path) -> dict[str, tuple[int, int, bytes]]:
    """Everything below a directory that is not the store."""
    return {
        str(path): (
            path.lstat().st_mode,
            path.lstat().st_mtime_ns,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in root.rglob("*")
        if "store" not in path.relative_to(root).parts
    }


ESCAPES = {
    "climbs": [member("../../victim/x", b"x")],
    "climbs in the middle": [member("a/../../../victim/x", b"x")],
    "absolute": [member("/victim/x", b"x")],
    "through a link": [symlink("out", "../../../victim"), member("out/x", b"x")],
    "through an absolute link": [symlink("out", "{outside}"), member("out/x", b"x")],
    "through a link to a link": [symlink("a", "/"), symlink("b", "a{outside}"), member("b/victim/x", b"x")],
    "a hard link out": [hard_link("x", "../../victim/file")],
    "a hard link to an absolute path": [hard_link("x", "{outside}/victim/file")],
    "a hard link through a link": [symlink("out", "{outside}/victim"), hard_link("x", "out/file")],
    "a whiteout of the root": [member(".wh.", b"")],
    "a whiteout of the parent": [member(".wh...", b"")],
    "a whiteout through a link": [symlink("out", "{outside}"), member("out/.wh.victim", b"")],
    "an opaque root": [member(".wh..wh..opq", b"")],
    "an opaque marker outside": [symlink("out", "{outside}"), member("out/victim/.wh..wh..opq", b"")],
    "an opaque directory": [member("d/.wh..wh..opq/", b""), member("d/x", b"")],
    "a device": [member("sda", type=tarfile.BLKTYPE, devmajor=8, devminor=0)],
    "a device in a parent's place": [
        member("d", type=tarfile.CHRTYPE, devmajor=1, devminor=1),
        member("d/x", b""),
    ],
    "the root as a file": [member(".", b"x")],
    "the root as a link": [symlink("./", "{outside}"), member("victim/x", b"x")],
}


@pytest.mark.parametrize("name", ESCAPES)
def test_nothing_leaves_the_store(tmp_path: Path, name: str) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "file").write_text("untouched")
    entries = []
    for info, content in ESCAPES[name]:
        info.name, info.linkname = (
            text.replace("{outside}", str(tmp_path)) for text in (info.name, info.linkname)
        )
        entries.append((info, content))
    path = docker_archive(tmp_path / "x.tar", MadeImage([LAYER, tar(*entries)]))
    before = outside(tmp_path)
    store = ImageStore(tmp_path / "store")
    try:
        [image] = store.load(path)
    except ImageError:
        assert store.list() == []
    else:
        argv = ["unsquashfs", "-ls", "-no-progress", str(image.disk)]
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
    assert outside(tmp_path) == before
    assert list((tmp_path / "store/staging").iterdir()) == []


@pytest.mark.parametrize("packer", ["gzip", "zstd"])
def test_a_bomb_is_refused_by_what_it_says(
    tmp_path: Path, packer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """94 MB of zeros, in a file that says so: refused before they are unpacked."""
    info, _ = member("zeros")
    info.size = 90 << 20
    plain = tmp_path / "plain"
    plain.write_bytes(info.tobuf(tarfile.PAX_FORMAT))
    os.truncate(plain, info.size + 1536)
    blob = subprocess.run([packer, "-1", "-c", plain], check=True, stdout=subprocess.PIPE).stdout
    layout = Layout(tmp_path / "layout")
    layout.write(layout.manifest(MadeImage([b"some other layer"]), packed=[blob]))
    monkeypatch.setenv(VARIABLE, "80M")
    begin = time.monotonic()
    with pytest.raises(ImageError, match="unpacks to more than 80000000 bytes") as caught:
        ImageStore(tmp_path / "store").load(layout.root)
    assert VARIABLE in str(caught.value.hint)
    assert time.monotonic() - begin < 10


@pytest.mark.parametrize("packer", ["gzip", "zstd"])
def test_a_packed_archive_of_zeros_takes_no_space(
    tmp_path: Path, packer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = docker_archive(tmp_path / "plain.tar", GOOD)
    os.truncate(plain, 90 << 20)
    packed = tmp_path / "packed.tar.x"
    with packed.open("wb") as out:
        subprocess.run([packer, "-1", "-c", plain], check=True, stdout=out)
    plain.unlink()
    store = tmp_path / "store"
    ImageStore(store).load(packed)
    assert sum(path.stat().st_blocks for path in store.rglob("*")) * 512 < 1 << 20
    monkeypatch.setenv(VARIABLE, "80M")
    with pytest.raises(ImageError, match=r"packed\.tar\.x: unpacks to more than 80000000 bytes"):
        ImageStore(tmp_path / "other").load(packed)


@pytest.mark.parametrize("text", ["much", "-1", "0", "1e999", "1" * 100])
def test_the_bound_is_a_quantity(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(UsageError, match=VARIABLE):
        max_size()


def test_endless_entries_are_bounded() -> None:
    header = tar(member("f", b""))[:512]

    class Endless(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            count = max(1, len(buffer) // 512) * 512
            buffer[:count] = header * (count // 512)
            return count

    layer = Layer("", digest(b""), lambda: io.BufferedReader(Endless()), "endless")
    with pytest.raises(ImageError, match="more than 20000 entries"):
        flatten([layer], limits=Limits(entries=20_000))


def test_deep_directories_end_at_the_longest_path(tmp_path: Path) -> None:
    deep = MadeImage([tar(member("d/" * 2047, b""))])
    ImageStore(tmp_path / "store").load(docker_archive(tmp_path / "a.tar", deep))
    # Each link leads to where the last one ended: every entry is short, and the path is endless.
    parts = [symlink("l0", "d/" * 1000), member("l0/d/", b"")]
    parts += [part for n in range(1, 4) for part in (symlink(f"l{n}", f"l{n - 1}/{'d/' * 900}"),)]
    parts += [member(f"l{n}/{'d/' * 900}", b"") for n in range(4)]
    with pytest.raises(ImageError, match=r"path of the image is longer|too many symbolic links"):
        ImageStore(tmp_path / "other").load(docker_archive(tmp_path / "b.tar", MadeImage([tar(*parts)])))


@pytest.mark.parametrize("size", [60_000, 70_000, 900_000])
def test_large_attributes_are_kept_or_refused(tmp_path: Path, size: int) -> None:
    image = MadeImage([tar(member("f", b"x", pax_headers={"SCHILY.xattr.user.a": "v" * size}))])
    store = ImageStore(tmp_path / "store")
    try:
        store.load(docker_archive(tmp_path / "x.tar", image))
    except VmpodError:
        assert store.list() == []


def refused(tmp_path: Path, layout: Layout, reason: str) -> None:
    store = ImageStore(tmp_path / "store")
    with pytest.raises(ImageError, match=reason):
        store.load(layout.root)
    assert store.list() == []


def configured(tmp_path: Path, text: bytes) -> Layout:
    """A layout of one layer with that configuration."""
    layout = Layout(tmp_path / "layout")
    value = {
        "schemaVersion": 2,
        "config": layout.blob(text, "application/vnd.oci.image.config.v1+json"),
        "layers": [layout.blob(LAYER, "application/vnd.oci.image.layer.v1.tar")],
    }
    layout.write(layout.blob(json.dumps(value).encode(), "application/vnd.oci.image.manifest.v1+json"))
    return layout


def with_config(**fields: Any) -> bytes:
    value: dict[str, Any] = json.loads(GOOD.configuration())
    value["config"] |= fields
    return json.dumps(value).encode()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"{}", "not the configuration"),
        (b"[]", "not a JSON object"),
        (with_config(Padding="x" * jsonfields.MAX_DOCUMENT), "too large"),
        (with_config(Cmd=[["sh"]]), "Cmd"),
        (with_config(Env={"A": "b"}), "Env"),
        (with_config(User=12), "User"),
        (with_config(Labels={"a": {"b": 1}}), "Labels"),
        (with_config(Cmd=["a\0b"]), "without NUL"),
        (GOOD.configuration().replace(b"sha256:", b"sha512:"), "diff_ids"),
        (GOOD.configuration().replace(b'["sha256:', b'["sha256:' + b"0" * 64 + b'", "sha256:'), "2 in the"),
        (GOOD.configuration().replace(b"linux", b"windows"), "only for: windows/amd64"),
        (b'{"rootfs": ' + b"[" * 100_000, "not JSON"),
        (b'{"rootfs": {"diff_ids": []}, "n": ' + b"9" * 10_000 + b"}", "not JSON|layers, but 0"),
    ],
)
def test_a_configuration_that_is_none_is_refused(tmp_path: Path, text: bytes, reason: str) -> None:
    refused(tmp_path, configured(tmp_path, text), reason)


def test_an_odd_configuration_is_taken_as_it_is(tmp_path: Path) -> None:
    odd = with_config(User="root\nroot:x", Env=["A", "=b", "C=d=e\nf"], Labels=None, Cmd=None, Memory=1e300)
    [image] = ImageStore(tmp_path / "store").load(configured(tmp_path, odd).root)
    assert image.config.env == (("A", ""), ("", "b"), ("C", "d=e\nf"))
    assert image.config.user == "root\nroot:x"
    assert ImageStore(tmp_path / "store").list() == [image]


def test_indexes_inside_indexes_end(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "layout")
    inner = layout.manifest(GOOD)
    for _ in range(5):
        inner = layout.index(inner)
    layout.write(inner)
    refused(tmp_path, layout, "indexes inside indexes")


def test_a_manifest_that_is_its_own_layer_is_no_image(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "layout")
    config = layout.blob(GOOD.configuration())
    value = {"schemaVersion": 2, "config": config, "layers": [config]}
    layout.write(layout.blob(json.dumps(value).encode()))
    refused(tmp_path, layout, "not a sound tar")


@pytest.mark.parametrize("size", [0, 1 << 62])
def test_a_size_that_lies_changes_nothing_or_is_refused(tmp_path: Path, size: int) -> None:
    layout = Layout(tmp_path / "layout")
    layout.write(layout.manifest(GOOD) | {"size": size, "mediaType": "text/plain"})
    [image] = ImageStore(tmp_path / "store").load(layout.root)
    assert image.config.cmd == ("sh",)


KEYS = [
    "config",
    "rootfs",
    "diff_ids",
    "layers",
    "manifests",
    "digest",
    "size",
    "mediaType",
    "platform",
    "os",
]
KEYS += ["architecture", "annotations", "urls", "Env", "Cmd", "User", "Labels", "ExposedPorts", "Volumes"]
KEYS += ["created", "StopSignal", "WorkingDir", "Entrypoint", "fsLayers", "variant"]
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from([digest(b""), digest(LAYER), "linux", "amd64", "A=b"])
)  # fmt: skip
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(KEYS), JSON, max_size=6))
def test_any_json_is_a_manifest_or_refused(value: Any) -> None:
    try:
        manifest.parse_manifest(json.dumps(value).encode(), "x")
    except ImageError:
        return


@given(JSON, JSON, JSON)
def test_any_configuration_is_kept_as_it_is_or_refused(
    tmp_path_factory: pytest.TempPathFactory, config: Any, rootfs: Any, created: Any
) -> None:
    value = {"config": config, "rootfs": rootfs or {}, "created": created}
    try:
        found = manifest.parse_configuration(json.dumps(value).encode(), "x")
    except ImageError:
        return
    assert isinstance(found, Configuration)
    json.dumps(found.config.to_json())
    path = tmp_path_factory.getbasetemp() / "kept.json"
    kept = Record(digest(b""), digest(b""), found.config, found.created, "amd64", 1)
    record.write_record(path, kept)
    assert record.read_record(path) == kept


@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_file_of_the_store_is_read_or_damaged(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    for data in (content, b'{"version": 1, "names": %s, "config": %s}' % (content, content)):
        path.write_bytes(data)
        for read in (record.read_record, record.read_names):
            with contextlib.suppress(ImageError):
                read(path)


TAR = REAL[0] + REAL[1]
HEADERS = [at for at in range(0, len(TAR), 512) if TAR[at + 257 : at + 262] == b"ustar"]


@given(
    st.lists(
        st.tuples(st.sampled_from(HEADERS), st.integers(0, 500), st.binary(min_size=1, max_size=12)),
        max_size=4,
    ),
    st.integers(0, 3),
)
def test_any_damage_to_a_layer_is_merged_or_refused(
    changes: list[tuple[int, int, bytes]], packing: int
) -> None:
    """The checksums fit, so that the damage goes in; gzip around it, or some of it cut off."""
    data = bytearray(TAR)
    for header, at, value in changes:
        data[header : header + 512] = damaged(bytes(data[header : header + 512]), min(at, 500), value)[:512]
    plain = bytes(data)
    blob = [plain, gzip.compress(plain, 1), gzip.compress(plain, 1)[:-200], plain[: len(plain) // 2]][packing]
    layer = Layer("", digest(plain), lambda: io.BytesIO(blob), "x")
    try:
        flatten([layer, layer]).write(io.BytesIO())
    except ImageError:
        return
