"""Files of this host as a tar stream."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator

from vmpod.errors import HostError
from vmpod.tar.read import Entry, Kind
from vmpod.tar.write import END, header, padding

_CHUNK = 256 * 1024


def pack(source: str, name: bytes, skipped: Callable[[str], None]) -> Iterator[bytes]:
    """A file, or a directory with all that is in it, as an archive in which it has that name.

    The source itself is followed if it is a link; links below are kept. Special files are left out, and
    skipped(path) is called for each. Raises OSError, HostError if a file shrinks meanwhile.
    """
    # The next to pack is the last: so a directory comes right before what is in it.
    waiting = [(os.fsencode(os.path.realpath(source, strict=True)), name)]
    while waiting:
        path, inner = waiting.pop()
        status = os.lstat(path)
        if stat.S_ISDIR(status.st_mode):
            yield header(_entry(inner + b"/", Kind.DIRECTORY, status))
            children = sorted(os.listdir(path), reverse=True)  # noqa: PTH208 - bytes, as names are
            waiting += [(path + b"/" + child, inner + b"/" + child) for child in children]
        elif stat.S_ISREG(status.st_mode):
            yield from _file(path, inner)
        elif stat.S_ISLNK(status.st_mode):
            entry = _entry(inner, Kind.SYMLINK, status)
            entry.link = os.readlink(path)  # noqa: PTH115 - bytes, as names are
            yield header(entry)
        else:
            skipped(os.fsdecode(path))
    yield END


def _file(path: bytes, name: bytes) -> Iterator[bytes]:
    # It may have become something else since it was looked at: a pipe would let us wait for ever.
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(fd)
        yield header(_entry(name, Kind.FILE, status))
        left = status.st_size
        while left:
            data = os.read(fd, min(_CHUNK, left))
            if not data:
                raise HostError(f"{os.fsdecode(path)} became shorter while it was copied")
            left -= len(data)
            yield data
        yield padding(status.st_size)
    finally:
        os.close(fd)


def _entry(name: bytes, kind: Kind, status: os.stat_result) -> Entry:
    return Entry(
        name=name,
        kind=kind,
        mode=stat.S_IMODE(status.st_mode),
        uid=status.st_uid,
        gid=status.st_gid,
        size=status.st_size if kind is Kind.FILE else 0,
        mtime=max(0, int(status.st_mtime)),
    )
