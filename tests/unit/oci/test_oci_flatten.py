"""Layers merged: the rules one by one, then against a simple model, then against another unpacker."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.oci import layer_model
from tests.unit.oci.images import Layout, MadeImage, digest, hard_link, member, named, symlink, tar
from vmpod.errors import ImageError
from vmpod.oci.flatten import Layer, Limits, flatten
from vmpod.oci.squashfs import packing


def layers(*blobs: bytes) -> list[Layer]:
    return [Layer("", digest(blob), lambda blob=blob: io.BytesIO(blob), "image") for blob in blobs]  # type: ignore[misc]


def merged(*blobs: bytes) -> dict[str, tarfile.TarInfo]:
    """The stream's members by name; a file's content is in `pax_headers['content']`."""
    out = io.BytesIO()
    flatten(layers(*blobs)).write(out)
    out.seek(0)
    found = {}
    with tarfile.open(fileobj=out) as archive:
        for info in archive:
            if info.isreg():
                file = archive.extractfile(info)
                assert file
                info.pax_headers = {**info.pax_headers, "content": file.read().decode("latin-1")}
            assert info.name not in found
            found[info.name] = info
    return found


def content(found: dict[str, tarfile.TarInfo], name: str) -> str:
    info = found[name]
    return content(found, info.linkname) if info.islnk() else info.pax_headers["content"]


def test_an_upper_file_replaces_a_lower_one() -> None:
    found = merged(tar(member("a", b"old"), member("b", b"b")), tar(member("./a", b"new", mode=0o4755)))
    assert content(found, "a") == "new"
    assert found["a"].mode == 0o4755
    assert content(found, "b") == "b"


def test_an_absolute_path_is_one_from_the_root() -> None:
    assert set(merged(tar(member("/a/b", b"x")))) == {"a", "a/b"}


def test_the_last_of_duplicate_entries_counts() -> None:
    assert content(merged(tar(member("a", b"1"), member("a", b"22"), member("./a", b"3"))), "a") == "3"


@pytest.mark.parametrize("upper", [[".wh.d"], ["d/.wh..wh..opq", "d/.wh.x"]])
def test_a_whiteout_hides_lower_files(upper: list[str]) -> None:
    found = merged(
        tar(member("d/", mode=0o700), member("d/x", b"x")), tar(*(member(name, b"") for name in upper))
    )
    assert "d/x" not in found
    assert ("d" in found) == (len(upper) == 2)


def test_a_whiteout_spares_its_own_layer_in_any_order() -> None:
    lower = tar(member("d/", mode=0o700), member("d/x", b"x"))
    for upper in (
        [member("d/", mode=0o711), member("d/y", b"y"), member(".wh.d", b"")],
        [member("d/y", b"y"), member("d/.wh..wh..opq", b""), member("d/", mode=0o711)],
    ):
        found = merged(lower, tar(*upper))
        assert set(found) == {"d", "d/y"}
        assert found["d"].mode == 0o711


def test_a_whiteout_of_what_is_not_there_does_nothing() -> None:
    assert set(merged(tar(member("a", b"")), tar(member("q/.wh.r", b""), member(".wh.s", b"")))) == {"a"}


def test_aufs_notes_are_dropped() -> None:
    assert merged(tar(member(".wh..wh.plnk/", b""), member(".wh..wh.aufs", b""))) == {}


@pytest.mark.parametrize("name", [".wh.", ".wh..", "d/.wh...", "../x", "a/../../x", "x" * 256])
def test_a_path_that_leads_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(ImageError, match=r"whiteout of|leads upwards|longer than 255"):
        merged(tar(member("d/", b""), member(name, b"")))


def test_types_change() -> None:
    lower = tar(member("d/", b""), member("d/x", b"x"), member("f", b"f"), symlink("s", "d"))
    found = merged(
        lower, tar(member("d", b"file"), member("f/", b""), member("f/y", b"y"), member("s/", b""))
    )
    assert found["d"].isreg()
    assert "d/x" not in found
    assert found["f"].isdir()
    assert found["s"].isdir()


def test_a_parent_that_is_a_link_is_followed_inside_the_root() -> None:
    lower = tar(
        symlink("lib", "usr/lib"),
        symlink("up", "../../../usr"),
        symlink("abs", "/usr"),
        member("usr/lib/", b""),
    )
    found = merged(
        lower,
        tar(member("lib/a", b"a"), member("up/b", b"b"), member("abs/c", b"c"), member("lib/.wh.z", b"")),
    )
    assert {"usr/lib/a", "usr/b", "usr/c"} < set(found)
    assert found["lib"].issym()


def test_a_link_may_lead_upwards() -> None:
    lower = tar(member("a/b/c/", b""), symlink("a/b/up", "../d"), symlink("a/top", "../../../e"))
    assert {"a/d/x", "e/y"} < set(merged(lower, tar(member("a/b/up/x", b"x"), member("a/top/y", b"y"))))


def test_missing_parents_are_made() -> None:
    found = merged(tar(symlink("l", "not/there"), member("l/x", b"x"), member("a/b/c", b"c")))
    assert {"not", "not/there", "not/there/x", "a", "a/b"} < set(found)
    assert (found["a"].mode, found["a"].uid) == (0o755, 0)


def test_a_loop_of_links_is_refused() -> None:
    with pytest.raises(ImageError, match="too many symbolic links"):
        merged(tar(symlink("a", "b"), symlink("b", "a"), member("a/x", b"")))


def test_a_hard_link_joins_a_lower_file_and_keeps_it() -> None:
    found = merged(tar(member("a", b"old")), tar(hard_link("b", "a", mode=0o600)), tar(member("a", b"new")))
    assert content(found, "a") == "new"
    assert content(found, "b") == "old"
    found = merged(
        tar(member("a", b"one"), hard_link("z/b", "./a"), hard_link("c", "/z/b", mode=0o600, uid=7))
    )
    assert {found["c"].islnk(), found["z/b"].islnk(), found["a"].isreg()} == {True}
    assert (found["a"].mode, found["a"].uid) == (0o600, 7)


@pytest.mark.parametrize("target", ["nowhere", "d", "d/no", "../a", ""])
def test_a_hard_link_to_nothing_is_refused(target: str) -> None:
    with pytest.raises(ImageError, match=r"hard link|leads upwards"):
        merged(tar(member("a", b""), member("d/", b""), hard_link("b", target)))


def test_attributes_are_kept_but_for_the_overlay_s_own() -> None:
    xattrs = {
        "SCHILY.xattr.user.a": "v",
        "SCHILY.xattr.security.capability": "\x01\x00\x00\x02",
        "SCHILY.xattr.trusted.overlay.redirect": "/etc",
        "SCHILY.xattr.system.posix_acl_access": "x",
    }
    found = merged(tar(member("f", b"x", pax_headers=xattrs)))["f"].pax_headers
    assert {key: value for key, value in found.items() if key.startswith("SCHILY")} == dict(
        list(xattrs.items())[:2]
    )


def test_the_root_s_own_entry_counts() -> None:
    flat = flatten(layers(tar(member("./", mode=0o711, uid=5, mtime=9)), tar(member("x", b""))))
    assert (flat.root.mode, flat.root.uid, flat.root.mtime) == (0o711, 5, 9)


def test_the_same_layers_give_the_same_bytes() -> None:
    blobs = tar(member("b/", b""), member("b/x", b"x"), member("a", b"a")), tar(hard_link("c", "a"))
    first, second = io.BytesIO(), io.BytesIO()
    flatten(layers(*blobs)).write(first)
    flatten(layers(*blobs)).write(second)
    assert first.getvalue() == second.getvalue()


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(entries=2), "more than 2 entries"),
        (Limits(size=100), "unpacks to more than 100 bytes"),
        (Limits(metadata=10), "more than 10 bytes of names"),
    ],
)
def test_a_bomb_is_refused(limits: Limits, reason: str) -> None:
    bomb = tar(*(member(f"file{number}", b"x" * 50) for number in range(3)))
    flatten(layers(bomb), limits=Limits(entries=3, size=150, metadata=100))
    with pytest.raises(ImageError, match=reason):
        flatten(layers(bomb), limits=limits)


def test_a_wrong_digest_is_found_in_either_pass() -> None:
    blob, other = tar(member("a", b"1")), tar(member("a", b"2"))
    packed = gzip.compress(blob)
    for layer in (
        Layer("", digest(other), lambda: io.BytesIO(blob), "image"),
        Layer(digest(other), digest(blob), lambda: io.BytesIO(packed), "image"),
        Layer(digest(packed), digest(other), lambda: io.BytesIO(packed), "image"),
    ):
        with pytest.raises(ImageError, match="does not match its digest"):
            flatten([layer])
    reads = iter([blob, other])
    flat = flatten([Layer("", digest(blob), lambda: io.BytesIO(next(reads)), "image")])
    with pytest.raises(ImageError, match="does not match its digest"):
        flat.write(io.BytesIO())


@given(st.lists(st.lists(layer_model.entries, max_size=8), max_size=4))
def test_layers_merge_as_in_the_model(made: Sequence[Sequence[layer_model.Made]]) -> None:
    expected = layer_model.unpack(made)
    blobs = [tar(*(item.member() for item in layer)) for layer in made]
    if expected is None:
        with pytest.raises(ImageError):
            merged(*blobs)
        return
    found = merged(*blobs)
    seen = {
        name: layer_model.seen(info, lambda target: content(found, target)) for name, info in found.items()
    }
    assert seen == expected


def unpacked(disk: Path, target: Path) -> Path:
    subprocess.run(
        ["unsquashfs", "-no-progress", "-quiet", "-dest", target, disk], check=True, stdout=subprocess.DEVNULL
    )
    return target


def facts(root: Path) -> dict[str, tuple[object, ...]]:
    """Everything that matters of a directory's files."""
    found: dict[str, tuple[object, ...]] = {}
    for path in [root, *root.rglob("*")]:
        status = path.lstat()
        what = path.readlink() if path.is_symlink() else path.read_bytes() if path.is_file() else None
        attributes = {
            key: os.getxattr(path, key, follow_symlinks=False)
            for key in os.listxattr(path, follow_symlinks=False)
        }
        links = status.st_nlink if path.is_file() and not path.is_symlink() else 0
        # Directories that no layer names have the time of their making elsewhere, and none here.
        time = 0 if path.is_dir() and not path.is_symlink() else int(status.st_mtime)
        numbers = (status.st_mode, status.st_uid, status.st_gid, status.st_rdev, links, time)
        found[str(path.relative_to(root))] = (*numbers, what, attributes)
    return found


LONG = "/".join(["n" * 200] * 3)
CAPABILITY = {"SCHILY.xattr.security.capability": "\x01\x00\x00\x02\x00\x04" + "\x00" * 14}
REAL = [
    tar(
        member("./", mode=0o711, uid=12),
        member("usr/", b""),
        member("usr/lib/", b""),
        symlink("lib", "usr/lib"),
        member("bin/", b""),
        member("bin/ping", b"ping", mode=0o755, pax_headers=CAPABILITY),
        member("bin/su", b"su" * 100_000, mode=0o4755, uid=0, gid=42),
        member("etc/", b""),
        member("etc/gone", b"x"),
        member("etc/kept", b"kept"),
        member("var/", b""),
        member("var/old", b"x"),
        member(LONG, b"long"),
        member("dev/", b""),
        member("dev/null", type=tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666),
        member("dev/disk", type=tarfile.BLKTYPE, devmajor=259, devminor=70000, mode=0o660, gid=6),
        member("dev/pipe", type=tarfile.FIFOTYPE, mode=0o600),
        member("tmp/", mode=0o1777),
        member("owned", b"o", uid=100_000, gid=3_000_000_000),
    ),
    tar(
        member("lib/libc.so", b"libc" * 1000, mode=0o755),
        member("etc/.wh.gone", b""),
        hard_link("etc/linked", "etc/kept"),
        member("var/.wh..wh..opq", b""),
        member("var/new", b"new"),
        symlink("long", LONG),
    ),
    tar(member("etc/kept", b"changed"), member("bin/", mode=0o700)),
]


@pytest.mark.skipif(os.geteuid() != 0, reason="unpacking owners and devices needs root")
def test_a_disk_holds_what_another_unpacker_makes_of_the_image(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "layout")
    layout.write(layout.manifest(MadeImage(REAL), **named("x")))
    subprocess.run(
        ["umoci", "unpack", "--image", f"{layout.root}:x", tmp_path / "bundle"],
        check=True,
        capture_output=True,
    )
    disk = tmp_path / "disk"
    flat = flatten(layers(*REAL))
    with packing(disk, flat.root) as sink:
        flat.write(sink)
    ours = facts(unpacked(disk, tmp_path / "ours"))
    theirs = facts(tmp_path / "bundle/rootfs")
    assert ours == theirs
    assert ours["bin/ping"][-1] == {"security.capability": b"\x01\x00\x00\x02\x00\x04" + bytes(14)}
    assert disk.stat().st_size % 4096 == 0
