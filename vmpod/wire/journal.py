r"""Journal lines: how the guest's output and events are kept on the host.

The agent writes lines to a virtio-serial port behind which QEMU appends to a file, so they reach the
host with no vmpod process running and stay when the machine dies. A line is what a kubelet reads from
a container's log file, with the source before the stream:

    2026-01-31T12:00:00.123456789Z web/0 stdout F hello\n

The source is a container and the number of its restart, or '-' for the pod's events, whose stream is
'event' and whose content is JSON. Tag F ends a line of the container's output; P means that the output
goes on in the next entry of the same source and stream. Content is any bytes but a newline.
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

STREAMS = ("stdout", "stderr", "event")
POD_SOURCE = "-"


class Entry:
    """One journal line. timestamp: RFC 3339 with nanoseconds, UTC; partial: the line goes on."""

    __slots__ = ("content", "partial", "source", "stream", "timestamp")

    def __init__(self, timestamp: str, source: str, stream: str, content: bytes, *, partial: bool) -> None:
        self.timestamp = timestamp
        self.source = source
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


def encode(entry: Entry) -> bytes:
    """The journal line of an entry whose content holds no newline and is at most MAX_CONTENT long."""
    tag = "P" if entry.partial else "F"
    return f"{entry.timestamp} {entry.source} {entry.stream} {tag} ".encode() + entry.content + b"\n"


def decode(line: bytes) -> Entry | None:
    """The entry of a line (with or without its newline); None if it is not one."""
    if len(line) > MAX_LINE:
        return None
    words = line.rstrip(b"\n").split(b" ", 4)
    if len(words) != 5:
        return None
    moment, source, stream, tag, content = words
    try:
        names = moment.decode("ascii"), source.decode("ascii"), stream.decode("ascii")
    except UnicodeDecodeError:
        return None
    if names[2] not in STREAMS or tag not in (b"F", b"P") or not names[0].endswith("Z"):
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
