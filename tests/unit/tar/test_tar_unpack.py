"""Archives of a hostile guest: whatever is in them, nothing outside of the target is touched."""

from __future__ import annotations

import contextlib
import io
import os
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.oci.images import hard_link, member, symlink, tar
from vmpod.errors import ImageError, ProtocolError, VmpodError
from vmpod.tar import unpack as unpacking
from vmpod.tar import write as tarwrite
from vmpod.tar.pack import pack
from vmpod.tar.read import Entry, Kind, TarReader
from vmpod.tar.unpack import Unpacker

Tree = dict[str, tuple[int, bytes]]


class Place:
    """A directory to unpack into, and one beside it that nobody may touch."""

    def __init__(self, top: Path) -> None:
        self.target, self.outside = top / "target", top / "outside"
        self.target.mkdir()
        self.outside.mkdir()
        (self.outside / "secret").write_bytes(b"secret")
        (self.outside / "secret").chmod(0o640)
        self._before = tree(self.outside)

    def unpack(self, data: bytes, name: str = "it", **options: Any) -> None:
        fd = os.open(self.target, os.O_RDONLY | os.O_DIRECTORY)
        try:
            settings: dict[str, Any] = {"keep": False, "broken": ImageError} | options
            unpacker = Unpacker(fd, name, **settings)
            unpacker.unpack(TarReader(io.BytesIO(data), "it", ImageError))
        finally:
            os.close(fd)

    def refuses(self, *members: tuple[tarfile.TarInfo, bytes], **options: Any) -> None:
        """Nothing of it is harmful, and nothing is left half made."""
        with pytest.raises((VmpodError, OSError)):
            self.unpack(tar(*members), **options)
        self.check()

    def check(self) -> None:
        assert tree(self.outside) == self._before
        assert sorted(path.name for path in self.outside.parent.iterdir()) == ["outside", "target"]
        assert not [path for path in self.target.rglob("*") if path.name.startswith(".vmpod-")]


def tree(top: Path) -> Tree:
    """Every file with its mode and content, without following a link."""
    found = {}
    for path in top.rglob("*"):
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode):
            content = os.fsencode(path.readlink())
        else:
            content = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
        found[str(path.relative_to(top))] = status.st_mode, content
    return found


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    found = Place(tmp_path)
    yield found
    found.check()


def test_what_is_sound_arrives(place: Place) -> None:
    place.unpack(
        tar(
            member("top/", mode=0o750),
            member("top/file", b"content", mode=0o4755),
            member("top/deep/"),
            member("top/deep/locked/", mode=0o555),
            member("top/deep/locked/in", b"in"),
            symlink("top/link", "/etc/passwd"),
            hard_link("top/again", "top/file"),
        )
    )
    found = tree(place.target)
    assert found["it/file"] == (stat.S_IFREG | 0o755, b"content"), "special bits are not kept"
    assert found["it/deep/locked"][0] == stat.S_IFDIR | 0o555
    assert found["it/deep/locked/in"][1] == b"in"
    assert found["it/link"][1] == b"/etc/passwd"
    assert (place.target / "it/again").stat().st_ino == (place.target / "it/file").stat().st_ino
    assert (place.target / "it").stat().st_mode & 0o777 == 0o750


@pytest.mark.parametrize(
    "name",
    [
        "../outside/secret",
        "top/../../outside/secret",
        "top/../outside/secret",
        "/etc/passwd",
        "..",
        "other/file",
        "top//file",
        "top/./file",
    ],
)
def test_paths_that_climb(name: str, place: Place) -> None:
    place.refuses(member("top/"), member(name, b"evil"))


def test_a_link_is_not_followed(place: Place) -> None:
    outside = str(place.outside)
    place.refuses(member("top/"), symlink("top/d", outside), member("top/d/secret", b"evil"))
    place.refuses(member("top/"), symlink("top/d", outside), member("top/d/", mode=0o777))
    # What was there before is not followed either, but replaced.
    (place.target / "it/f").symlink_to(place.outside / "secret")
    place.unpack(tar(member("top/"), member("top/f", b"new")))
    assert not (place.target / "it/f").is_symlink()
    (place.target / "it/sub").symlink_to(place.outside)
    place.refuses(member("top/"), member("top/sub/secret", b"evil"))


def test_the_whole_may_be_a_link_that_was_there(place: Place) -> None:
    (place.target / "it").symlink_to(place.outside)
    place.refuses(member("top/"), member("top/secret", b"evil"))


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside/secret", "top/none", "top/link", "top"])
def test_hard_links_lead_to_files_of_the_archive_alone(target: str, place: Place) -> None:
    link = symlink("top/link", str(place.outside / "secret"))
    place.refuses(member("top/"), link, hard_link("top/hard", target))


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_devices_and_pipes(kind: bytes, place: Place) -> None:
    place.refuses(member("top/"), member("top/dev", type=kind, devmajor=1, devminor=3))


def test_sizes_that_lie(place: Place) -> None:
    whole = tar(member("top/"), member("top/file", bytes(100_000)))
    with pytest.raises(ImageError):
        place.unpack(whole[:50_000])
    place.check()
    assert not (place.target / "it/file").exists()
    info, _ = member("top/huge")
    info.size = 1 << 60
    header = info.tobuf(tarfile.PAX_FORMAT)
    with pytest.raises(VmpodError, match="no space for a file of"):
        place.unpack(tar(member("top/"))[:512] + header + bytes(10_000))


def test_more_files_than_can_be(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "MAX_ENTRIES", 10)
    place.refuses(member("top/"), *(member(f"top/{number}", b"") for number in range(10)))


def test_a_file_in_place_of_a_directory(place: Place) -> None:
    place.refuses(member("file", b"x"), kind=Kind.DIRECTORY)
    place.refuses(member("file", b"x"), name="")
    (place.target / "it").mkdir()
    (place.target / "it/kept").touch()
    place.refuses(member("file", b"x"))
    assert (place.target / "it/kept").exists()


def test_nothing_at_all(place: Place) -> None:
    with pytest.raises(ImageError, match="an archive without a file"):
        place.unpack(tar())


NAMES = st.sampled_from(["top", "a", "b", "..", ".", "", "top/a", "../outside", "/", "a/../..", "é", "\x01"])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
MEMBERS = st.one_of(
    st.tuples(st.just("file"), PATHS, st.binary(max_size=20)),
    st.tuples(st.just("directory"), PATHS, st.just(b"")),
    st.tuples(st.just("symlink"), PATHS, st.sampled_from([b"..", b"../outside", b"/", b"a", b"."])),
    st.tuples(st.just("hard"), PATHS, PATHS.map(str.encode)),
)


@given(st.lists(MEMBERS, max_size=8), st.booleans())
def test_whatever_the_names(
    tmp_path_factory: pytest.TempPathFactory, members: list[tuple[str, str, bytes]], keep: bool
) -> None:
    place = Place(tmp_path_factory.mktemp("place"))
    made = [member("top/")]
    for kind, name, data in members:
        if kind == "file":
            made.append(member(f"top/{name}", data, mode=0o6777))
        elif kind == "directory":
            made.append(member(f"top/{name}/"))
        elif kind == "symlink":
            made.append(symlink(f"top/{name}", data.decode()))
        else:
            made.append(hard_link(f"top/{name}", f"top/{data.decode()}"))
    with contextlib.suppress(VmpodError, OSError):
        place.unpack(tar(*made), keep=keep)
    place.check()


@given(st.binary(max_size=3000))
def test_whatever_the_bytes(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    place = Place(tmp_path_factory.mktemp("place"))
    with pytest.raises((VmpodError, OSError)):
        place.unpack(data)
    place.check()


def header(**pax: str) -> bytes:
    """A file, with these records in an extended header."""
    info, _ = member("top")
    info.pax_headers = pax
    return info.tobuf(tarfile.PAX_FORMAT)


@pytest.mark.parametrize("mtime", ["9" * 18, "-" + "9" * 18])
def test_times_that_are_none(mtime: str, place: Place) -> None:
    with pytest.raises(ImageError, match="a time stamp beyond all times"):
        place.unpack(header(mtime=mtime) + bytes(1024))
    block = bytearray(header()[:512])
    block[136:148] = b"\x80" + b"\xff" * 11
    block[148:156] = b"%06o\0 " % (sum(block[:148]) + 8 * 32 + sum(block[156:]))
    with pytest.raises(ImageError, match="a time stamp beyond all times"):
        place.unpack(bytes(block) + bytes(1024))


@pytest.mark.parametrize("mtime", ["--5", "5-", "x", "", "-", "1e9", "9" * 19])
def test_records_of_time_that_are_no_number_are_passed_over(mtime: str, place: Place) -> None:
    place.unpack(header(mtime=mtime) + bytes(1024))
    assert (place.target / "it").stat().st_mtime == 1_000_000


@pytest.mark.parametrize("mtime", [-5, 0, 2**33 - 1, 2**33, 2**36])
def test_any_time_of_a_file_survives(mtime: int) -> None:
    written = tarwrite.header(Entry(b"f", Kind.FILE, mtime=mtime))
    (read,) = TarReader(io.BytesIO(written + bytes(1024)), "it", ImageError)
    assert read.mtime == mtime


def test_a_sparse_file_is_told_in_the_callers_words() -> None:
    block = bytearray(header()[:512])
    block[156:157] = b"S"
    block[148:156] = b"%06o\0 " % (sum(block[:148]) + 8 * 32 + sum(block[156:]))
    reader = TarReader(io.BytesIO(bytes(block) + bytes(1024)), "it", ProtocolError)
    with pytest.raises(ProtocolError, match="sparse"):
        list(reader)


def test_a_tree_goes_through_unchanged(place: Place, tmp_path: Path) -> None:
    source = place.target / "source"
    (source / "deep/er").mkdir(parents=True)
    (source / "deep/er/file").write_bytes(os.urandom(300_000))
    (source / "deep").chmod(0o700)
    (source / "é\udcff").write_bytes(b"odd name")
    (source / "link").symlink_to("deep/er/file")
    os.utime(source / "deep/er/file", (1_000_000_000, 1_000_000_000))
    os.mkfifo(source / "pipe")
    skipped: list[str] = []
    place.unpack(b"".join(pack(str(source), b"top", skipped.append)))
    assert skipped == [str(source / "pipe")]
    (source / "pipe").unlink()
    assert tree(source) == tree(place.target / "it")
    assert (place.target / "it/deep/er/file").stat().st_mtime == 1_000_000_000
