"""Sets of completion indexes as the API writes them: '1,3-5,7'."""

from __future__ import annotations

import re
from collections.abc import Collection

MAX_LENGTH = 64 * 1024

_INTERVAL = re.compile("([0-9]{1,10})(?:-([0-9]{1,10}))?")


def parse(text: str, completions: int) -> frozenset[int]:
    """The indexes that a text names. Raises ValueError with what is wrong, as for a field's value."""
    if len(text) > MAX_LENGTH:
        raise ValueError(f"is longer than {MAX_LENGTH} characters")
    found: set[int] = set()
    last = -1
    for part in text.split(","):
        interval = _INTERVAL.fullmatch(part)
        if interval is None:
            raise ValueError("must be numbers and intervals with commas between them, as 1,3-5")
        first, end = int(interval[1]), int(interval[2] or interval[1])
        if first <= last or end < first or (interval[2] and end == first):
            raise ValueError("must be in ascending order, with nothing twice")
        if end >= completions:
            raise ValueError(f"names the index {end}, and they end with {completions - 1}")
        found.update(range(first, end + 1))
        last = end
    return frozenset(found)


def shown(indexes: Collection[int]) -> str:
    """The text that names these indexes; '' if there is none."""
    intervals: list[list[int]] = []
    for index in sorted(indexes):
        if intervals and intervals[-1][1] == index - 1:
            intervals[-1][1] = index
        else:
            intervals.append([index, index])
    return ",".join(_interval(first, last) for first, last in intervals)


def _interval(first: int, last: int) -> str:
    if first == last:
        return str(first)
    # As the job controller writes it: two neighbours are no interval.
    return f"{first},{last}" if last == first + 1 else f"{first}-{last}"
