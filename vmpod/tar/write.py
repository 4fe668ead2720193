"""Headers of a tar stream, as sqfstar reads them: POSIX ustar, with pax records for what does not fit.

Source: IEEE Std 1003.1-2017 pax(1). Names and attribute values go out as the bytes that came in.
"""

from __future__ import annotations

from vmpod.tar.read import BLOCK, Entry, Kind

END = bytes(2 * BLOCK)
_LARGEST_OCTAL = 8**11 - 1
_LARGEST_OWNER = 8**7 - 1


def padding(size: int) -> bytes:
    """What fills the last block of a file of that many bytes."""
    return bytes(-size % BLOCK)


def header(entry: Entry) -> bytes:
    """The blocks that come before an entry's content."""
    records = {b"SCHILY.xattr." + key: value for key, value in sorted(entry.xattrs.items())}
    if len(entry.name) > 100:
        records[b"path"] = entry.name
    if len(entry.link) > 100:
        records[b"linkpath"] = entry.link
    for key, number, largest in (
        (b"size", entry.size, _LARGEST_OCTAL),
        (b"uid", entry.uid, _LARGEST_OWNER),
        (b"gid", entry.gid, _LARGEST_OWNER),
    ):
        if number > largest:
            records[key] = b"%d" % number
    if not 0 <= entry.mtime <= _LARGEST_OCTAL:
        records[b"mtime"] = b"%d" % entry.mtime
    return (_extended(records) if records else b"") + _block(entry, entry.kind.value)


def _extended(records: dict[bytes, bytes]) -> bytes:
    data = b"".join(_record(key, value) for key, value in records.items())
    return _block(Entry(b"pax", Kind.FILE, size=len(data)), b"x") + data + padding(len(data))


def _record(key: bytes, value: bytes) -> bytes:
    rest = b" %s=%s\n" % (key, value)
    # The length counts its own digits: one more digit may make it need one more.
    length = len(rest) + len(str(len(rest)))
    length = len(rest) + len(str(length))
    return b"%d%s" % (length, rest)


def _block(entry: Entry, flag: bytes) -> bytes:
    fields = (
        entry.name[:100].ljust(100, b"\0"),
        b"%07o\0" % entry.mode,
        b"%07o\0" % min(entry.uid, _LARGEST_OWNER),
        b"%07o\0" % min(entry.gid, _LARGEST_OWNER),
        b"%011o\0" % min(entry.size, _LARGEST_OCTAL),
        b"%011o\0" % min(max(0, entry.mtime), _LARGEST_OCTAL),
        b" " * 8,
        flag,
        entry.link[:100].ljust(100, b"\0"),
        b"ustar\x0000",
        bytes(64),
        b"%07o\0" % entry.major,
        b"%07o\0" % entry.minor,
    )
    block = b"".join(fields).ljust(BLOCK, b"\0")
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]
