"""Journal lines: output comes back to the byte, and no line can do harm."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vmpod.wire.journal import (
    MAX_CONTENT,
    MAX_LINE,
    decode,
    encode,
    split_output,
    timestamp,
)

MOMENT = "2026-01-31T12:00:00.123456789Z"
OUTPUT = st.lists(st.binary(max_size=40) | st.just(b"\n") | st.just(b"x" * MAX_CONTENT), max_size=8).map(
    b"".join
)


def through_the_journal(data: bytes) -> bytes:
    lines = encode(MOMENT, "stdout", data).split(b"\n")
    assert lines.pop() == b""
    assert all(len(line) < MAX_LINE for line in lines)
    found = [decode(line) for line in lines]
    return b"".join(entry.data() for entry in found if entry)


@given(OUTPUT)
@example(b"x" * MAX_CONTENT + b"\n")
@example(b"x" * (MAX_CONTENT + 1) + b"\n")
@example(b"x" * (2 * MAX_CONTENT))
@example(b"\n\n\n")
@example(b" \r\x00\xff P F \n")
def test_output_comes_back_to_the_byte(data: bytes) -> None:
    assert through_the_journal(data) == data


@given(st.binary(max_size=300))
def test_pieces_are_never_longer_than_they_may_be(data: bytes) -> None:
    for content, _ in split_output(data * 100):
        assert len(content) <= MAX_CONTENT
        assert b"\n" not in content


def test_only_the_last_piece_can_be_partial_within_a_line() -> None:
    assert list(split_output(b"a\nb\nc")) == [(b"a", False), (b"b", False), (b"c", True)]
    assert list(split_output(b"a\n")) == [(b"a", False)]
    assert list(split_output(b"")) == []


def test_an_entry_reads_as_it_was_written() -> None:
    line = encode(MOMENT, "stderr", b"a  b ")
    assert line == b"2026-01-31T12:00:00.123456789Z stderr P a  b \n"
    entry = decode(line)
    assert entry is not None
    assert (entry.timestamp, entry.stream) == (MOMENT, "stderr")
    assert (entry.content, entry.partial) == (b"a  b ", True)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"2026-01-31T12:00:00Z stdout F",
        b"2026-01-31T12:00:00Z stdout X hello",
        b"2026-01-31T12:00:00Z stdin F hello",
        b"2026-01-31T12:00:00Z w\xc3\xa9b F hello",
        b"yesterday stdout F hello",
        b"2026-01-31T12:00:00Z  stdout F hello",
        b"2026-01-31T12:00:00Z stdout F " + b"x" * MAX_LINE,
        bytes(MAX_LINE),
    ],
)
def test_what_is_no_line_is_no_entry(line: bytes) -> None:
    assert decode(line) is None


@given(st.binary(max_size=200) | st.lists(st.binary(max_size=20), max_size=6).map(b" ".join))
def test_hostile_lines_raise_nothing(line: bytes) -> None:
    entry = decode(line)
    assert entry is None or entry.stream in ("stdout", "stderr", "event")


def test_timestamps() -> None:
    assert timestamp(0) == "1970-01-01T00:00:00.000000000Z"
    assert timestamp(1769860800_123456789) == "2026-01-31T12:00:00.123456789Z"
