"""Unpacks a tar stream that somebody hostile may have made, so that nothing outside of the target is touched.

Names are walked one by one from the target's descriptor, and no link is followed on the way: neither one of
the archive nor one that was there. Files come into being under a temporary name, which a failure removes, and
take the place of what was there only when they are whole.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from vmpod.errors import HostError, VmpodError
from vmpod.files import write_all
from vmpod.tar.read import Entry, Kind, TarReader

MAX_ENTRIES = 2_000_000
"""Of one archive: what is kept of each has to fit into memory."""
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

Names = tuple[bytes, ...]


class Unpacker:
    """Unpacks archives that hold one file or one directory.

    directory: descriptor of an existing directory; name: what the file or directory is to be called there,
    '' if it is a directory whose contents are to lie in that directory itself. keep: keep owners and special
    mode bits. broken: the error for an archive that asks for what it may not. kind: what it has to hold.
    """

    def __init__(
        self,
        directory: int,
        name: str,
        *,
        keep: bool,
        broken: Callable[[str], VmpodError],
        kind: Kind | None = None,
    ) -> None:
        self._root = directory
        self._prefix: Names = (os.fsencode(name),) if name else ()
        self._keep = keep
        self._broken = broken
        self._kind = kind
        self._top: bytes | None = None
        self._count = 0
        self._files: set[Names] = set()
        self._directories: list[tuple[Names, Entry]] = []

    def unpack(self, tar: TarReader) -> None:
        """Unpack to the end. Raises OSError, HostError, and what `broken` makes."""
        for entry in tar:
            self._count += 1
            if self._count > MAX_ENTRIES:
                raise self._broken(f"more than {MAX_ENTRIES} files")
            self._one(entry, tar)
        if self._top is None:
            raise self._broken("an archive without a file")
        # Last, because what is written into a directory changes its time, and its mode may forbid it.
        for names, entry in reversed(self._directories):
            with self._parent(names) as parent:
                fd = os.open(names[-1], _DIRECTORY, dir_fd=parent)
                try:
                    self._set_attributes(fd, entry)
                finally:
                    os.close(fd)

    def _one(self, entry: Entry, tar: TarReader) -> None:
        if self._top is None and self._kind not in {None, entry.kind}:
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        names = self._place(entry.name)
        if entry.kind is Kind.DIRECTORY:
            self._make_directory(names, entry)
            return
        if not names:
            raise self._broken("a file where a directory was asked for")
        if entry.kind is Kind.FILE:
            self._make_file(names, entry, tar)
        elif entry.kind is Kind.SYMLINK:
            self._make_symlink(names, entry)
        elif entry.kind is Kind.HARD_LINK:
            self._make_hard_link(names, entry)
        else:
            raise self._broken(f"a device or pipe, {_shown(entry.name)}")

    def _place(self, name: bytes) -> Names:
        """Where a member goes, from the root. The archive's own name for the whole does not count."""
        top, *rest = name.rstrip(b"/").split(b"/")
        if self._top is None:
            self._top = top
        if top != self._top or top in {b"", b".."} or any(word in {b"", b".", b".."} for word in rest):
            raise self._broken(f"a file of the name {_shown(name)}")
        return (*self._prefix, *rest)

    def _make_directory(self, names: Names, entry: Entry) -> None:
        if not names:
            return
        with self._parent(names) as parent:
            try:
                os.mkdir(names[-1], 0o700, dir_fd=parent)
            except FileExistsError:
                found = os.stat(names[-1], dir_fd=parent, follow_symlinks=False)
                if not stat.S_ISDIR(found.st_mode):
                    raise
            else:
                self._directories.append((names, entry))

    def _make_file(self, names: Names, entry: Entry, tar: TarReader) -> None:
        with self._replacing(names) as (parent, temporary):
            fd = os.open(temporary, _NEW, 0o600, dir_fd=parent)
            try:
                self._check_space(fd, entry)
                for piece in tar.content():
                    write_all(fd, piece)
                self._set_attributes(fd, entry)
            finally:
                os.close(fd)
        self._files.add(names)

    def _make_symlink(self, names: Names, entry: Entry) -> None:
        with self._replacing(names) as (parent, temporary):
            os.symlink(entry.link, temporary, dir_fd=parent)
            if self._keep:
                os.chown(temporary, entry.uid, entry.gid, dir_fd=parent, follow_symlinks=False)
            os.utime(temporary, (entry.mtime, entry.mtime), dir_fd=parent, follow_symlinks=False)

    def _make_hard_link(self, names: Names, entry: Entry) -> None:
        target = self._place(entry.link)
        if target not in self._files:
            raise self._broken(f"a hard link to {_shown(entry.link)}, which is no file of the archive")
        with self._parent(target) as source, self._replacing(names) as (parent, temporary):
            os.link(target[-1], temporary, src_dir_fd=source, dst_dir_fd=parent, follow_symlinks=False)
        self._files.add(names)

    @contextmanager
    def _parent(self, names: Names) -> Iterator[int]:
        """A descriptor of the directory that the last name is in."""
        fd = os.dup(self._root)
        try:
            for name in names[:-1]:
                inner = os.open(name, _DIRECTORY, dir_fd=fd)
                os.close(fd)
                fd = inner
            yield fd
        finally:
            os.close(fd)

    @contextmanager
    def _replacing(self, names: Names) -> Iterator[tuple[int, bytes]]:
        """(directory, temporary name) for a file that replaces what has its name when the block is done."""
        temporary = b".vmpod-" + secrets.token_hex(8).encode()
        self._files.discard(names)
        with self._parent(names) as parent:
            try:
                yield parent, temporary
                os.rename(temporary, names[-1], src_dir_fd=parent, dst_dir_fd=parent)
            finally:
                # There after a failure, and after a rename between two links of one file: that does nothing.
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(temporary, dir_fd=parent)

    def _check_space(self, fd: int, entry: Entry) -> None:
        disk = os.fstatvfs(fd)
        if entry.size > disk.f_bavail * disk.f_frsize:
            raise HostError(f"{_shown(entry.name)}: no space for a file of {entry.size} bytes")

    def _set_attributes(self, fd: int, entry: Entry) -> None:
        if self._keep:
            os.fchown(fd, entry.uid, entry.gid)
        os.fchmod(fd, entry.mode if self._keep else entry.mode & 0o777)
        os.utime(fd, (entry.mtime, entry.mtime))


def _shown(name: bytes) -> str:
    return repr(os.fsdecode(name[:200]))
