"""A file tree in memory, on its way from packages to a disk or an initrd."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from vmpod.dataclass import dataclass


@dataclass(frozen=True)
class Node:
    """One file, directory or symbolic link, owned by root.

    mode: type and permission bits as in st_mode; data: the content, or the target of a link.
    """

    mode: int
    data: bytes = b""

    @property
    def is_link(self) -> bool:
        return stat.S_ISLNK(self.mode)

    @property
    def is_file(self) -> bool:
        return stat.S_ISREG(self.mode)


Tree = Mapping[str, Node]
"""Nodes by relative path without a leading slash."""


def file(data: bytes, *, executable: bool = False) -> Node:
    """A regular file, 0755 or 0644."""
    return Node(stat.S_IFREG | (0o755 if executable else 0o644), data)


def directory(mode: int = 0o755) -> Node:
    """An empty directory."""
    return Node(stat.S_IFDIR | mode)


def link(target: str) -> Node:
    """A symbolic link."""
    return Node(stat.S_IFLNK | 0o777, target.encode())


def with_parents(tree: Tree) -> dict[str, Node]:
    """The tree with every missing parent directory added, sorted so that parents come first."""
    missing = {str(parent) for path in tree for parent in _parents(path)} - tree.keys()
    return dict(sorted({**{path: directory() for path in missing}, **tree}.items()))


def _parents(path: str) -> Iterable[PurePosixPath]:
    return list(PurePosixPath(path).parents)[:-1]
