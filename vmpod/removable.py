"""What a store can do without, as `prune` tells it before or after it goes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Removable:
    """Something in a store that nobody needs.

    kind: 'image', 'guest-image', 'initrd', or 'leftover' of a command that was killed.
    name: what a user knows it by. size: bytes of the disk that come back when it goes.
    """

    kind: str
    name: str
    size: int


def disk_usage(path: Path) -> int:
    """Bytes that a file, or a directory with all in it, takes on its disk; 0 if it is gone."""
    found = [path]
    # A link counts itself: os.walk would go where it leads.
    for parent, directories, files in () if path.is_symlink() else os.walk(path):
        found += [Path(parent, name) for name in (*directories, *files)]
    return sum(map(_blocks, found))


def _blocks(path: Path) -> int:
    try:
        return path.lstat().st_blocks * 512
    except FileNotFoundError:
        return 0  # somebody else removes it as well
