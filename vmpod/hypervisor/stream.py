"""Takes a migration stream of QEMU apart: guest memory into a file, the devices' state beside it.

QEMU writes a frozen machine as one stream. A copy that maps the memory's file privately needs the rest
only: the pages are taken out, and the main memory gets the name that it has in the copy. The stream's
format is the one that machines migrate by between versions of QEMU, so it does not change; what is not
known here is refused.

Only the beginning has to be understood. First comes the memory, in records of a page each; the sections
after it, one for each device, are passed on as they are. With the capability `x-ignore-shared` the sender
also tells where each block of memory lies. Source: QEMU, migration/savevm.c and migration/ram.c.
"""

from __future__ import annotations

import os
from typing import BinaryIO

from vmpod.errors import HypervisorError

MEMORY = b"pc.ram"
"""What QEMU calls the main memory of a machine unless it is told otherwise."""

_MAGIC, _VERSION = 0x5145564D, 3
_SECTION_START, _SECTION_PART, _SECTION_END, _SECTION_FULL = 1, 2, 3, 4
_SUBSECTION, _CONFIGURATION, _FOOTER = 5, 7, 0x7E
_ZERO, _SIZES, _PAGE, _END, _SAME_BLOCK = 0x02, 0x04, 0x08, 0x10, 0x20
_PAGE_SIZE = 4096
_RUN = 256  # pages that are written at once
_CHUNK = 1024 * 1024


class StreamError(HypervisorError):
    """The stream is not as this module knows it."""


def split(stream: BinaryIO, memory: int, name: bytes) -> bytes:
    """Read a stream to its end and return it without the pages of the main memory.

    stream: of a stopped machine, written with x-ignore-shared; memory: descriptor of a file as large as the
    memory, and empty, which gets the pages; name: of the main memory in the machine that will read the
    result. Raises StreamError, OSError.
    """
    return _Splitter(stream, memory, name).run()


class _Splitter:
    def __init__(self, stream: BinaryIO, memory: int, name: bytes) -> None:
        self._stream = stream
        self._memory = memory
        self._name = name
        # A machine that was a copy itself calls it by the name in copies.
        self._names = (MEMORY, name)
        self._out: list[bytes] = []
        self._pages: list[bytes] = []  # not written yet, one after the other
        self._ours = False  # whether records are of the main memory; also from one section to the next
        self._start = 0  # where the first of them belongs

    def run(self) -> bytes:
        if self._copied_number(4) != _MAGIC or self._copied_number(4) != _VERSION:
            raise StreamError("QEMU writes machines in an unknown format")
        kind = self._copied_number(1)
        if kind == _CONFIGURATION:
            kind = self._configuration()
        while kind != _SECTION_FULL:
            if kind == _SECTION_START:
                self._begin_memory()
            elif kind in (_SECTION_PART, _SECTION_END):
                self._copied(4)
                self._records()
            elif kind == _FOOTER:
                self._copied(4)
            else:
                raise StreamError(f"a section of kind {kind} in QEMU's stream")
            kind = self._copied_number(1)
        self._flush()
        while chunk := self._stream.read(_CHUNK):
            self._out.append(chunk)
        return b"".join(self._out)

    def _configuration(self) -> int:
        """The machine type's name, and the capabilities; returns the kind of what follows."""
        self._copied(self._copied_number(4))
        while (kind := self._copied_number(1)) == _SUBSECTION:
            name = self._copied_string()
            self._copied(4)
            if name != b"configuration/capabilities":
                raise StreamError(f"{name!r} in QEMU's stream")
            for _ in range(self._copied_number(4)):
                self._copied_string()
        return kind

    def _begin_memory(self) -> None:
        """The blocks of memory: name, size and place of each, until the sizes add up."""
        self._copied(4)
        if (name := self._copied_string()) != b"ram":
            raise StreamError(f"{name!r} comes before the memory in QEMU's stream")
        self._copied(8)
        head = self._copied_number(8)
        if head % _PAGE_SIZE != _SIZES:
            raise StreamError("QEMU's stream does not begin with the sizes of the memory")
        left = head - _SIZES
        while left > 0:
            name = self._take(self._number(1))
            name = self._name if name in self._names else name
            self._out.append(len(name).to_bytes(1, "big") + name)
            left -= self._copied_number(8)
            self._copied(8)
        self._records()

    def _records(self) -> None:
        """Pages up to the end of a section; those of the main memory go into the file."""
        take, name = self._stream.read, b""
        while True:
            head = int.from_bytes(take(8), "big")
            flags = head % _PAGE_SIZE
            if flags == _END:
                self._out.append(head.to_bytes(8, "big"))
                return
            if not flags & _SAME_BLOCK:
                name = self._take(self._number(1))
                self._ours = name in self._names
            kind = flags & ~_SAME_BLOCK
            if kind not in (_PAGE, _ZERO):
                raise StreamError(f"a record of kind {flags:#x} in QEMU's stream")
            content = self._take(_PAGE_SIZE if kind == _PAGE else 1)
            if not self._ours:
                block = b"" if flags & _SAME_BLOCK else len(name).to_bytes(1, "big") + name
                self._out.append(head.to_bytes(8, "big") + block + content)
            elif kind == _PAGE:
                # The file is as empty as a page of zeros.
                self._keep(head - flags, content)

    def _keep(self, at: int, page: bytes) -> None:
        if at != self._start + len(self._pages) * _PAGE_SIZE or len(self._pages) == _RUN:
            self._flush()
            self._start = at
        self._pages.append(page)

    def _flush(self) -> None:
        if self._pages:
            written = os.pwritev(self._memory, self._pages, self._start)
            if written != len(self._pages) * _PAGE_SIZE:
                # The rest would be without its disk, most likely: say it as the system does.
                os.pwrite(self._memory, b"".join(self._pages)[written:], self._start + written)
            self._pages = []

    def _number(self, size: int) -> int:
        return int.from_bytes(self._take(size), "big")

    def _copied_number(self, size: int) -> int:
        return int.from_bytes(self._copied(size), "big")

    def _copied_string(self) -> bytes:
        return self._copied(self._copied_number(1))

    def _copied(self, size: int) -> bytes:
        data = self._take(size)
        self._out.append(data)
        return data

    def _take(self, size: int) -> bytes:
        data = self._stream.read(size)
        if len(data) != size:
            raise StreamError("QEMU's stream ends early")
        return data
