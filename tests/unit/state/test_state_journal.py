"""Reading journal disks that a hostile guest, or nobody, has written."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.state.records import event_line, output_line, record, write_output, written
from vmpod.plan.loglimits import LogLimits
from vmpod.runtime.disks import make_journal_disk
from vmpod.state import journal
from vmpod.state.journal import Disk, OutputReader, StreamReader
from vmpod.wire import logdisk
from vmpod.wire.journal import MAX_LINE, encode
from vmpod.wire.logdisk import EVENTS, RECORD_SIZE, Layout, Record

KEPT = record(logs=LogLimits(logdisk.MIN_SIZE, 2))
LAYOUT = KEPT.layout
MOMENT = "2026-01-31T12:00:00.000000000Z"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "journal.raw"
    make_journal_disk(made, len(KEPT.all_containers), KEPT.logs)
    return made


def put(path: Path, stream: int, content: bytes, *, sequence: int = 0, run: int = 0) -> None:
    """Write anything into a stream, and an index record that vouches for it."""
    found = Record(run)
    found.sequence = sequence
    found.lengths = [min(len(content), 2**32 - 1)] * logdisk.MAX_FILES
    with path.open("r+b") as file:
        file.seek(LAYOUT.segment(stream, sequence))
        file.write(content)
        file.seek(LAYOUT.record(stream))
        file.write(found.pack())


def contents(reader: StreamReader) -> list[bytes]:
    return [entry.content for _, entry in reader.read()]


def test_a_disk_that_is_not_there_yet(tmp_path: Path) -> None:
    reader = StreamReader(Disk(tmp_path / "journal.raw", LAYOUT), EVENTS)
    assert contents(reader) == []
    make_journal_disk(tmp_path / "journal.raw", len(KEPT.all_containers), KEPT.logs)
    assert contents(reader) == []
    with written(tmp_path / "journal.raw") as disk:
        disk.append(EVENTS, event_line({}))
    assert contents(reader) == [b"{}"]


def test_lines_come_once_and_in_the_order_of_time(path: Path) -> None:
    reader = OutputReader(Disk(path, LAYOUT), KEPT.all_containers)
    first = output_line("a/0", b"1") + output_line("b/0", b"2") + output_line("a/0", b"3")
    with written(path) as disk:
        write_output(disk, KEPT, first)
        assert [(each.source, each.content) for each in reader.read()] == [
            ("a/0", b"1"),
            ("b/0", b"2"),
            ("a/0", b"3"),
        ]
        assert list(reader.read()) == []
        write_output(disk, KEPT, output_line("a/1", b"4"))
    assert [each.source for each in reader.read()] == ["a/1"]


def test_who_is_interrupted_gets_the_rest_later(path: Path) -> None:
    lines = [line for n in range(4) for name in "ab" for line in output_line(f"{name}/0", b"%d" % n)]
    with written(path) as disk:
        write_output(disk, KEPT, lines)
    reader = OutputReader(Disk(path, LAYOUT), KEPT.all_containers)
    seen: list[str] = []

    def interrupted() -> None:
        for each in reader.read():
            seen.append(each.source)
            raise KeyboardInterrupt

    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            interrupted()
    seen += [each.source for each in reader.read()]
    assert sorted(seen) == ["a/0"] * 4 + ["b/0"] * 4


def test_a_reader_that_was_left_behind_goes_on_with_what_is_there(path: Path) -> None:
    reader = StreamReader(Disk(path, LAYOUT), LAYOUT.stream(0, 0))
    with written(path) as disk:
        stream = disk.begin(0, 0)
        for number in range(20):
            disk.append(stream, encode(MOMENT, "stdout", b"%02d%s\n" % (number, b"x" * 10_000)))
            if number == 0:
                assert len(contents(reader)) == 1
        found = contents(reader)
    assert found[-1].startswith(b"19")
    assert 2 < len(found) < 19
    numbers = [int(each[:2]) for each in found]
    assert numbers == list(range(numbers[0], 20))


def test_lines_that_are_none_are_passed_over(path: Path) -> None:
    good = encode(MOMENT, "stdout", b"x\n")
    put(path, 1, b"\n\nnonsense\n" + good + b"\xff\xfe\n" + bytes(100) + b"\n" + good)
    assert contents(StreamReader(Disk(path, LAYOUT), 1)) == [b"x", b"x"]


@pytest.mark.parametrize("size", [MAX_LINE + 1, logdisk.MIN_SIZE - 100])
def test_a_line_without_end_is_passed_over(size: int, path: Path) -> None:
    put(path, 1, encode(MOMENT, "stdout", b"x\n") + b"y" * size)
    reader = StreamReader(Disk(path, LAYOUT), 1)
    assert contents(reader) == [b"x"]
    assert contents(reader) == []


def test_events_are_told_from_output(path: Path) -> None:
    put(path, EVENTS, event_line({"kind": "pod"}) + encode(MOMENT, "stdout", b'{"kind": "fake"}\n'))
    assert [event for _, event in journal.events(Disk(path, LAYOUT))] == [{"kind": "pod"}]


def test_a_disk_that_was_cut_short_gives_what_is_left(path: Path) -> None:
    put(path, 1, encode(MOMENT, "stdout", b"x\n") * 10)
    os.truncate(path, LAYOUT.segment(1, 0) + 3 * len(encode(MOMENT, "stdout", b"x\n")))
    assert contents(StreamReader(Disk(path, LAYOUT), 1)) == [b"x"] * 3


@given(st.binary(max_size=200), st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1), st.booleans())
def test_any_index_is_read_in_bounded_time(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, sequence: int, run: int, follow: bool
) -> None:
    path = tmp_path_factory.mktemp("disk") / "journal.raw"
    make_journal_disk(path, len(KEPT.all_containers), KEPT.logs)
    put(path, 1, content * 1000, sequence=sequence, run=run)
    found = contents(StreamReader(Disk(path, LAYOUT), 1, follow=follow))
    assert sum(map(len, found)) <= LAYOUT.files * LAYOUT.size


def test_a_guest_that_never_ends_is_left_in_the_end(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who does not follow gets no more than the disk can hold, however fast the guest goes on."""
    line = encode(MOMENT, "stdout", b"x" * 1000 + b"\n")
    put(path, 1, line * 60)
    real = Disk.record

    def moving(disk: Disk, stream: int) -> Record:
        found = real(disk, stream)
        moving_run.append(0)
        found.run = len(moving_run) // 2
        return found

    moving_run: list[int] = []
    monkeypatch.setattr(Disk, "record", moving)
    found = contents(StreamReader(Disk(path, LAYOUT), 1, follow=False))
    assert sum(map(len, found)) <= 3 * LAYOUT.files * LAYOUT.size


def test_an_index_that_changes_under_our_eyes_hangs_nobody(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(path, 1, encode(MOMENT, "stdout", b"x\n"))
    real = Disk.record
    monkeypatch.setattr(Disk, "record", lambda disk, stream: _random_run(real(disk, stream)))
    begin = time.monotonic()
    assert contents(StreamReader(Disk(path, LAYOUT), 1)) == []
    assert time.monotonic() - begin < 30


def _random_run(found: Record) -> Record:
    found.run = random.getrandbits(30)
    return found


@given(st.binary(min_size=RECORD_SIZE, max_size=RECORD_SIZE))
def test_a_damaged_record_is_none(data: bytes) -> None:
    found = Record.unpack(data)
    assert found is None or found.pack() == data


def test_places_do_not_overlap() -> None:
    layout = Layout(3, logdisk.MIN_SIZE, 4)
    places = [(0, logdisk.INDEX)] + [(layout.record(stream), RECORD_SIZE) for stream in range(layout.streams)]
    places += [
        (layout.segment(stream, number), layout.size_of(stream))
        for stream in range(layout.streams)
        for number in range(layout.files_of(stream))
    ]
    end = 0
    for start, size in sorted(places):
        assert start >= end
        end = start + size
    assert end == layout.total
