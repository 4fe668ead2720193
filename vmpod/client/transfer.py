"""A stream whose standard output and input are a file each, for a method that copies."""

from __future__ import annotations

import time

from vmpod.client.session import AgentError, Session, breach, response
from vmpod.errors import HostError
from vmpod.wire import frames, messages
from vmpod.wire.flow import ReceiveWindow, SendWindow
from vmpod.wire.frames import Frame, FrameError
from vmpod.wire.messages import MessageError

_PATIENCE = 300.0  # seconds without a frame: a guest whose disk is busy may be silent for long
_MAX_WORDS = 64 * 1024


class Transfer:
    """Reads and writes a stream. `words` is what the agent has said to the user, bounded."""

    def __init__(self, session: Session, stream: int, *, deadline: float | None = None) -> None:
        """deadline: by time.monotonic(), for all that is read and written."""
        self.words = bytearray()
        self._session = session
        self._stream = stream
        self._deadline = deadline
        self._windows = {
            channel: ReceiveWindow(stream, channel) for channel in (frames.STDOUT, frames.STDERR)
        }
        self._credit = SendWindow()
        self._data = bytearray()
        self._at_end = False
        self._status: int | None = None

    def read(self, size: int, /) -> bytes:
        """So many bytes, fewer at the end. Raises as Session.receive(), and what ended the stream."""
        while len(self._data) < size and not self._at_end:
            before = len(self._data)
            self._take()
            # At once: a piece may be larger than what the agent may send before it hears of credit.
            self._grant(frames.STDOUT, len(self._data) - before)
        piece = bytes(self._data[:size])
        del self._data[:size]
        return piece

    def seekable(self) -> bool:
        """No."""
        return False

    def seek(self, _offset: int, _whence: int, /) -> int:
        """Never called."""
        raise NotImplementedError

    def write(self, data: bytes) -> bool:
        """Send all of it; whether anybody still reads. Raises as read()."""
        view = memoryview(data)
        while view and self._status is None:
            size = min(len(view), self._credit.available, frames.MAX_PAYLOAD)
            if size:
                self._credit.use(size)
                self._session.send(Frame(frames.DATA, self._stream, bytes(view[:size])))
                view = view[size:]
            else:
                self._take()
        return self._status is None

    def finish(self) -> None:
        """End the input, wait for the agent's last word, and raise HostError if it was not good."""
        if self._status is None:
            self._session.send(Frame(frames.EOF, self._stream))
        while self._status is None:
            self._take()
            # What is more than was read is of no interest, but must not stop the agent.
            self._grant(frames.STDOUT, len(self._data))
            self._data.clear()
        if self._status:
            *_, last = ["the pod's agent could not copy", *self.said()]
            raise CopyError(last)

    def explain(self) -> None:
        """Raise what the agent says of an output that has come to its end too early, if it says anything."""
        if self._at_end:
            self.finish()

    def said(self) -> list[str]:
        """The agent's words, line by line."""
        return self.words.decode(errors="replace").splitlines()

    def _grant(self, channel: int, size: int) -> None:
        if (credit := self._windows[channel].consumed(size)) and self._status is None:
            self._session.send(credit)

    def _take(self) -> None:
        left = _PATIENCE if self._deadline is None else self._deadline - time.monotonic()
        frame = self._session.receive(min(_PATIENCE, left))
        if frame.stream != self._stream:
            return
        try:
            self._take_one(frame)
        except (FrameError, MessageError, KeyError) as error:
            raise breach(error) from error

    def _take_one(self, frame: Frame) -> None:
        if frame.kind == frames.DATA:
            self._windows[frame.channel].received(len(frame.payload))
            if frame.channel == frames.STDOUT:
                self._data += frame.payload
            else:
                self.words += frame.payload[: _MAX_WORDS - len(self.words)]
                self._grant(frames.STDERR, len(frame.payload))
        elif frame.kind == frames.EOF:
            self._at_end = self._at_end or frame.channel == frames.STDOUT
        elif frame.kind == frames.CREDIT:
            self._credit.grant(frame)
        elif frame.kind == frames.END:
            self._status = messages.get(messages.parse(frame.payload), "exitCode", int)
            self._at_end = True
        elif frame.kind == frames.ERROR:
            response(frame)
            raise AgentError("the agent gave up", messages.FAILED)


class CopyError(HostError):
    """Not all was copied; the message says why."""

    code = "copy"
