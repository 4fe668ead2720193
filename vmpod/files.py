"""Writing files: never seen half written, and whole."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def write_atomically(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Replace the file's content at once: readers see the old or the new, also after a crash."""
    import tempfile  # noqa: PLC0415 - slow to import, and most commands only read

    fd, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.{os.getpid()}.")
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(mode)
        Path(name).rename(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file's new content, which takes the place of the old one when the block ends well.

    Until then it has no name where the filesystem can do that, so that nothing is left of it if we are
    killed. What is no file, as a pipe or /dev/null, is written as it is. Raises OSError.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        with path.open("wb") as special:
            yield special
        return
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor, named = _nameless(beside)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(descriptor)
            if not named and _given(descriptor, path):
                return
            if not named:
                # It takes an old file's place only by a name: the one moment when something may be left.
                _given(descriptor, beside)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def link_open(descriptor: int, path: Path) -> None:
    """Give an open file a name, also one that has none or another by now. path: absolute. Raises OSError."""
    # Python follows the link only if given a directory, which an absolute path ignores.
    os.link(f"/proc/self/fd/{descriptor}", path, src_dir_fd=descriptor, follow_symlinks=True)


def _given(descriptor: int, path: Path) -> bool:
    """Whether the file could be given the name, which it can if there is none of that name."""
    try:
        link_open(descriptor, path)
    except FileExistsError:
        return False
    return True


def _nameless(beside: Path) -> tuple[int, bool]:
    """A new file in a directory, and whether it had to be given the name."""
    try:
        return os.open(beside.parent, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o666), False
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL):
            raise
    return os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o666), True


_DRAFT = re.compile(r"\..+?\.(\d+)(\.[^.]+)?")


def abandoned(directory: Path) -> list[Path]:
    """What was being written in a directory by a process that was killed."""
    drafts = ((path, _DRAFT.fullmatch(path.name)) for path in directory.iterdir())
    return sorted(path for path, draft in drafts if draft and not Path(f"/proc/{draft[1]}").exists())


def copy_extents(source: Path, target: Path) -> None:
    """Copy a small sparse file into a new one, without a program for it. Raises OSError."""
    with source.open("rb") as old, target.open("xb") as new:
        size = os.fstat(old.fileno()).st_size
        new.truncate(size)
        end = 0
        while True:
            try:
                begin = os.lseek(old.fileno(), end, os.SEEK_DATA)
            except OSError as error:
                if error.errno == errno.ENXIO:
                    return  # there are holes alone from here on
                raise
            end = os.lseek(old.fileno(), begin, os.SEEK_HOLE)
            os.lseek(new.fileno(), begin, os.SEEK_SET)
            while begin < end:
                # Not copy_file_range(2): it does not copy from one file system to another.
                write = os.sendfile(new.fileno(), old.fileno(), begin, end - begin)
                if not write:
                    raise OSError(errno.EIO, os.strerror(errno.EIO), str(source))
                begin += write


def write_all(fd: int, data: bytes) -> None:
    """Write to a descriptor all of the data, which may take several writes. Raises OSError."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
