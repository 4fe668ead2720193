"""Files of a volume that may be exchanged, all at once, under the containers that read them.

They lie in a hidden directory of their own, which `..data` leads to; what a container sees are links into it.
To exchange them another such directory is made, and the one link put in place of the old: whoever looks sees
the old files or the new ones. It is how a kubelet writes such volumes, and programs watch for it.
"""

from __future__ import annotations

import os
import stat

from vmpod_agent.operations import WriteFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_DATA = "..data"
_NEW = "..data_tmp"


class FileVolume:
    """The files of one volume. group: who else may read them, or -1."""

    def __init__(self, directory: str, group: int) -> None:
        self.directory, self.group = directory, group

    def write(self, files: Iterable[tuple[str, bytes, int, int]], *, keep: bool = False) -> bool:
        """Have these files, each (path, content, mode, owner), and no others; whether anything changed.

        keep: beside those that are there and not among them. Raises OSError.
        """
        wanted = {os.path.normpath(path): (content, mode, user) for path, content, mode, user in files}
        link = f"{self.directory}/{_DATA}"
        try:
            before = os.readlink(link)
        except FileNotFoundError:
            before = ""
        if before and keep:
            wanted = dict(_present(f"{self.directory}/{before}")) | wanted
        if before and self._has(f"{self.directory}/{before}", wanted):
            return False
        number = int(before.rpartition("_")[2]) + 1 if before else 0
        name = f"..version_{number}"
        os.makedirs(f"{self.directory}/{name}")
        for path, (content, mode, user) in wanted.items():
            WriteFile(f"{self.directory}/{name}/{path}", content, mode, group=self.group, user=user).execute()
        os.symlink(name, f"{self.directory}/{_NEW}")
        os.rename(f"{self.directory}/{_NEW}", link)
        self._link({path.partition("/")[0] for path in wanted})
        if before:
            _remove(f"{self.directory}/{before}")
        return True

    def _has(self, directory: str, wanted: dict[str, tuple[bytes, int, int]]) -> bool:
        found = set()
        for top, _, names in os.walk(directory):
            for name in names:
                path = os.path.relpath(f"{top}/{name}", directory)
                found.add(path)
                if path not in wanted or wanted[path][0] != _read(f"{top}/{name}"):
                    return False
        return found == wanted.keys()

    def _link(self, names: set[str]) -> None:
        """Have links with these names into the present files, and no others."""
        there = {name for name in os.listdir(self.directory) if not name.startswith("..")}
        for name in there - names:
            os.unlink(f"{self.directory}/{name}")
        for name in names - there:
            os.symlink(f"{_DATA}/{name}", f"{self.directory}/{name}")


def _present(directory: str) -> Iterator[tuple[str, tuple[bytes, int, int]]]:
    for top, _, names in os.walk(directory):
        for name in names:
            path = f"{top}/{name}"
            status = os.stat(path)
            found = _read(path), stat.S_IMODE(status.st_mode), status.st_uid
            yield os.path.relpath(path, directory), found


def _read(path: str) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, os.fstat(fd).st_size + 1)
    finally:
        os.close(fd)


def _remove(directory: str) -> None:
    for top, directories, names in os.walk(directory, topdown=False):
        for name in names:
            os.unlink(f"{top}/{name}")
        for name in directories:
            os.rmdir(f"{top}/{name}")
    os.rmdir(directory)
