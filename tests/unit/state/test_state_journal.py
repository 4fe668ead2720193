"""Reading journals while they grow."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.state.records import event_line, output_line
from vmpod.state import journal
from vmpod.state.journal import Reader
from vmpod.wire.journal import MAX_LINE

LINES = [output_line(f"c/{n}", b"x" * n, partial=n % 2 == 0) for n in range(5)]


def contents(reader: Reader) -> list[bytes]:
    return [entry.content for entry in reader.read()]


@given(st.lists(st.integers(0, 400), max_size=10))
def test_lines_come_once_and_whole_however_they_are_written(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int]
) -> None:
    path = tmp_path_factory.mktemp("journal") / "log"
    data = b"".join(LINES)
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    reader = Reader(path)
    found = contents(reader)
    for start, end in itertools.pairwise(places):
        with path.open("ab") as file:
            file.write(data[start:end])
        found += contents(reader)
    assert found == [b"x" * n for n in range(5)]


def test_a_file_that_is_not_there_yet(tmp_path: Path) -> None:
    reader = Reader(tmp_path / "log")
    assert contents(reader) == []
    (tmp_path / "log").write_bytes(LINES[1])
    assert contents(reader) == [b"x"]


def test_lines_that_are_none_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(
        b"\n\nnonsense\n" + LINES[1] + b"\xff\xfe\n" + bytes(100) + b"\n" + LINES[2]
    )
    assert contents(Reader(tmp_path / "log")) == [b"x", b"xx"]


@pytest.mark.parametrize("size", [MAX_LINE + 1, 3 * 1024 * 1024, 5 * 1024 * 1024 + 17])
def test_a_line_without_end_is_passed_over_in_bounded_memory(size: int, tmp_path: Path) -> None:
    path = tmp_path / "log"
    reader = Reader(path)
    # It ends in what would be a line of its own, if only its end were kept.
    fake = b" " + output_line("fake/0", b"").rstrip(b"\n")
    with path.open("wb") as file:
        file.write(LINES[1] + b"y" * size)
    assert contents(reader) == [b"x"]
    assert len(reader._rest) <= MAX_LINE
    with path.open("ab") as file:
        file.write(fake)
    assert contents(reader) == []
    with path.open("ab") as file:
        file.write(b"\n" + LINES[2])
    assert contents(reader) == [b"xx"]


def test_who_is_interrupted_gets_the_rest_later(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"".join(LINES))
    reader = Reader(tmp_path / "log")

    def interrupted() -> None:
        for _ in reader.read():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert contents(reader) == [b"x", b"xx", b"xxx", b"xxxx"]


def test_following_ends_after_the_last_line(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(LINES[1])
    answers = iter([False, False, True])

    def ended() -> bool:
        # What is written until the end is known must be read.
        with path.open("ab") as file:
            file.write(LINES[2])
        return next(answers)

    assert [entry.content for entry in journal.follow(path, ended, poll=0.0)] == [b"x", b"xx", b"xx", b"xx"]


def test_events_are_told_from_output(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(
        event_line({"kind": "pod"}) + output_line("-", b'{"kind": "fake"}') + output_line("c/0", b"{}")
    )
    assert [event for _, event in journal.events(Reader(path).read())] == [{"kind": "pod"}]
