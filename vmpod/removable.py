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
    found = [str(path)]
    total, links = 0, Counter[tuple[int, int]]()
    # Not by recursion: a directory may be a guest's work, and as deep as it liked.
    while found:
        each = found.pop()
        try:
            status = os.lstat(each)
            directory = stat.S_ISDIR(status.st_mode)
            if directory:
                found += [os.path.join(each, name) for name in os.listdir(each)]  # noqa: PTH118, PTH208
        except OSError:
            continue  # somebody else removes it as well, or no path is long enough to name it
        file = (status.st_dev, status.st_ino)
        links[file] += 1
        if directory or links[file] == status.st_nlink:
            total += status.st_blocks * 512
    return total
