"""The reader against files of the standard library's writer, the writer against its reader."""

from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.oci.images import hard_link, member, symlink, tar
from vmpod.errors import ImageError
from vmpod.tar import write as tarwrite
from vmpod.tar.read import MAX_EXTENDED, Entry, Kind, TarReader

LONG = "d" * 90 + "/" + "e" * 90 + "/" + "f" * 200


def read(data: bytes) -> list[tuple[Entry, bytes]]:
    reader = TarReader(io.BytesIO(data), "x")
    return [(entry, b"".join(reader.content())) for entry in reader]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_kind_is_read_in_every_format(form: int) -> None:
    data = tar(
        member("d/", mode=0o1777, uid=3, gid=4),
        member("d/file", b"x" * 1000, mode=0o4755, mtime=77),
        symlink("s", "d/file"),
        hard_link("h", "d/file"),
        member("c", type=tarfile.CHRTYPE, devmajor=300, devminor=70000),
        member("b", type=tarfile.BLKTYPE, devmajor=8, devminor=1),
        member("p", type=tarfile.FIFOTYPE),
        form=form,
    )
    found = {entry.name.rstrip(b"/"): (entry, content) for entry, content in read(data)}
    assert found[b"d"][0].kind is Kind.DIRECTORY
    assert (found[b"d"][0].mode, found[b"d"][0].uid, found[b"d"][0].gid) == (0o1777, 3, 4)
    assert found[b"d/file"][1] == b"x" * 1000
    assert (found[b"d/file"][0].mode, found[b"d/file"][0].mtime) == (0o4755, 77)
    assert (found[b"s"][0].kind, found[b"s"][0].link) == (Kind.SYMLINK, b"d/file")
    assert (found[b"h"][0].kind, found[b"h"][0].link) == (Kind.HARD_LINK, b"d/file")
    assert (found[b"c"][0].kind, found[b"c"][0].major, found[b"c"][0].minor) == (Kind.CHARACTER, 300, 70000)
    assert (found[b"b"][0].kind, found[b"p"][0].kind) == (Kind.BLOCK, Kind.FIFO)


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_what_does_not_fit_a_header_is_read(form: int) -> None:
    data = tar(member(LONG, b"1", uid=3_000_000_000), symlink("s", LONG), form=form)
    (file, content), (link, _) = read(data)
    assert (file.name, content, file.uid) == (LONG.encode(), b"1", 3_000_000_000)
    assert link.link == LONG.encode()


def test_a_size_beyond_8_gib_is_read() -> None:
    info, _ = member("big")
    info.size = 9 << 30
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        reader = TarReader(io.BytesIO(info.tobuf(form)), "x")
        assert next(iter(reader)).size == 9 << 30


def test_attributes_are_bytes() -> None:
    entry = Entry(b"f", Kind.FILE, xattrs={b"security.capability": bytes(range(256)), b"user.x": b"=\n"})
    [(found, _)] = read(tarwrite.header(entry) + tarwrite.END)
    assert found.xattrs == entry.xattrs


names = st.binary(min_size=1, max_size=300).filter(lambda name: b"\0" not in name and not name.endswith(b"/"))


@given(
    st.builds(
        Entry,
        name=names,
        kind=st.sampled_from([Kind.DIRECTORY, Kind.SYMLINK, Kind.HARD_LINK, Kind.FIFO]),
        mode=st.integers(0, 0o7777),
        uid=st.integers(0, 2**32 - 2),
        gid=st.integers(0, 2**32 - 2),
        mtime=st.integers(0, 2**32 - 1),
        link=names,
        xattrs=st.dictionaries(st.sampled_from([b"user.a", b"security.b"]), st.binary(max_size=200)),
    )
)
def test_what_is_written_is_read_again(entry: Entry) -> None:
    [(found, _)] = read(tarwrite.header(entry) + tarwrite.END)
    assert found == entry


@given(names, st.integers(0, 40_000), st.integers(0, 2**31))
def test_the_standard_library_reads_what_is_written(name: bytes, size: int, uid: int) -> None:
    entry = Entry(name, Kind.FILE, size=size, uid=uid, link=b"")
    data = tarwrite.header(entry) + bytes(size) + tarwrite.padding(size) + tarwrite.END
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        [info] = archive.getmembers()
    assert info.name.encode(errors="surrogateescape") == name
    assert (info.size, info.uid) == (size, uid)


def damaged(data: bytes, at: int, value: bytes) -> bytes:
    """A header with another field and a checksum that fits."""
    block = bytearray(data)
    block[at : at + len(value)] = value
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block[:512])
    return bytes(block)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (tar(member("f", b"x" * 600))[:700], "in the middle of a file"),
        (tar(member("f", b"x"))[:300], "in the middle of a header"),
        (b"x" + tar(member("f"))[1:], "checksum"),
        (b"no tar at all" * 100, "not a sound tar"),
        (damaged(tar(member("f")), 124, b"\xff" * 12), "negative"),
        (damaged(tar(member("f")), 108, b"\x80" + b"\xff" * 7), "owner"),
        (damaged(tar(member("f")), 156, b"Q"), "unknown type b'Q'"),
        (damaged(tar(member("f")), 156, b"S"), "sparse"),
        (damaged(tar(member("f")), 156, b"x")[:512] + bytes(0), "ends too early|sound"),
        (damaged(damaged(tar(member("f")), 156, b"x"), 124, b"77777777777"), "extended header of"),
        (damaged(tar(member("c", type=tarfile.CHRTYPE)), 329, b"7777777"), "device number"),
        (tar(member("f", pax_headers={"path": "a\0b"})), "NUL"),
        (tar(member("f", pax_headers={"path": "a" * 5000})), "name of 5000 bytes"),
        (tar(member("f", pax_headers={"uid": "-1"})), "the number"),
    ],
)
def test_a_malformed_file_is_refused(data: bytes, reason: str) -> None:
    if reason.startswith("ends"):
        data = damaged(data, 124, b"00000001000")
    with pytest.raises(ImageError, match=reason):
        read(data)


def test_an_extended_header_is_bounded() -> None:
    header = tarwrite.header(Entry(b"f", Kind.FILE, xattrs={b"user.x": b"y" * (MAX_EXTENDED + 1)}))
    with pytest.raises(ImageError, match="extended header of"):
        read(header)


@pytest.mark.parametrize("records", [b"9999999 a=b\n", b"x a=b\n", b"5 a=b", b"0 a=b\n", b"7 abcd\n"])
def test_malformed_records_are_refused(records: bytes) -> None:
    header = damaged(tarwrite.header(Entry(b"p", Kind.FILE, size=len(records))), 156, b"x")
    with pytest.raises(ImageError, match="malformed extended header"):
        read(header + records + tarwrite.padding(len(records)))


@given(st.binary(max_size=2000), st.integers(0, 511), st.binary(min_size=1, max_size=20))
def test_any_bytes_are_read_or_refused(tail: bytes, at: int, value: bytes) -> None:
    for data in (tail, damaged(tar(member("f", b"abc"))[:512], min(at, 490), value) + tail):
        try:
            read(data)
        except ImageError:
            continue
