"""Prints what containers wrote: to our stdout and stderr, each line with its container's name."""

from __future__ import annotations

import sys
from typing import IO

from vmpod.wire.journal import Entry

_MAX_LINE = 1024 * 1024
_MAX_PARTIAL = 256  # lines at a time; a hostile guest can make up any number of containers


class Printer:
    """Puts partial entries together again, so that a prefix starts every line and cuts none."""

    def __init__(self, *, prefix: bool, timestamps: bool = False) -> None:
        self._prefix = prefix
        self._timestamps = timestamps
        self._partial: dict[tuple[str, str, str], bytes] = {}

    def show(self, entry: Entry, pod: str = "") -> None:
        """Print the entry, once its line is complete."""
        if not self._prefix and not self._timestamps:
            _write(entry.stream, entry.data())
            return
        key = (pod, entry.source, entry.stream)
        line = self._partial.pop(key, b"") + entry.content
        if entry.partial and len(line) < _MAX_LINE:
            self._partial[key] = line
            if len(self._partial) > _MAX_PARTIAL:
                self.finish()
        else:
            _write(entry.stream, self._head(entry.timestamp, entry.source, pod) + line + b"\n")

    def finish(self) -> None:
        """Print lines that were never ended."""
        for (pod, source, stream), line in self._partial.items():
            _write(stream, self._head("", source, pod) + line + b"\n")
        self._partial.clear()

    def _head(self, timestamp: str, source: str, pod: str) -> bytes:
        moment = f"{timestamp} " if self._timestamps and timestamp else ""
        name = source.partition("/")[0]
        shown = f"{pod}/{name}" if pod else name
        return f"{moment}{shown} | ".encode() if self._prefix else moment.encode()


def _write(stream: str, data: bytes) -> None:
    target: IO[bytes] = sys.stderr.buffer if stream == "stderr" else sys.stdout.buffer
    target.write(data)
    target.flush()
