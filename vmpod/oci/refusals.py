"""What a filesystem can refuse, as errors for the user."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vmpod.errors import HostError


def no_space(directory: Path) -> HostError:
    """The error for a full disk with the store."""
    return HostError(
        f"no space left on the disk that holds {directory}",
        hint="free some, for example with: vmpod image prune; or set VMPOD_HOME to a larger disk",
    )


def not_written(path: Path, error: OSError) -> HostError:
    """The error for a file of the user's that cannot be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return HostError(
            f"no space left on the disk that holds {path}", hint="free some, or write it somewhere else"
        )
    return HostError(f"{path} cannot be written: {error.strerror}")


@contextmanager
def explained(root: Path) -> Iterator[None]:
    """Turns what a filesystem can refuse into errors for the user."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise no_space(root) from None
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise HostError(
                f"{error.filename or root}: {error.strerror}",
                hint="use the user whose images these are, or set VMPOD_HOME to a directory of your own",
            ) from None
        raise
