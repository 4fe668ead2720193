"""The journal disk: where a pod's events and its containers' output are kept, within bounds.

    0        header: what the disk was made for; at 512 a counter that shows that the agent lives
    4096     index: a record of 64 bytes for each stream
    ...      the streams

A *stream* holds the pod's events, or one run of a container. A container has two, for its even and its odd
runs: so the run before the present one can still be read, as with a kubelet. A stream is a ring of
segments, and a segment holds whole lines (see journal.py). The index tells how much of each segment is
valid. It is written after what it tells of, so a reader never sees more than there is, and a disk cannot
grow however much a pod writes.

Only the host's own record of a pod decides what the host takes the layout for: the disk is the guest's.
"""

from __future__ import annotations

import binascii
import struct

MAGIC = b"vmpodlog"
VERSION = 1
HEARTBEAT = 512
"""Where the agent counts up (u64); what the host sees of it is the time of the file's last change."""

HEARTBEAT_SECONDS = 5.0
INDEX = 4096

EVENTS = 0
"""The stream of the pod's events."""
EVENTS_SIZE = 4 * 1024 * 1024
EVENTS_FILES = 2

MIN_SIZE = 64 * 1024
"""Bytes of a segment: the longest line and more."""
MAX_SIZE = 1024 * 1024 * 1024
MIN_FILES = 2
MAX_FILES = 12
"""As many lengths as an index record has room for."""

_HEADER = struct.Struct("<8sIIII")  # magic, version, containers, size, files
_RECORD = struct.Struct(f"<QI{MAX_FILES}I")  # sequence, run, lengths
_CHECK = struct.Struct("<I")
RECORD_SIZE = _RECORD.size + _CHECK.size


class DiskError(Exception):
    """A journal disk is not one, or not of this version."""


class Layout:
    """Where everything is. containers: how many there are; size, files: of a container's segments."""

    __slots__ = ("containers", "files", "size")

    def __init__(self, containers: int, size: int, files: int) -> None:
        self.containers, self.size, self.files = containers, size, files

    def header(self) -> bytes:
        """What the host writes at the beginning of the disk."""
        return _HEADER.pack(MAGIC, VERSION, self.containers, self.size, self.files)

    @property
    def streams(self) -> int:
        return 1 + 2 * self.containers

    @property
    def total(self) -> int:
        """Bytes of the whole disk."""
        return self._start(self.streams)

    def stream(self, container: int, run: int) -> int:
        """The stream of a container's run; containers are counted from 0, init containers first."""
        return 1 + 2 * container + run % 2

    def files_of(self, stream: int) -> int:
        """How many segments the stream has."""
        return EVENTS_FILES if stream == EVENTS else self.files

    def size_of(self, stream: int) -> int:
        """Bytes of one of its segments."""
        return EVENTS_SIZE if stream == EVENTS else self.size

    def record(self, stream: int) -> int:
        """Where its index record is."""
        return INDEX + RECORD_SIZE * stream

    def segment(self, stream: int, sequence: int) -> int:
        """Where the segment of that number is; numbers go on for ever, segments are used again."""
        return self._start(stream) + sequence % self.files_of(stream) * self.size_of(stream)

    def _start(self, stream: int) -> int:
        index = RECORD_SIZE * self.streams
        first = INDEX + index + -index % INDEX
        if stream == EVENTS:
            return first
        return first + EVENTS_FILES * EVENTS_SIZE + (stream - 1) * self.files * self.size


def read_header(data: bytes) -> Layout:
    """The layout that the host has chosen. Raises DiskError."""
    if len(data) < _HEADER.size:
        raise DiskError(f"a header of {len(data)} bytes")
    magic, version, containers, size, files = _HEADER.unpack_from(data)
    if magic != MAGIC or version != VERSION:
        raise DiskError(f"magic {magic!r} and version {version}; this agent knows {VERSION}")
    return Layout(containers, size, files)


class Record:
    """How far a stream is. sequence: of the segment that is being written; run: of the container."""

    __slots__ = ("lengths", "run", "sequence")

    def __init__(self, run: int = 0) -> None:
        self.sequence = 0
        self.run = run
        self.lengths = [0] * MAX_FILES

    def pack(self) -> bytes:
        """The record with its check sum."""
        data = _RECORD.pack(self.sequence, self.run, *self.lengths)
        return data + _CHECK.pack(binascii.crc32(data))

    @classmethod
    def unpack(cls, data: bytes) -> Record | None:
        """The record in RECORD_SIZE bytes; None if nothing has been written, or it is damaged."""
        if len(data) != RECORD_SIZE or data[_RECORD.size :] != _CHECK.pack(
            binascii.crc32(data[: _RECORD.size])
        ):
            return None
        found = cls()
        found.sequence, found.run, *found.lengths = _RECORD.unpack_from(data)
        return found
