"""Frames survive any cutting, garbage is told as such, and a break puts a decoder in step again."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmpod.wire import frames
from vmpod.wire.frames import BREAK, HEADER, MAX_PAYLOAD, Decoder, Frame, FrameError, encode

FRAMES = st.builds(
    Frame,
    st.integers(frames.HELLO, frames.CANCEL),
    st.integers(0, 2**32 - 1),
    st.binary(max_size=300),
    st.sampled_from(frames.CHANNELS),
)


def feed(decoder: Decoder, data: bytes, cuts: list[int]) -> list[Frame]:
    """Everything that comes out when the data comes in pieces."""
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    pieces = [data[start:end] for start, end in itertools.pairwise(places)]
    return [frame for piece in pieces for frame in decoder.feed(piece)]


@given(st.lists(FRAMES, max_size=8), st.lists(st.integers(0, 10_000), max_size=8))
def test_any_frames_cut_anywhere_come_out_the_same(sent: list[Frame], cuts: list[int]) -> None:
    data = b"".join(map(encode, sent))
    assert feed(Decoder(), data, cuts) == sent


@given(FRAMES, st.integers(1, 40), st.integers(0, 40))
def test_nul_bytes_between_frames_are_skipped(frame: Frame, before: int, after: int) -> None:
    data = bytes(before) + encode(frame) + bytes(after) + encode(frame)
    assert list(Decoder().feed(data)) == [frame, frame]


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=4))
def test_garbage_raises_nothing_but_frame_errors(data: bytes, cuts: list[int]) -> None:
    try:
        found = feed(Decoder(), data, cuts)
    except FrameError:
        return
    assert all(frame.kind in range(frames.HELLO, frames.CANCEL + 1) for frame in found)


@given(FRAMES, st.integers(1, 400), FRAMES)
def test_a_break_after_a_frame_cut_at_any_byte_is_followed_in_step(dead: Frame, cut: int, new: Frame) -> None:
    beginning = encode(dead)[: cut % len(encode(dead))]
    found = list(Decoder().feed(beginning + BREAK + encode(new)))
    assert found[-1] == new
    assert len(found) <= 2


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=4), FRAMES)
def test_a_break_puts_a_decoder_that_is_lost_in_step(garbage: bytes, cuts: list[int], new: Frame) -> None:
    decoder = Decoder()
    places = [0, *sorted(cut % (len(garbage) + 1) for cut in cuts), len(garbage)]
    pieces = [garbage[start:end] for start, end in itertools.pairwise(places)]
    found = [frame for piece in [*pieces, BREAK + encode(new)] for frame in stubborn(decoder, piece)]
    assert found[-1] == new
    assert len(decoder._buffer) == 0


def stubborn(decoder: Decoder, data: bytes) -> list[Frame]:
    """What comes out if every fault is followed by waiting for a break."""
    found = []
    while True:
        try:
            for frame in decoder.feed(data):
                found.append(frame)  # noqa: PERF402 - those before a fault count as well
        except FrameError:
            decoder.wait_for_break()
            data = b""
        else:
            return found


def test_a_lost_decoder_holds_less_than_a_break() -> None:
    decoder = Decoder()
    decoder.wait_for_break()
    for _ in range(100):
        assert list(decoder.feed(b"\xff" + bytes(10_000))) == []
        assert len(decoder._buffer) < len(BREAK)


def test_a_break_ends_the_longest_frame() -> None:
    dead = encode(Frame(frames.DATA, 7, bytes([0xFF]) * MAX_PAYLOAD))
    new = Frame(frames.HELLO, 0, b"{}")
    for cut in (1, HEADER.size - 1, HEADER.size, HEADER.size + 1, len(dead) - 1):
        assert list(Decoder().feed(dead[:cut] + BREAK + encode(new)))[-1] == new


def test_the_longest_payload_passes() -> None:
    frame = Frame(frames.DATA, 1, bytes(MAX_PAYLOAD))
    assert list(Decoder().feed(encode(frame))) == [frame]


def test_a_longer_payload_is_not_encoded() -> None:
    with pytest.raises(FrameError, match=r"32769 bytes is over the limit of 32768"):
        encode(Frame(frames.DATA, 1, bytes(MAX_PAYLOAD + 1)))


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (HEADER.pack(12, 0, 0, 0, 0), "unknown frame kind 12"),
        (HEADER.pack(255, 0, 0, 0, 0), "unknown frame kind 255"),
        (HEADER.pack(frames.DATA, 3, 0, 1, 0), "unknown channel 3"),
        (HEADER.pack(frames.DATA, 0, 1, 1, 0), "reserved header bits are set"),
        (HEADER.pack(frames.DATA, 0, 0, 1, MAX_PAYLOAD + 1), "32769 bytes is over the limit"),
        (HEADER.pack(frames.DATA, 0, 0, 1, 2**32 - 1), "is over the limit"),
    ],
)
def test_a_bad_header_is_refused_before_its_payload_comes(header: bytes, message: str) -> None:
    with pytest.raises(FrameError, match=message):
        list(Decoder().feed(header))


def test_the_decoder_holds_no_more_than_a_frame() -> None:
    decoder = Decoder()
    piece = encode(Frame(frames.DATA, 1, bytes(1000)))
    for _ in range(100):
        list(decoder.feed(piece))
        list(decoder.feed(bytes(5000)))
    assert len(decoder._buffer) == 0


def test_frames_compare_by_all_that_they_say() -> None:
    frame = Frame(frames.DATA, 1, b"x", frames.STDOUT)
    assert frame == Frame(frames.DATA, 1, b"x", frames.STDOUT)
    assert len({frame, Frame(frames.DATA, 1, b"x", frames.STDOUT)}) == 1
    for other in (
        Frame(frames.EOF, 1, b"x", frames.STDOUT),
        Frame(frames.DATA, 2, b"x", frames.STDOUT),
        Frame(frames.DATA, 1, b"y", frames.STDOUT),
        Frame(frames.DATA, 1, b"x", frames.STDERR),
    ):
        assert frame != other
    assert frame != "a frame"
