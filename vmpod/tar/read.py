"""A streaming reader for the tar files that image layers and image archives are.

Why not the standard library's: it reads extended headers of any size into memory, backtracks for
minutes over crafted ones, keeps every member, and decodes names and attributes that are bytes. This
one bounds all it holds and reads what layers contain: POSIX pax, ustar, GNU and version 7 headers.

Sources: IEEE Std 1003.1-2017 pax(1), the GNU tar manual's "Basic Tar Format", and for extended
attributes the `SCHILY.xattr.` records that the OCI image specification (layer.md) prescribes.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator
from dataclasses import field
from enum import Enum
from typing import Protocol

from vmpod.errors import ImageError, VmpodError

BLOCK = 512
MAX_EXTENDED = 1 << 20
"""Bytes of one extended header: more than all attributes and names of one file can take (the kernel
stops at 64 KiB an attribute)."""
MAX_PATH = 4095
"""Bytes of a path or a symbolic link's target: the kernel's PATH_MAX without its NUL."""
_CHUNK = 1 << 18
_XATTR = b"SCHILY.xattr."
_LARGEST_ID = 2**32 - 2
_SECONDS = re.compile(rb"-?[0-9]{1,18}")
_LATEST = 1 << 40
"""Seconds from the epoch, tens of thousands of years: what no file system can hold is no time."""


class Kind(Enum):
    """What an entry is."""

    FILE = b"0"
    HARD_LINK = b"1"
    SYMLINK = b"2"
    CHARACTER = b"3"
    BLOCK = b"4"
    DIRECTORY = b"5"
    FIFO = b"6"


_KINDS = {kind.value: kind for kind in Kind} | {b"\0": Kind.FILE, b"7": Kind.FILE}


@dataclasses.dataclass(slots=True)
class Entry:
    """One member. Names are bytes as in the file; mode has permission bits alone; mtime in seconds."""

    name: bytes
    kind: Kind
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    size: int = 0
    mtime: int = 0
    link: bytes = b""
    major: int = 0
    minor: int = 0
    xattrs: dict[bytes, bytes] = field(default_factory=dict)


class Stream(Protocol):
    """What a reader needs of a binary file."""

    def read(self, size: int, /) -> bytes: ...
    def seekable(self) -> bool: ...
    def seek(self, offset: int, whence: int, /) -> int: ...


def _broken_image(message: str) -> VmpodError:
    return ImageError(message, hint="get or build the image again")


class TarReader:
    """Iterates over the entries of a tar stream; content() gives the current one's bytes.

    where: what the stream is, for messages. Raises ImageError, or what `error` makes of a message, on
    anything malformed.
    """

    def __init__(
        self, stream: Stream, where: str, error: Callable[[str], VmpodError] = _broken_image
    ) -> None:
        self._stream = stream
        self._where = where
        self._error = error
        self._left = 0
        self._padding = 0

    def __iter__(self) -> Iterator[Entry]:
        pax: dict[bytes, bytes] = {}
        while (block := self._header()) is not None:
            flag = block[156:157]
            size = self._number(block[124:136])
            if size < 0:
                raise self.broken("an entry of negative size")
            if flag in (b"x", b"X", b"L", b"K", b"g"):
                pax = self._extended(flag, size, pax)
                continue
            entry = self._entry(block, size, pax)
            pax = {}
            yield entry
            self._skip()

    def content(self) -> Iterator[bytes]:
        """The current entry's content, in pieces; what is not taken is skipped."""
        while self._left:
            piece = self._stream.read(min(_CHUNK, self._left))
            if not piece:
                raise self.broken("it ends in the middle of a file")
            self._left -= len(piece)
            yield piece

    def broken(self, why: str) -> VmpodError:
        """The error for a malformed stream."""
        return self._error(f"{self._where}: is not a sound tar file: {why}")

    def _header(self) -> bytes | None:
        block = self._read(BLOCK, partial=True)
        if not block or not block.strip(b"\0"):
            return None
        if len(block) < BLOCK:
            raise self.broken("it ends in the middle of a header")
        # The sum counts its own field as eight spaces; some old writers summed signed bytes.
        told = self._number(block[148:156])
        rest = block[:148] + b" " * 8 + block[156:]
        if told != sum(rest) and told != sum(byte - 256 if byte > 127 else byte for byte in rest):
            raise self.broken("the checksum of a header is wrong")
        return block

    def _extended(self, flag: bytes, size: int, pax: dict[bytes, bytes]) -> dict[bytes, bytes]:
        if size > MAX_EXTENDED:
            raise self.broken(f"an extended header of {size} bytes")
        data = self._read(size + -size % BLOCK)[:size]
        if flag == b"L":
            return pax | {b"path": data.rstrip(b"\0")}
        if flag == b"K":
            return pax | {b"linkpath": data.rstrip(b"\0")}
        # Global headers hold comments; container runtimes apply none of their fields.
        return pax if flag == b"g" else pax | self._records(data)

    def _records(self, data: bytes) -> dict[bytes, bytes]:
        """Pax records: b'LENGTH KEY=VALUE\\n', the length counting the whole record."""
        records = {}
        at = 0
        while at < len(data):
            space = data.find(b" ", at, at + 8)
            digits = data[at:space] if space > 0 else b""
            end = at + int(digits) if digits.isdigit() else 0
            key, equals, value = data[space + 1 : end].partition(b"=")
            if end <= at or end > len(data) or not equals or not value.endswith(b"\n"):
                raise self.broken("a malformed extended header")
            records[key] = value[:-1]
            at = end
        return records

    def _entry(self, block: bytes, size: int, pax: dict[bytes, bytes]) -> Entry:
        flag = block[156:157]
        if flag == b"S" or any(key.startswith(b"GNU.sparse.") for key in pax):
            raise self.broken("a sparse file: write it without tar --sparse")
        kind = _KINDS.get(flag)
        if kind is None:
            raise self.broken(f"an entry of unknown type {flag!r}")
        size = self._pax_number(pax, b"size", size)
        name = pax.get(b"path") or _name(block)
        # Version 7 had no directories: it wrote them as files with a trailing slash.
        if kind is Kind.FILE and name.endswith(b"/"):
            kind = Kind.DIRECTORY
        # Only files have content, whatever the size field of another entry says.
        self._left = size if kind is Kind.FILE else 0
        self._padding = -size % BLOCK if kind is Kind.FILE else 0
        return Entry(
            name=self._path(name),
            kind=kind,
            mode=self._number(block[100:108]) & 0o7777,
            uid=self._id(self._pax_number(pax, b"uid", self._number(block[108:116]))),
            gid=self._id(self._pax_number(pax, b"gid", self._number(block[116:124]))),
            size=self._left,
            mtime=self._mtime(block, pax),
            link=self._path(pax.get(b"linkpath") or block[157:257].partition(b"\0")[0]),
            major=self._device(block[329:337], 12) if kind in _DEVICES else 0,
            minor=self._device(block[337:345], 20) if kind in _DEVICES else 0,
            xattrs={key[len(_XATTR) :]: value for key, value in pax.items() if key.startswith(_XATTR)},
        )

    def _number(self, field_bytes: bytes) -> int:
        try:
            return _parse_number(field_bytes)
        except ValueError:
            raise self.broken(f"the number {field_bytes!r}") from None

    def _pax_number(self, pax: dict[bytes, bytes], key: bytes, default: int) -> int:
        value = pax.get(key)
        if not value:
            return default
        if not value.isdigit() or len(value) > 19:
            raise self.broken(f"the number {value[:40]!r} in an extended header")
        return int(value)

    def _id(self, number: int) -> int:
        if not 0 <= number <= _LARGEST_ID:
            raise self.broken(f"the owner {number}")
        return number

    def _device(self, field_bytes: bytes, bits: int) -> int:
        number = self._number(field_bytes)
        if not 0 <= number < 1 << bits:
            raise self.broken(f"the device number {number}")
        return number

    def _mtime(self, block: bytes, pax: dict[bytes, bytes]) -> int:
        seconds = pax.get(b"mtime", b"").partition(b".")[0]
        found = int(seconds) if _SECONDS.fullmatch(seconds) else self._number(block[136:148])
        if abs(found) > _LATEST:
            raise self.broken("a time stamp beyond all times")
        return found

    def _path(self, name: bytes) -> bytes:
        if len(name) > MAX_PATH:
            raise self.broken(f"a name of {len(name)} bytes")
        if b"\0" in name:
            raise self.broken("a name with a NUL in it")
        return name

    def _skip(self) -> None:
        if self._stream.seekable():
            self._stream.seek(self._left + self._padding, 1)
        else:
            for _ in self.content():
                pass
            self._read(self._padding)
        self._left = self._padding = 0

    def _read(self, size: int, *, partial: bool = False) -> bytes:
        data = self._stream.read(size) if size else b""
        if len(data) < size and not partial:
            raise self.broken("it ends too early")
        return data


_DEVICES = (Kind.CHARACTER, Kind.BLOCK)


def _name(block: bytes) -> bytes:
    name = block[:100].partition(b"\0")[0]
    # The prefix field is POSIX's alone: GNU's magic ends in two spaces and keeps times there.
    prefix = block[345:500].partition(b"\0")[0] if block[257:263] == b"ustar\0" else b""
    return prefix + b"/" + name if prefix else name


def _parse_number(field_bytes: bytes) -> int:
    """A number field: octal digits, or base 256 where the first bit is set. Raises ValueError."""
    if field_bytes[0] & 0x80:
        value = int.from_bytes(field_bytes, "big")
        bits = 8 * len(field_bytes)
        return value - (1 << bits) if field_bytes[0] & 0x40 else value - (1 << bits - 1)
    return int(field_bytes.partition(b"\0")[0].strip(b" ") or b"0", 8)
