"""What a store can do without, as `prune` tells it before or after it goes."""

from __future__ import annotations

import os
import stat
from collections import Counter
from pathlib import Path

from vmpod.dataclass import dataclass


@dataclass(frozen=True)
class Removable:
    """Something in a store that nobody needs.

    kind: 'image', 'guest-image', 'initrd', 'pod', 'job', ..., or 'leftover' of a command that was killed.
    name: what a user knows it by. size: bytes of the disk that come back when it goes.
    """

    kind: str
    name: str
    size: int


def disk_usage(path: Path) -> int:
    """Bytes of the disk that come back when a file, or a directory with all in it, goes; 0 if it is gone.

    A file with a hard link elsewhere brings nothing; of a sparse one what it takes counts.
    """
    found = [path]
    # A link counts itself: os.walk would go where it leads.
    for parent, directories, files in () if path.is_symlink() else os.walk(path):
        found += [Path(parent, name) for name in (*directories, *files)]
    total, links = 0, Counter[tuple[int, int]]()
    for each in found:
        try:
            status = each.lstat()
        except FileNotFoundError:
            continue  # somebody else removes it as well
        file = (status.st_dev, status.st_ino)
        links[file] += 1
        if stat.S_ISDIR(status.st_mode) or links[file] == status.st_nlink:
            total += status.st_blocks * 512
    return total
