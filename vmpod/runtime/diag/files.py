"""Files and listings, bounded: what is longer is cut, and that is said."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from vmpod.runtime.diag.archive import MissingError, Text

LIMIT = 1024 * 1024
"""Bytes that are taken of a log."""

_LISTED = 500


def tail(path: Path, *, margin: int, limit: int = LIMIT) -> Text:
    """The end of a log.

    margin: characters of the longest secret; a line that is cut could hold a part of one. Raises OSError.
    """
    if not path.exists():
        raise MissingError(f"there is no {path}")
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        file.seek(max(0, size - limit))
        text = file.read(limit).decode(errors="replace")
    if size <= limit:
        return Text(text)
    return Text(without_beginning(text, margin), f"the last {limit} bytes of {size}")


def without_beginning(text: str, margin: int) -> str:
    """A text whose beginning was cut off, without the line that was cut."""
    line, newline, rest = text.partition("\n")
    return rest if newline else line[margin:]


def listing(directories: Iterable[Path]) -> str:
    """What is in them: modes, sizes, blocks, times, names."""
    return "\n".join(line for directory in directories for line in _lines(directory))


def _lines(directory: Path) -> Iterator[str]:
    yield f"{directory}:"
    paths = sorted(directory.rglob("*"))
    for path in paths[:_LISTED]:
        try:
            found = path.lstat()
        except OSError as error:
            yield f"  {path.relative_to(directory)}: {error.strerror}"
            continue
        moment = datetime.fromtimestamp(found.st_mtime, UTC).isoformat(timespec="seconds")
        sizes = f"{found.st_size:>12} {found.st_blocks * 512:>12}"
        yield f"  {stat.filemode(found.st_mode)} {sizes} {moment} {path.relative_to(directory)}"
    if len(paths) > _LISTED:
        yield f"  and {len(paths) - _LISTED} more"
