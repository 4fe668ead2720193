"""Frames: how a session's byte stream is cut up.

A frame is a header of 12 bytes, big-endian, and a payload:

    kind: u8 | channel: u8 | reserved: u16, zero | stream: u32 | length: u32 | payload

Kind 0 does not exist: NUL bytes where a header should start are skipped. So a client that finds the
guest in the middle of a dead client's frame sends `BREAK`, which is longer than any frame can be, and
knows that the next header is read as one (as a break does on a serial line).
"""

from __future__ import annotations

import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

HEADER = struct.Struct(">BBHII")
MAX_PAYLOAD = 32 * 1024
BEST_PAYLOAD = MAX_PAYLOAD - HEADER.size
"""Bytes of DATA in a frame that a virtio-serial port takes in one piece."""

# Kinds. The host opens streams, with ids of its choice that it does not use twice in a session.
HELLO = 1  # host: stream 0, JSON {version, nonce, time}: begins a session, ends the one before
WELCOME = 2  # agent: stream 0, JSON {version, nonce}
REQUEST = 3  # host: opens a stream, JSON {method, ...}
RESPONSE = 4  # agent: JSON; for a method without data the last word on the stream
ERROR = 5  # agent: JSON {code, message}; the last word on the stream
DATA = 6  # both: bytes of a channel
EOF = 7  # both: no more DATA on the channel
CREDIT = 8  # both: u32, how many more bytes of DATA the channel's reader takes
CONTROL = 9  # host: JSON {resize: [columns, rows]} or {signal: number}
END = 10  # agent: JSON {exitCode}; the last word on the stream
CANCEL = 11  # host: the stream's client is gone

_KINDS = range(HELLO, CANCEL + 1)

STDIN, STDOUT, STDERR = 0, 1, 2
CHANNELS = (STDIN, STDOUT, STDERR)

BREAK = bytes(MAX_PAYLOAD + HEADER.size)


class FrameError(Exception):
    """What came is not a frame of this protocol."""


class Frame:
    """One frame. stream: 0 for the session itself; channel: STDIN, STDOUT or STDERR."""

    __slots__ = ("channel", "kind", "payload", "stream")

    def __init__(self, kind: int, stream: int = 0, payload: bytes = b"", channel: int = 0) -> None:
        self.kind = kind
        self.stream = stream
        self.payload = payload
        self.channel = channel

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Frame):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        return f"Frame(kind={self.kind}, stream={self.stream}, channel={self.channel}, {self.payload[:40]!r})"

    def _key(self) -> tuple[int, int, int, bytes]:
        return self.kind, self.stream, self.channel, self.payload


def encode(frame: Frame) -> bytes:
    """The frame's bytes. The payload must not be longer than MAX_PAYLOAD."""
    if len(frame.payload) > MAX_PAYLOAD:
        raise FrameError(f"a payload of {len(frame.payload)} bytes is over the limit of {MAX_PAYLOAD}")
    return HEADER.pack(frame.kind, frame.channel, 0, frame.stream, len(frame.payload)) + frame.payload


class Decoder:
    """Turns bytes, cut anywhere, into frames. Holds at most a break's bytes and the last chunk fed."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._lost = False

    def feed(self, data: bytes | memoryview) -> Iterator[Frame]:
        """Yield the frames that are complete now.

        Raises FrameError on anything that is no frame; after that, wait_for_break() is all that helps.
        """
        self._buffer += data
        if self._lost and not self._find_break():
            return
        start = 0
        try:
            while True:
                start = self._skip_padding(start)
                if len(self._buffer) - start < HEADER.size:
                    return
                kind, channel, reserved, stream, length = HEADER.unpack_from(self._buffer, start)
                _check_header(kind, channel, reserved, length)
                end = start + HEADER.size + length
                if len(self._buffer) < end:
                    return
                payload = bytes(self._buffer[start + HEADER.size : end])
                start = end
                yield Frame(kind, stream, payload, channel)
        finally:
            del self._buffer[:start]

    def wait_for_break(self) -> None:
        """Drop everything up to the next break, also of what has been fed already."""
        self._lost = True

    def _find_break(self) -> bool:
        """Go on behind the break, if there is one; no frame can hold as many NUL bytes."""
        place = self._buffer.find(BREAK)
        self._lost = place < 0
        del self._buffer[: 1 - len(BREAK) if self._lost else place + len(BREAK)]
        return not self._lost

    def _skip_padding(self, start: int) -> int:
        buffer = self._buffer
        while start < len(buffer) and buffer[start] == 0:
            start += 1
        return start


def _check_header(kind: int, channel: int, reserved: int, length: int) -> None:
    if kind not in _KINDS:
        raise FrameError(f"unknown frame kind {kind}")
    if channel not in CHANNELS:
        raise FrameError(f"unknown channel {channel}")
    if reserved != 0:
        raise FrameError("reserved header bits are set")
    if length > MAX_PAYLOAD:
        raise FrameError(f"a frame of {length} bytes is over the limit of {MAX_PAYLOAD}")
