"""Writing the disk: a tar stream into squashfs through `sqfstar`, which keeps owners without root.

sqfstar and not tar2sqfs (squashfs-tools-ng 1.2): with lz4 the latter writes tables that unsquashfs
cannot read back. What sqfstar lacks: it ignores the root directory's entry, so that one's owner, mode
and time are set afterwards (squashfs_root.py), and extended attributes of the root directory are lost.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from vmpod import run
from vmpod.dataclass import dataclass
from vmpod.errors import HostError
from vmpod.oci.refusals import no_space
from vmpod.oci.squashfs_root import set_root
from vmpod.tar.read import Entry


@dataclass(frozen=True)
class DiskFormat:
    """How a disk is packed.

    compression: 'lz4', 'zstd', 'gzip' or 'none'; block_size: bytes, a power of two up to 1 MiB.
    """

    compression: str = "lz4"
    block_size: int = 128 << 10


DISK_FORMAT = DiskFormat()
"""lz4 packs 400 MB/s and more on two cores and unpacks at the speed of memory, for some 60 % of the
size; zstd and gzip at sqfstar's fixed levels take 30 times as long for another 15 %."""

_MEMORY = "256M"
"""sqfstar's caches: left alone it takes a quarter of the machine."""
_LARGEST_TIME = 2**32 - 1
# Uncompressed inodes take 3 % more room, spare the guest the work, and let the root be set afterwards.
# Tails of long files among the fragments make sqfstar 4.5.1 race with itself over duplicates: one run in
# three gives other bytes. Leaving them out costs 1 %.
_ALWAYS = ("-noI", "-no-tailends")
_UNPACKED = ("-noD", "-noF", "-noX")


def clamp_time(seconds: int) -> int:
    """The nearest time that squashfs can hold: 1970 to 2106."""
    return min(max(seconds, 0), _LARGEST_TIME)


def sqfstar(target: Path, form: DiskFormat) -> list[str]:
    """The command that packs a tar stream from stdin into target, padded to 4 KiB by itself.

    The same stream gives the same bytes but for the root directory, which set_root() sets.
    """
    packed = _UNPACKED if form.compression == "none" else ("-comp", form.compression)
    return [
        "sqfstar", *packed, *_ALWAYS,
        "-b", str(form.block_size),
        "-mem", _MEMORY,
        "-mkfs-time", "0",
        "-exit-on-error",
        "-quiet",
        "-no-progress",
        str(target),
    ]  # fmt: skip


@contextmanager
def packing(target: Path, root: Entry, form: DiskFormat = DISK_FORMAT) -> Iterator[BinaryIO]:
    """Where to write the tar stream; when the block ends, target is complete.

    Raises HostError if the program is missing or fails, as on a full disk.
    """
    argv = sqfstar(target, form)
    with (
        # A file, not a pipe: nobody reads while the stream is written.
        run.messages() as said,
        run.popen(argv, stdin=subprocess.PIPE, stderr=said.fileno()) as process,
    ):
        assert process.stdin is not None
        try:
            yield cast("BinaryIO", process.stdin)
            process.stdin.close()
        except BrokenPipeError:
            process.wait()
        except BaseException:
            # Before its input ends: sqfstar would finish a disk with half of the files.
            process.kill()
            raise
        status = process.wait()
        if status != 0:
            said.seek(0)
            raise _failed(argv, status, said.read(10_000))
    mtime = clamp_time(root.mtime)
    set_root(target, uid=root.uid, gid=root.gid, mode=root.mode, mtime=mtime)


def _failed(argv: list[str], status: int, stderr: bytes) -> HostError:
    if b"No space left" in stderr:
        return no_space(Path(argv[-1]).parent)
    return run.failed(argv, status, stderr)
