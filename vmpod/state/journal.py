"""Reads the journal disk that a pod's agent writes. Its content is the guest's, and not trusted.

The disk may be read at any time: while it is written, after the machine has ended or was killed. What a
ring of segments has taken back before it was read is lost, as with any log that is rotated.
"""

from __future__ import annotations

import heapq
import json
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from vmpod.wire import journal, logdisk
from vmpod.wire.journal import Entry
from vmpod.wire.logdisk import Layout, Record

_CHUNK = 256 * 1024


class Disk:
    """A journal disk as the host sees it. It is opened when it is first read, and may come later."""

    def __init__(self, path: Path, layout: Layout) -> None:
        self.layout = layout
        self._path = path
        self._fd = -1

    def record(self, stream: int) -> Record:
        """How far a stream is; one that has not begun is empty."""
        at = self.layout.record(stream)
        # A record that is being written at this moment is damaged for as long.
        for _ in range(3):
            if found := Record.unpack(self.read(at, logdisk.RECORD_SIZE)):
                size = self.layout.size_of(stream)
                found.lengths = [min(length, size) for length in found.lengths]
                return found
        return Record()

    def read(self, at: int, size: int) -> bytes:
        """Bytes of the disk; fewer where it ends."""
        if self._fd < 0:
            try:
                self._fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                return b""
        return os.pread(self._fd, size, at)

    def __del__(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)


class StreamReader:
    """Reads the lines of one stream as they come, and those of the next run when it takes the stream."""

    def __init__(self, disk: Disk, stream: int, *, follow: bool = True) -> None:
        """follow: however much comes; without it the reader ends, also if the guest never does."""
        self._disk = disk
        self._stream = stream
        self._budget = None if follow else 2 * disk.layout.files_of(stream) * disk.layout.size_of(stream)
        self._files = disk.layout.files_of(stream)
        self._run = -1
        self._sequence = 0
        self._at = 0
        self._lines: deque[tuple[int, bytes]] = deque()

    def read(self) -> Iterator[tuple[int, Entry]]:
        """(run, entry) of all that has come since the last call. What is no entry is skipped.

        Who stops in between, by an exception say, gets the others at the next call.
        """
        while (found := self.next()) is not None:
            yield found

    def next(self) -> tuple[int, Entry] | None:
        """The next entry; None if there is none yet."""
        while True:
            while self._lines:
                run, line = self._lines.popleft()
                if entry := journal.decode(line):
                    return run, entry
            if not self._fill():
                return None

    def _fill(self) -> bool:
        """Take in lines; whether there was anything new."""
        # More turns than a sound disk ever takes; a guest may change its index under our eyes for ever.
        for _ in range(2 * self._files + 2):
            if self._budget is not None and self._budget <= 0:
                return False
            record = self._disk.record(self._stream)
            self._catch_up(record)
            end = record.lengths[self._sequence % self._files]
            if self._at < end:
                chunk = self._read(end)
                # Before it was read it may have been taken back, and then it holds something else.
                now = self._disk.record(self._stream)
                if now.run == self._run and now.sequence - self._sequence < self._files:
                    self._take(chunk, end)
                    return True
            elif self._sequence >= record.sequence:
                return False
            else:
                self._sequence, self._at = self._sequence + 1, 0
        return False

    def _catch_up(self, record: Record) -> None:
        oldest = max(0, record.sequence - self._files + 1)
        if record.run != self._run:
            self._run, self._sequence, self._at = record.run, oldest, 0
        elif not oldest <= self._sequence <= record.sequence:
            self._sequence, self._at = oldest, 0

    def _read(self, end: int) -> bytes:
        layout = self._disk.layout
        at = layout.segment(self._stream, self._sequence) + self._at
        return self._disk.read(at, min(_CHUNK, end - self._at))

    def _take(self, chunk: bytes, end: int) -> None:
        if self._budget is not None:
            self._budget -= len(chunk) or 1
        cut = chunk.rfind(b"\n") + 1
        if not cut:
            # No line is so long. A file that was cut short gives nothing at all, and has no more.
            self._at = self._at + len(chunk) if chunk else end
            return
        self._at += cut
        self._lines.extend((self._run, line) for line in chunk[: cut - 1].split(b"\n"))


class OutputReader:
    """Reads what containers write, in the order of time."""

    def __init__(
        self,
        disk: Disk,
        containers: Sequence[str],
        *,
        chosen: Iterable[str] | None = None,
        follow: bool = True,
    ) -> None:
        """containers: of the pod, init containers first; chosen: those to read, None for all.

        follow: see StreamReader.
        """
        wanted = set(containers if chosen is None else chosen)
        self._readers = [
            (name, StreamReader(disk, disk.layout.stream(number, run), follow=follow))
            for number, name in enumerate(containers)
            if name in wanted
            for run in (0, 1)
        ]
        self._next: dict[int, Entry] = {}

    def read(self) -> Iterator[Entry]:
        """All that has come since the last call; its source is 'CONTAINER/RUN'.

        Who stops in between, by an exception say, gets the others at the next call.
        """
        heap: list[tuple[str, int]] = []
        for number in range(len(self._readers)):
            self._push(heap, number)
        while heap:
            number = heapq.heappop(heap)[1]
            entry = self._next.pop(number)
            yield entry
            self._push(heap, number)

    def _push(self, heap: list[tuple[str, int]], number: int) -> None:
        name, reader = self._readers[number]
        if number not in self._next:
            if (found := reader.next()) is None:
                return
            run, entry = found
            entry.source = f"{name}/{run}"
            self._next[number] = entry
        heapq.heappush(heap, (self._next[number].timestamp, number))


def newest_run(disk: Disk, container: int) -> int | None:
    """The number of a container's newest run that has a log; None if there is none."""
    layout = disk.layout
    places = (layout.record(layout.stream(container, run)) for run in (0, 1))
    found = [Record.unpack(disk.read(place, logdisk.RECORD_SIZE)) for place in places]
    return max((record.run for record in found if record), default=None)


def events(disk: Disk) -> Iterator[tuple[str, dict[str, Any]]]:
    """(timestamp, event) of all that the agent has reported, the oldest first."""
    return parsed(StreamReader(disk, logdisk.EVENTS, follow=False))


def parsed(reader: StreamReader) -> Iterator[tuple[str, dict[str, Any]]]:
    """(timestamp, event) of what has come since the last call."""
    for _, entry in reader.read():
        if entry.stream == journal.EVENT_STREAM:
            try:
                event = json.loads(entry.content)
            except (ValueError, RecursionError):
                continue
            if isinstance(event, dict):
                yield entry.timestamp, event
