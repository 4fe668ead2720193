r"""Journal lines: how the guest's output and events are kept, on the journal disk (logdisk.py).

A line is what a kubelet reads from a container's log file:

    2026-01-31T12:00:00.123456789Z stdout F hello\n

The pod's events are lines of the stream 'event', whose content is JSON. Tag F ends a line of the
container's output; P means that the output goes on in the next entry of the same stream. Content is any
bytes but a newline.
Source of the format: Kubernetes, CRI logging (`RFC3339Nano stdout|stderr P|F message`).
"""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_CONTENT = 16 * 1024
"""Longer output lines are cut into partial entries, as the kubelet's runtimes do."""

MAX_LINE = MAX_CONTENT + 512
"""A longer line in a journal was not written by an agent in its right mind, and is skipped."""

OUTPUT_STREAMS = ("stdout", "stderr")
EVENT_STREAM = "event"
_STREAMS = (*OUTPUT_STREAMS, EVENT_STREAM)


class Entry:
    """One journal line. timestamp: RFC 3339 with nanoseconds, UTC; partial: the line goes on.

    source: 'CONTAINER/RUN', which follows from where the line was read, and is not part of it.
    """

    __slots__ = ("content", "partial", "source", "stream", "timestamp")

    def __init__(self, timestamp: str, stream: str, content: bytes, *, partial: bool) -> None:
        self.timestamp = timestamp
        self.source = ""
        self.stream = stream
        self.content = content
        self.partial = partial

    def data(self) -> bytes:
        """The bytes that the container wrote."""
        return self.content if self.partial else self.content + b"\n"

    def __repr__(self) -> str:
        return f"Entry({self.timestamp}, {self.source}, {self.stream}, {self.content[:40]!r})"


def timestamp(nanoseconds: int) -> str:
    """A moment since the epoch as RFC 3339 with nanoseconds, UTC."""
    seconds, fraction = divmod(nanoseconds, 1_000_000_000)
    year, month, day, hour, minute, second = time.gmtime(seconds)[:6]
    return f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction:09}Z"


def encode(timestamp: str, stream: str, data: bytes) -> bytes:
    """The lines for a piece of output, cut anywhere; without a newline at its end the last one is partial."""
    head = f"{timestamp} {stream} ".encode()
    lines = data.split(b"\n")
    rest = lines.pop()
    if max(map(len, lines), default=0) > MAX_CONTENT or len(rest) > MAX_CONTENT:
        pieces = split_output(data)
        return b"".join(head + (b"P " if partial else b"F ") + piece + b"\n" for piece, partial in pieces)
    # Nearly always: and then worth doing with few operations, as most output is many short lines.
    whole = b"".join((head, b"F ", (b"\n" + head + b"F ").join(lines), b"\n")) if lines else b""
    return whole + head + b"P " + rest + b"\n" if rest else whole


def decode(line: bytes) -> Entry | None:
    """The entry of a line (with or without its newline); None if it is not one."""
    if len(line) > MAX_LINE:
        return None
    words = line.rstrip(b"\n").split(b" ", 3)
    if len(words) != 4:
        return None
    moment, stream, tag, content = words
    try:
        names = moment.decode("ascii"), stream.decode("ascii")
    except UnicodeDecodeError:
        return None
    if names[1] not in _STREAMS or tag not in (b"F", b"P") or not names[0].endswith("Z"):
        return None
    return Entry(*names, content, partial=tag == b"P")


def split_output(data: bytes) -> Iterator[tuple[bytes, bool]]:
    """Cut output into (content, partial) pairs; the last is partial unless the data ends in a newline."""
    start, size = 0, len(data)
    while start < size:
        end = data.find(b"\n", start, start + MAX_CONTENT)
        if end >= 0:
            yield data[start:end], False
            start = end + 1
        else:
            end = min(start + MAX_CONTENT, size)
            # A line of exactly MAX_CONTENT keeps its newline for an empty entry of its own.
            yield data[start:end], True
            start = end
