"""A session with one client on the host: frames in, frames out, no I/O of its own.

A HELLO begins a session and ends the one before, whose client must be dead: a port has one client.
"""

from __future__ import annotations

from vmpod.wire import PROTOCOL_VERSION, frames, messages
from vmpod.wire.flow import ReceiveWindow, SendWindow
from vmpod.wire.frames import Decoder, Frame, FrameError
from vmpod.wire.messages import MessageError, dump
from vmpod_agent.console import report
from vmpod_agent.signals import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Json = dict[str, Any]
    Method = Callable[["Stream", Json], "StreamHandler | None"]

_MAX_STREAMS = 64
_MAX_NONCE = 64
_MAX_MESSAGE = 4096


class RequestError(Exception):
    """A request cannot be served; code is one of the protocol's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def wanted_signal(message: Json) -> int:
    """The number of the signal that a CONTROL message asks for, 0 for none. Raises MessageError."""
    number = messages.get_optional(message, "signal", int, 0)
    if number and not 0 < number < signal.NSIG:
        raise MessageError(f"no signal {number}")
    return number


class StreamHandler:
    """Serves an open stream. Methods do nothing unless a subclass cares."""

    def data(self, data: bytes) -> None:
        """Bytes from the host's standard input; grant credit with Stream.consumed()."""

    def eof(self) -> None:
        """No more data will come."""

    def control(self, message: Json) -> None:
        """A CONTROL message."""

    def writable(self) -> None:
        """There is credit or room again after Stream.room() was 0."""

    def cancel(self) -> None:
        """The client is gone."""


class Collector(StreamHandler):
    """Collects the body of a request, which may be larger than a frame.

    limit: bytes; too_long: what to say of more.
    """

    def __init__(self, stream: Stream, limit: int, too_long: str) -> None:
        self._stream = stream
        self._limit = limit
        self._too_long = too_long
        self._body = bytearray()

    def data(self, data: bytes) -> None:
        self._body += data
        self._stream.consumed(len(data))
        if len(self._body) > self._limit:
            self._body.clear()
            self._stream.fail(messages.BAD_REQUEST, self._too_long)

    def eof(self) -> None:
        self.collected(bytes(self._body))

    def collected(self, body: bytes) -> None:
        """The body is complete."""
        raise NotImplementedError


class Stream:
    """One request, and what goes to and fro until it is answered.

    After its last word, or once its client is gone, nothing more is sent: the number may mean another
    stream to the next client.
    """

    def __init__(self, session: Session, number: int) -> None:
        self.number = number
        self.handler: StreamHandler | None = None
        self.closed = False
        self._session = session
        self._receive = ReceiveWindow(number, frames.STDIN)
        self._send = {channel: SendWindow() for channel in (frames.STDOUT, frames.STDERR)}

    def room(self, channel: int) -> int:
        """How many bytes may be sent on the channel now."""
        if self._session.congested():
            return 0
        return min(self._send[channel].available, frames.BEST_PAYLOAD)

    def send(self, channel: int, data: bytes) -> None:
        """Send data, at most room() bytes."""
        self._send[channel].use(len(data))
        self._say(frames.DATA, data, channel)

    def send_eof(self, channel: int) -> None:
        """Say that the channel is at its end."""
        self._say(frames.EOF, b"", channel)

    def respond(self, message: Json) -> None:
        """Answer the request; with no handler this ends the stream. Fails it if that is too long."""
        payload = dump(message)
        if len(payload) > frames.MAX_PAYLOAD:
            self.fail(messages.FAILED, f"the answer has {len(payload)} bytes, more than a frame holds")
        else:
            self._say(frames.RESPONSE, payload)

    def end(self, exit_code: int) -> None:
        """The last word: how the command ended."""
        self._say(frames.END, dump({"exitCode": exit_code}))
        self._session.forget(self)

    def finish(self) -> None:
        """The response was the last word."""
        self._session.forget(self)

    def fail(self, code: str, message: str) -> None:
        """The last word: why the request failed."""
        self._say(frames.ERROR, dump({"code": code, "message": messages.clipped(message, _MAX_MESSAGE)}))
        self._session.forget(self)

    def consumed(self, size: int) -> None:
        """Input was passed on; lets the host send more."""
        if not self.closed and (frame := self._receive.consumed(size)):
            self._session.send(frame)

    def _say(self, kind: int, payload: bytes, channel: int = frames.STDIN) -> None:
        if not self.closed:
            self._session.send(Frame(kind, self.number, payload, channel))

    def receive(self, frame: Frame) -> None:
        """Take a frame of this stream. Raises FrameError, MessageError."""
        handler = self.handler
        assert handler is not None  # the session keeps no stream without one
        if frame.kind == frames.DATA:
            self._receive.received(len(frame.payload))
            handler.data(frame.payload)
        elif frame.kind == frames.EOF:
            handler.eof()
        elif frame.kind == frames.CONTROL:
            handler.control(messages.parse(frame.payload))
        elif frame.kind == frames.CREDIT:
            self._granted(frame)
            handler.writable()
        elif frame.kind == frames.CANCEL:
            self._session.forget(self)
            handler.cancel()

    def _granted(self, frame: Frame) -> None:
        window = self._send.get(frame.channel)
        if window is None:
            raise FrameError("credit for a channel that only the host writes")
        window.grant(frame)


class Session:
    """Serves one client after the other. write(bytes) must not block; congested() tells that it waits."""

    def __init__(
        self, methods: dict[str, Method], write: Callable[[bytes], None], congested: Callable[[], bool]
    ) -> None:
        self.congested = congested
        self._methods = methods
        self._write = write
        self._decoder = Decoder()
        self._streams: dict[int, Stream] = {}
        self._greeted = False

    @property
    def open(self) -> bool:
        """Whether there is a client."""
        return self._greeted

    def send(self, frame: Frame) -> None:
        """Send a frame to the client."""
        if self._greeted:
            self._write(frames.encode(frame))

    def receive(self, data: bytes | memoryview) -> None:
        """Take bytes from the client. What breaks the protocol ends the session, until a break comes."""
        while True:
            try:
                for frame in self._decoder.feed(data):
                    self._guarded_take(frame)
            except FrameError as error:
                report(f"session ended: {error}")
                self.reset()
                self._decoder.wait_for_break()
                data = b""  # it is in the decoder, and may hold the break
            else:
                return

    def writable(self) -> None:
        """The way to the client is free again."""
        for stream in list(self._streams.values()):
            if stream.handler:
                stream.handler.writable()

    def reset(self) -> None:
        """The client is gone: cancel what it asked for, and wait for the next."""
        self._greeted = False
        streams, self._streams = self._streams, {}
        for stream in streams.values():
            stream.closed = True
            if stream.handler:
                stream.handler.cancel()

    def client_gone(self) -> None:
        """As reset(); what the client had begun to say will not be continued by the next."""
        self.reset()
        self._decoder = Decoder()

    def forget(self, stream: Stream) -> None:
        """The stream has had its last word."""
        stream.closed = True
        if self._streams.get(stream.number) is stream:
            del self._streams[stream.number]

    def _guarded_take(self, frame: Frame) -> None:
        """Take a whole frame. The stream of bytes stays in step, also where the frame makes no sense."""
        try:
            self._take(frame)
        except (FrameError, MessageError) as error:
            report(f"session ended: {error}")
            self.reset()

    def _take(self, frame: Frame) -> None:
        if frame.kind == frames.HELLO:
            self._greet(messages.parse(frame.payload))
        elif not self._greeted:
            return  # the rest of a dead client's talk
        elif frame.kind == frames.REQUEST:
            self._request(frame)
        elif stream := self._streams.get(frame.stream):
            stream.receive(frame)
        # Anything else is late: for a stream that has ended in the meantime.

    def _greet(self, message: Json) -> None:
        nonce = messages.get(message, "nonce", str)[:_MAX_NONCE]
        self.reset()
        self._greeted = True
        self.send(Frame(frames.WELCOME, 0, dump({"version": PROTOCOL_VERSION, "nonce": nonce})))

    def _request(self, frame: Frame) -> None:
        if frame.stream == 0 or frame.stream in self._streams:
            raise FrameError(f"stream {frame.stream} cannot be opened")
        stream = Stream(self, frame.stream)
        try:
            self._open(stream, messages.parse(frame.payload))
        except RequestError as error:
            stream.fail(error.code, str(error))
        except MessageError as error:
            stream.fail(messages.BAD_REQUEST, str(error))
        except OSError as error:
            stream.fail(messages.FAILED, str(error))
        if stream.handler is None:
            self.forget(stream)

    def _open(self, stream: Stream, message: Json) -> None:
        if len(self._streams) >= _MAX_STREAMS:
            raise RequestError(messages.BUSY, f"more than {_MAX_STREAMS} requests at once")
        name = messages.get(message, "method", str)
        method = self._methods.get(name)
        if method is None:
            raise RequestError(messages.NO_METHOD, f"no method {name!r}")
        self._streams[stream.number] = stream
        stream.handler = method(stream, message)
