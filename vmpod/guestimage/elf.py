"""Reads which shared libraries a program needs.

Source: System V ABI, chapters 4 and 5 (64-bit, little-endian).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from vmpod.errors import GuestImageError
from vmpod.guestimage.tree import Tree

_PT_LOAD, _PT_DYNAMIC = 1, 2
_DT_NULL, _DT_NEEDED, _DT_STRTAB = 0, 1, 5


def needed(data: bytes) -> tuple[str, ...]:
    """The DT_NEEDED names of an ELF file; none for a static one. Raises GuestImageError if it is broken."""
    try:
        headers = list(_program_headers(data))
        dynamic = [pair for kind, *where in headers if kind == _PT_DYNAMIC for pair in _dynamic(data, *where)]
        strings = _file_offset(headers, dict(dynamic).get(_DT_STRTAB, 0))
        return tuple(_string(data, strings + value) for tag, value in dynamic if tag == _DT_NEEDED)
    except (struct.error, ValueError) as fault:
        raise GuestImageError(f"a program or library is not a sound ELF file: {fault}") from None


def libraries(programs: Iterable[str], tree: Tree, directory: str) -> set[str]:
    """The paths of all libraries that programs need, directly or not; they lie in one directory.

    A library that is a link is followed: both the link and its target are in the result.
    """
    found: set[str] = set()
    queue = list(programs)
    while queue:
        path = queue.pop()
        for name in _targets(path, tree) if tree[path].is_link else needed(tree[path].data):
            library = f"{directory}/{name}"
            if library not in tree:
                raise GuestImageError(f"{path} needs {name}, which is in none of the packages")
            if library not in found:
                found.add(library)
                queue.append(library)
    return found


def _targets(path: str, tree: Tree) -> tuple[str, ...]:
    return (tree[path].data.decode(),)


def _program_headers(data: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Kind, file offset, address and file size of each segment."""
    if data[:6] != b"\x7fELF\x02\x01":
        raise ValueError("no 64-bit ELF header")
    (table,) = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    for start in range(table, table + size * count, size):
        kind, _, offset, address, _, length = struct.unpack_from("<IIQQQQ", data, start)
        yield kind, offset, address, length


def _dynamic(data: bytes, offset: int, _address: int, length: int) -> Iterator[tuple[int, int]]:
    for tag, value in struct.iter_unpack("<qQ", data[offset : offset + length]):
        if tag == _DT_NULL:
            return
        yield tag, value


def _file_offset(headers: Iterable[tuple[int, int, int, int]], address: int) -> int:
    for kind, offset, start, length in headers:
        if kind == _PT_LOAD and start <= address < start + length:
            return address - start + offset
    return 0


def _string(data: bytes, start: int) -> str:
    return data[start : data.index(b"\0", start)].decode()
