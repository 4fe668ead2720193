"""Flow control: a reader grants credit, a writer sends no more DATA than it was granted.

Each channel of each stream starts with INITIAL_CREDIT, so that a slow reader of one stream never stops
another, and neither end ever has to hold more than that for a channel.
"""

from __future__ import annotations

import struct

from vmpod.wire.frames import CREDIT, Frame, FrameError

INITIAL_CREDIT = 256 * 1024
_GRANT_AT = INITIAL_CREDIT // 2
_U32 = struct.Struct(">I")


class SendWindow:
    """What may still be sent on one channel."""

    def __init__(self) -> None:
        self.available = INITIAL_CREDIT

    def use(self, size: int) -> None:
        """Count bytes that were sent."""
        self.available -= size

    def grant(self, frame: Frame) -> None:
        """Take a CREDIT frame. Raises FrameError if it is malformed or grants more than a window."""
        if len(frame.payload) != _U32.size:
            raise FrameError("a credit frame must carry 4 bytes")
        (size,) = _U32.unpack(frame.payload)
        if self.available + size > INITIAL_CREDIT:
            raise FrameError("more credit was granted than was ever used")
        self.available += size


class ReceiveWindow:
    """What the other end may still send on one channel, and when to grant it more."""

    def __init__(self, stream: int, channel: int) -> None:
        self._stream = stream
        self._channel = channel
        self._open = INITIAL_CREDIT
        self._consumed = 0

    def received(self, size: int) -> None:
        """Count bytes that came. Raises FrameError if they were not granted."""
        self._open -= size
        if self._open < 0:
            raise FrameError(f"stream {self._stream} sent more data than it was granted")

    def consumed(self, size: int) -> Frame | None:
        """Count bytes that were passed on; the CREDIT frame to send, once it is worth one."""
        self._consumed += size
        if self._consumed < _GRANT_AT:
            return None
        granted, self._consumed = self._consumed, 0
        self._open += granted
        return Frame(CREDIT, self._stream, _U32.pack(granted), self._channel)
