"""Credit: a writer never sends more than it was granted, and is granted all that was passed on."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmpod.wire import frames
from vmpod.wire.flow import INITIAL_CREDIT, ReceiveWindow, SendWindow
from vmpod.wire.frames import Frame, FrameError


def credit(size: int) -> Frame:
    return Frame(frames.CREDIT, 1, struct.pack(">I", size))


@given(st.lists(st.integers(1, frames.MAX_PAYLOAD), max_size=200))
def test_a_writer_that_heeds_its_window_never_breaks_the_readers(sizes: list[int]) -> None:
    send, receive = SendWindow(), ReceiveWindow(1, frames.STDIN)
    for wanted in sizes:
        size = min(wanted, send.available)
        assert size > 0, "the writer is stuck, though everything was passed on"
        send.use(size)
        receive.received(size)
        if frame := receive.consumed(size):
            send.grant(frame)
    assert 0 <= send.available <= INITIAL_CREDIT


def test_credit_is_granted_in_large_pieces() -> None:
    receive = ReceiveWindow(5, frames.STDERR)
    receive.received(INITIAL_CREDIT)
    assert receive.consumed(INITIAL_CREDIT // 2 - 1) is None
    assert receive.consumed(1) == Frame(
        frames.CREDIT, 5, struct.pack(">I", INITIAL_CREDIT // 2), frames.STDERR
    )
    assert receive.consumed(1) is None


def test_data_that_was_not_granted_is_refused() -> None:
    receive = ReceiveWindow(5, frames.STDIN)
    receive.received(INITIAL_CREDIT)
    with pytest.raises(FrameError, match="stream 5 sent more data than it was granted"):
        receive.received(1)


def test_credit_for_what_was_never_sent_is_refused() -> None:
    send = SendWindow()
    send.use(10)
    send.grant(credit(10))
    with pytest.raises(FrameError, match="more credit was granted than was ever used"):
        send.grant(credit(1))


@pytest.mark.parametrize("payload", [b"", b"\0\0\0", b"\0\0\0\1\0"])
def test_malformed_credit_is_refused(payload: bytes) -> None:
    with pytest.raises(FrameError, match="must carry 4 bytes"):
        SendWindow().grant(Frame(frames.CREDIT, 1, payload))
