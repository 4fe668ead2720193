"""Who a container's process runs as, looked up in the image as a container runtime does.

The image's files are untrusted, and a path in them may be a link to anywhere: they are read by a child
that has the container's root as its own.
"""

from __future__ import annotations

import os

from vmpod_agent.process import pipe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_MAX_FILE = 1024 * 1024
_MAX_ID = 2**32 - 2
_MAX_DIGITS = 20
_ROOT = ("", "0", "root", "0:0", "root:root")


class UserError(Exception):
    """The image has no such user or group."""


class User:
    """Numbers for the process, and the home directory."""

    __slots__ = ("gid", "groups", "home", "uid")

    def __init__(self, uid: int, gid: int, groups: list[int], home: str) -> None:
        self.uid, self.gid, self.groups, self.home = uid, gid, groups, home


def look_up(user: str, root: str, *, groups: Iterable[int] = (), strict: bool = False) -> User:
    """Resolve 'name', 'uid', 'name:group' or 'uid:gid' in the root filesystem; '' is root.

    groups: more groups of the user; strict: none but these. The user's own is always among them: else a
    program with another group would be rid of it, and of what files deny to it (CVE-2022-36109 of engines). A
    user given by number need not exist in the image; its group is then 0. Raises UserError.
    """
    if user in _ROOT:
        # By far the most common, and worth no process of its own.
        found = User(0, 0, [], "/root")
    else:
        found = resolve(user, _read(root, "/etc/passwd"), _read(root, "/etc/group"))
    found.groups = sorted({found.gid, *groups, *([] if strict else found.groups)})
    return found


def resolve(user: str, passwd: bytes, group: bytes) -> User:
    """As look_up, from the contents of the two files."""
    name, _, group_name = (user or "0").partition(":")
    entry = next((row for row in _rows(passwd, 6) if name in (row[0], row[2])), None)
    if entry is None and not name.isdecimal():
        raise UserError(f"the image has no user {name!r} in /etc/passwd")
    uid = _number(entry[2] if entry else name)
    home = entry[5] if entry else "/"
    login = entry[0] if entry else ""
    groups = [_number(row[2]) for row in _rows(group, 3) if login and login in _members(row)]
    if group_name:
        return User(uid, _group(group_name, group), groups, home)
    return User(uid, _number(entry[3]) if entry else 0, groups, home)


def _group(name: str, group: bytes) -> int:
    entry = next((row for row in _rows(group, 3) if name in (row[0], row[2])), None)
    if entry is None and not name.isdecimal():
        raise UserError(f"the image has no group {name!r} in /etc/group")
    return _number(entry[2] if entry else name)


def _rows(content: bytes, fields: int) -> Iterator[list[str]]:
    for line in content.decode(errors="replace").splitlines():
        row = line.split(":")
        if len(row) >= fields and not line.startswith("#"):
            yield row


def _members(row: list[str]) -> list[str]:
    return row[3].split(",") if len(row) > 3 else []


def _number(text: str) -> int:
    # A number of thousands of digits would raise ValueError.
    if not text.isdecimal() or len(text) > _MAX_DIGITS or int(text) > _MAX_ID:
        raise UserError(f"{text[:40]!r} is no user or group number")
    return int(text)


def _read(root: str, path: str) -> bytes:
    """A file as the container would see it; empty if it is not there."""
    receive, send = pipe()
    child = os.fork()
    if child == 0:
        try:
            # Or we would wait for ourselves to read, once the parent has read enough.
            os.close(receive)
            os.chroot(root)
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            # A pipe holds less than a big passwd file, so that the parent must read while we write.
            while chunk := os.read(fd, 4096):
                os.write(send, chunk)
        finally:
            os._exit(0)
    os.close(send)
    with os.fdopen(receive, "rb") as stream:
        content = stream.read(_MAX_FILE)
    os.waitpid(child, 0)
    return content
