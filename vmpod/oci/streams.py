"""Reading blobs: a part of a file, digests checked on the way, and decompression.

gzip is decompressed here with zlib, which takes every layer there is, also those of many gzip members.
zstd goes through the `zstd` program: it needs no further Python package, works beside this process on
another core, and bounds its own memory (128 MiB for a window).
"""

from __future__ import annotations

import hashlib
import io
import os
import queue
import subprocess
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from vmpod import run
from vmpod.errors import ImageError

_CHUNK = 1 << 18


class FilePart(io.RawIOBase):
    """Some bytes in the middle of a file."""

    def __init__(self, path: Path, offset: int, size: int) -> None:
        self._file = path.open("rb", buffering=0)
        self._at = offset
        self._end = offset + size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        wanted = min(len(buffer), self._end - self._at)
        count = os.preadv(self._file.fileno(), [memoryview(buffer)[:wanted]], self._at) if wanted else 0
        self._at += count
        return count

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


class Hashing(io.RawIOBase):
    """Passes a stream on and hashes what passes, in a thread: that costs as much as decompression.

    To be closed; check() does it too.
    """

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._hash = hashlib.sha256()
        self._passed: queue.Queue[bytes] = queue.Queue(maxsize=8)
        self._hasher = threading.Thread(target=self._work, daemon=True)
        self._hasher.start()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        count = cast("io.BufferedReader", self._source).readinto(buffer)
        if count:
            self._passed.put(bytes(memoryview(buffer)[:count]))
        return count

    def check(self, digest: str, where: str) -> None:
        """Read the rest and compare. Raises ImageError if the digest is another."""
        while self.read(_CHUNK):
            pass
        self.close()
        found = "sha256:" + self._hash.hexdigest()
        if found != digest:
            raise ImageError(
                f"{where}: the content does not match its digest {digest} (it has {found})",
                hint="the image is damaged: get or build it again",
            )

    def close(self) -> None:
        if not self.closed:
            self._passed.put(b"")
            self._hasher.join()
        super().close()

    def _work(self) -> None:
        while data := self._passed.get():
            self._hash.update(data)


class _Gunzip(io.RawIOBase):
    def __init__(self, source: BinaryIO, where: str) -> None:
        self._source = source
        self._where = where
        self._member = zlib.decompressobj(wbits=31)
        self._pending = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while True:
            if self._member.eof and not self._next_member():
                return 0
            if not self._pending:
                self._pending = self._source.read(_CHUNK)
            if not self._pending:
                raise ImageError(f"{self._where}: the gzip data ends too early")
            try:
                data = self._member.decompress(self._pending, len(buffer))
            except zlib.error as error:
                raise ImageError(f"{self._where}: the gzip data is damaged: {error}") from None
            self._pending = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
            if data:
                buffer[: len(data)] = data
                return len(data)

    def _next_member(self) -> bool:
        # Zeros may pad the end of the data, as for tapes.
        while not self._pending.lstrip(b"\0"):
            self._pending = self._source.read(_CHUNK)
            if not self._pending:
                return False
        self._pending = self._pending.lstrip(b"\0")
        self._member = zlib.decompressobj(wbits=31)
        return True


@contextmanager
def decompressed(source: BinaryIO, where: str) -> Iterator[BinaryIO]:
    """The uncompressed content of a gzip, zstd or uncompressed stream, told apart by its first bytes.

    Media types are not asked: builders have written wrong ones. Raises ImageError if the data is
    damaged or compressed otherwise, HostError if `zstd` is needed and not installed.
    """
    start = io.BufferedReader(cast("io.RawIOBase", source), _CHUNK)
    magic = start.peek(8)[:8]
    try:
        if magic.startswith(b"\x1f\x8b"):
            yield buffered(_Gunzip(start, where))
        elif magic.startswith(b"\x28\xb5\x2f\xfd") or magic[1:4] == b"\x2a\x4d\x18":
            with buffered(_Unzstd(start, where)) as stream:
                yield stream
        elif magic.startswith((b"BZh", b"\xfd7zXZ")):
            raise ImageError(
                f"{where}: is compressed with bzip2 or xz", hint="use gzip, zstd or no compression"
            )
        else:
            yield start
    finally:
        # Or closing the buffer would close the source, which is the caller's.
        start.detach()


class _Unzstd(io.RawIOBase):
    """What `zstd` makes of a stream that a thread feeds to it."""

    def __init__(self, source: BinaryIO, where: str) -> None:
        self._where = where
        self._faults: list[Exception] = []
        argv = ["zstd", "--decompress", "--stdout", "--quiet", "--no-progress"]
        # Its few words fit the pipe of stderr, so nobody needs to read them before the end.
        self._process = run.popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._feeder = threading.Thread(
            target=_feed, args=(source, self._process.stdin, self._faults), daemon=True
        )
        self._feeder.start()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        count = cast("io.BufferedReader", self._process.stdout).readinto(buffer)
        if not count:
            self._check_end()
        return count

    def close(self) -> None:
        if not self.closed:
            self._process.kill()
            self._feeder.join()
            # Closes the pipes and takes the exit status.
            self._process.__exit__(None, None, None)
        super().close()

    def _check_end(self) -> None:
        status = self._process.wait()
        self._feeder.join()
        if self._faults:
            raise self._faults[0]
        if status:
            said = cast("BinaryIO", self._process.stderr).read(2000).decode(errors="replace").strip()
            raise ImageError(f"{self._where}: the zstd data is damaged: {said}")


def _feed(source: BinaryIO, sink: BinaryIO, faults: list[Exception]) -> None:
    try:
        with sink:
            while data := source.read(_CHUNK):
                sink.write(data)
    except BrokenPipeError:
        pass  # zstd has ended: its exit status tells why
    except (OSError, ImageError, ValueError) as error:
        faults.append(error)


def buffered(source: io.RawIOBase) -> BinaryIO:
    """A stream whose read(n) gives n bytes unless the stream ends."""
    return io.BufferedReader(source, _CHUNK)
