"""Keeps events and output on the journal disk, from where the host reads them whenever it likes.

Every write has reached the host's file when it returns: nothing is lost with the machine. It takes about
a millisecond, so nothing has to be queued here. Source of the layout: vmpod/wire/logdisk.py.
"""

from __future__ import annotations

import os
import time

from vmpod.wire import journal, logdisk
from vmpod.wire.messages import dump
from vmpod_agent.console import report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from vmpod.wire.events import Event


class JournalDisk:
    """Appends lines to the disk's streams. Methods raise OSError when the host cannot store more."""

    def __init__(self, fd: int) -> None:
        """fd: the disk, opened so that writes wait until they are done. Raises OSError, DiskError."""
        self._fd = fd
        head = os.pread(fd, logdisk.INDEX, 0)
        self._layout = logdisk.read_header(head)
        self._beats = int.from_bytes(head[logdisk.HEARTBEAT : logdisk.HEARTBEAT + 8], "little")
        index = os.pread(fd, logdisk.RECORD_SIZE * self._layout.streams, logdisk.INDEX)
        # A machine that is started again goes on where it was.
        self._records = [
            logdisk.Record.unpack(index[at : at + logdisk.RECORD_SIZE]) or logdisk.Record()
            for at in range(0, len(index), logdisk.RECORD_SIZE)
        ]

    def beat(self) -> None:
        """Show that we live."""
        self._beats += 1
        os.pwrite(self._fd, self._beats.to_bytes(8, "little"), logdisk.HEARTBEAT)

    def begin(self, container: int, run: int) -> int:
        """Empty the stream of a run that begins, and return its number."""
        stream = self._layout.stream(container, run)
        self._records[stream] = logdisk.Record(run)
        self._commit(stream)
        return stream

    def room(self, stream: int) -> int:
        """Bytes until the next segment is begun."""
        return self._layout.size_of(stream) - self._length(stream)

    def append(self, stream: int, lines: bytes) -> None:
        """Write whole lines, none of them longer than a line may be."""
        while lines:
            room = self.room(stream)
            size = len(lines) if len(lines) <= room else lines.rfind(b"\n", 0, room) + 1
            if size:
                self._write(stream, lines[:size])
                lines = lines[size:]
            else:
                self.next_segment(stream)

    def next_segment(self, stream: int) -> None:
        """Begin the next segment, whose lines of old are gone then."""
        record = self._records[stream]
        record.sequence += 1
        record.lengths[self._place(stream)] = 0
        self._commit(stream)

    def _write(self, stream: int, data: bytes) -> None:
        record, place = self._records[stream], self._place(stream)
        at = self._layout.segment(stream, record.sequence) + record.lengths[place]
        done = 0
        while done < len(data):
            done += os.pwrite(self._fd, data[done:], at + done)
        record.lengths[place] += len(data)
        self._commit(stream)

    def _commit(self, stream: int) -> None:
        os.pwrite(self._fd, self._records[stream].pack(), self._layout.record(stream))

    def _place(self, stream: int) -> int:
        return self._records[stream].sequence % self._layout.files_of(stream)

    def _length(self, stream: int) -> int:
        return self._records[stream].lengths[self._place(stream)]


class EventJournal:
    """The pod's events.

    A segment begins with the newest event of each kind and container, so that the host can tell the
    whole state although the oldest events are gone.
    """

    def __init__(self, disk: JournalDisk) -> None:
        self._disk = disk
        self._newest: dict[object, bytes] = {}
        self._failing = False

    def event(self, event: Event) -> None:
        """Record an event. That the host cannot store it is reported to the console."""
        moment = journal.timestamp(time.time_ns())
        # JSON escapes newlines, and an event's strings are bounded by who makes them.
        line = journal.encode(moment, journal.EVENT_STREAM, dump(dict(event)) + b"\n")
        try:
            if len(line) > self._disk.room(logdisk.EVENTS):
                self._disk.next_segment(logdisk.EVENTS)
                self._disk.append(logdisk.EVENTS, b"".join(self._newest.values()))
            self._disk.append(logdisk.EVENTS, line)
        except OSError as error:
            if not self._failing:
                report(f"events cannot be stored on the host: {error}")
            self._failing = True
        else:
            self._failing = False
        # What has happened once is no state. Booted stays the first: it begins a life of the pod.
        if event["kind"] != "note":
            self._newest[event["kind"], event.get("name") or event.get("reason")] = line


class RunLog:
    """What one run of a container writes. lost(message): told once the host can store output again."""

    def __init__(self, disk: JournalDisk, container: int, run: int, lost: Callable[[str], None]) -> None:
        self._disk = disk
        self._container = container
        self._run = run
        self._told = lost
        self._stream = -1
        self._lost = 0

    def write(self, stream: str, data: bytes) -> None:
        """Record output. What the host cannot store is counted and dropped: the container goes on."""
        lines = journal.encode(journal.timestamp(time.time_ns()), stream, data)
        try:
            if self._stream < 0:
                self.begin()
            self._disk.append(self._stream, lines)
        except OSError as error:
            if not self._lost:
                report(f"output cannot be stored on the host: {error}")
            self._lost += len(data)
            return
        if self._lost:
            lost, self._lost = self._lost, 0
            self._told(f"{lost} bytes of output could not be stored on the host")

    def begin(self) -> None:
        """Forget the run before the last. Raises OSError."""
        self._stream = self._disk.begin(self._container, self._run)
