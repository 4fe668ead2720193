"""Reads the journal files that a pod's agent writes. Their content is the guest's, and not trusted."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from vmpod.wire import journal
from vmpod.wire.journal import Entry

_CHUNK = 1024 * 1024


class Reader:
    """Reads entries as they are appended; a line that is not complete yet is left for later."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._lines: deque[bytes] = deque()
        self._rest = b""
        self._skipping = False

    def read(self) -> Iterator[Entry]:
        """The entries that have come since the last call. What is no entry is skipped.

        Who stops in between, by an exception say, gets the others at the next call.
        """
        while self._lines or self._fill():
            while self._lines:
                if entry := journal.decode(self._lines.popleft()):
                    yield entry

    def _fill(self) -> bool:
        """Take in what was appended; whether there was anything."""
        chunk = self._read_chunk()
        *lines, rest = (self._rest + chunk).split(b"\n")
        if self._skipping and lines:
            self._skipping = False
            del lines[0]
        # A line without end must not grow for ever: nothing of it is an entry.
        self._skipping = self._skipping or len(rest) > journal.MAX_LINE
        self._rest = b"" if self._skipping else rest
        self._lines.extend(lines)
        return bool(chunk)

    def _read_chunk(self) -> bytes:
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                chunk = file.read(_CHUNK)
        except FileNotFoundError:
            return b""
        self._offset += len(chunk)
        return chunk


def follow(path: Path, ended: Callable[[], bool], *, poll: float = 0.05) -> Iterator[Entry]:
    """All entries, and those to come, until ended() is true and everything has been read."""
    reader = Reader(path)
    while True:
        last = ended()
        yield from reader.read()
        if last:
            return
        time.sleep(poll)


def events(entries: Iterator[Entry]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(timestamp, event) of the entries that hold one."""
    for entry in entries:
        if entry.stream == "event" and entry.source == journal.POD_SOURCE:
            try:
                event = json.loads(entry.content)
            except (ValueError, RecursionError):
                continue
            if isinstance(event, dict):
                yield entry.timestamp, event
