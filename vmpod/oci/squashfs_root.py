"""The root directory's owner, mode and time, set in a squashfs that sqfstar has just written.

sqfstar 4.5.1 gives the root directory to whoever runs it, at the time of the run, and heeds neither the
archive's entry for it nor its own -root-uid, -root-gid and -root-time. So the root's inode is changed
afterwards, which needs the inode table uncompressed (-noI). An owner that no other file has is added to
the table of ids; the tables behind that one then move.

Source of the format: Linux, fs/squashfs/squashfs_fs.h. All numbers are little-endian.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

from vmpod.errors import HostError

_SUPERBLOCK = struct.Struct("<IIIIIHHHHHHQQQQQQQQ")
_MAGIC = 0x73717368
_HEADER = struct.Struct("<H")
_UNCOMPRESSED = 0x8000
_METADATA = 8192
_IDS_PER_BLOCK = _METADATA // 4
_NONE = 2**64 - 1
_PAGE = 4096
_INODE = struct.Struct("<HHHHI")
_DIRECTORIES = (1, 8)
# Where the fields are that change, counted in the superblock's numbers.
_ID_COUNT, _ROOT, _USED, _ID_TABLE, _XATTR_TABLE, _INODE_TABLE = 8, 11, 12, 13, 14, 15


def set_root(path: Path, *, uid: int, gid: int, mode: int, mtime: int) -> None:
    """Change the root directory of a squashfs with an uncompressed inode table.

    Raises HostError if the file is anything else.
    """
    with path.open("r+b") as file:
        fields = list(_SUPERBLOCK.unpack(file.read(_SUPERBLOCK.size)))
        if fields[0] != _MAGIC:
            raise _unexpected(path)
        old = _ids(file, fields, path)
        new = [*old, *dict.fromkeys(owner for owner in (uid, gid) if owner not in old)]
        _set_inode(file, fields, (mode, new.index(uid), new.index(gid), mtime), path)
        if new != old:
            _replace_ids(file, fields, new)


def _ids(file: BinaryIO, fields: list[int], path: Path) -> list[int]:
    """The table of owners; inodes hold positions in it."""
    count = fields[_ID_COUNT]
    ids: list[int] = []
    for position in _index(file, fields[_ID_TABLE], count):
        file.seek(position)
        (header,) = _HEADER.unpack(file.read(_HEADER.size))
        if not header & _UNCOMPRESSED:
            raise _unexpected(path)
        data = file.read(header & ~_UNCOMPRESSED)
        ids += struct.unpack(f"<{len(data) // 4}I", data)
    return ids


def _index(file: BinaryIO, start: int, ids: int) -> tuple[int, ...]:
    blocks = -(-ids // _IDS_PER_BLOCK)
    file.seek(start)
    return struct.unpack(f"<{blocks}Q", file.read(8 * blocks))


def _set_inode(file: BinaryIO, fields: list[int], values: tuple[int, int, int, int], path: Path) -> None:
    # A reference to an inode: its block's position in the table, and the place in the block.
    block = fields[_INODE_TABLE] + (fields[_ROOT] >> 16)
    places = [_place(block, (fields[_ROOT] & 0xFFFF) + number) for number in range(_INODE.size)]
    file.seek(block)
    (header,) = _HEADER.unpack(file.read(_HEADER.size))
    kind = _INODE.unpack(b"".join(_byte(file, place) for place in places))[0]
    if not header & _UNCOMPRESSED or kind not in _DIRECTORIES:
        raise _unexpected(path)
    for place, byte in zip(places, _INODE.pack(kind, *values), strict=True):
        file.seek(place)
        file.write(bytes([byte]))


def _byte(file: BinaryIO, place: int) -> bytes:
    file.seek(place)
    return file.read(1)


def _place(block: int, offset: int) -> int:
    """Where a byte of the inode table is: an inode may go on in the next block, behind its header."""
    return block + _HEADER.size * (1 + offset // _METADATA) + offset


def _replace_ids(file: BinaryIO, fields: list[int], ids: list[int]) -> None:
    (start, *_) = _index(file, fields[_ID_TABLE], fields[_ID_COUNT])
    behind = fields[_ID_TABLE] + 8 * -(-fields[_ID_COUNT] // _IDS_PER_BLOCK)
    file.seek(behind)
    tail = bytearray(file.read(fields[_USED] - behind))
    blocks, index = b"", b""
    for first in range(0, len(ids), _IDS_PER_BLOCK):
        some = ids[first : first + _IDS_PER_BLOCK]
        index += struct.pack("<Q", start + len(blocks))
        blocks += _HEADER.pack(4 * len(some) | _UNCOMPRESSED) + struct.pack(f"<{len(some)}I", *some)
    fields[_ID_COUNT] = len(ids)
    fields[_ID_TABLE] = start + len(blocks)
    moved = fields[_ID_TABLE] + len(index) - behind
    if fields[_XATTR_TABLE] != _NONE:
        _move_xattrs(tail, fields[_XATTR_TABLE] - behind, moved)
        fields[_XATTR_TABLE] += moved
    fields[_USED] += moved
    file.seek(start)
    file.write(blocks + index + tail)
    file.write(bytes(-fields[_USED] % _PAGE))
    file.truncate()
    file.seek(0)
    file.write(_SUPERBLOCK.pack(*fields))


def _move_xattrs(tail: bytearray, table: int, moved: int) -> None:
    """Correct the positions in the table of attributes: where its data starts, and its own blocks."""
    (start, count) = struct.unpack_from("<QI", tail, table)
    struct.pack_into("<Q", tail, table, start + moved)
    # One entry of an attribute set takes 16 bytes of a block.
    for number in range(-(-count * 16 // _METADATA)):
        place = table + 16 + 8 * number
        (position,) = struct.unpack_from("<Q", tail, place)
        struct.pack_into("<Q", tail, place, position + moved)


def _unexpected(path: Path) -> HostError:
    return HostError(
        f"sqfstar wrote something unexpected into {path}", hint="use squashfs-tools 4.5 or newer"
    )
