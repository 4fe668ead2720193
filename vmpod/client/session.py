"""A session with the agent, over one of its control ports.

A port serves one client at a time, so a client first takes the port's lock. What the client before
left half said or half read is skipped: see `_greet`.
"""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from vmpod import wire
from vmpod.errors import (
    ConflictError,
    MachineError,
    NotFoundError,
    ProtocolError,
    TimeoutExpiredError,
    UsageError,
    VmpodError,
)
from vmpod.lock import try_lock
from vmpod.wire import frames, messages
from vmpod.wire.flow import SendWindow
from vmpod.wire.frames import Decoder, Frame, FrameError
from vmpod.wire.messages import MessageError

Json = dict[str, Any]

_CHUNK = 64 * 1024
_PORT_POLL = 0.02
_GREETINGS = (0.5, 2.0)  # seconds to wait for an answer to the first HELLO, to later ones
_MAX_WELCOME = 256  # bytes of a whole WELCOME frame
_SEND_TIMEOUT = 60.0

_ERRORS: dict[str, type[VmpodError]] = {
    messages.NO_CONTAINER: NotFoundError,
    messages.NOT_RUNNING: ConflictError,
    messages.BUSY: ConflictError,
}


class AgentError(VmpodError):
    """The agent refused a request; `problem` is the protocol's code."""

    code = "agent"

    def __init__(self, message: str, problem: str) -> None:
        super().__init__(message)
        self.problem = problem


class Session:
    """Frames to and from the agent."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._decoder = Decoder()
        self._ready: list[Frame] = []
        self._next_stream = 0
        self._nonce = ""
        self._hello = b""

    def open(self, method: str, message: Json) -> int:
        """Send a request, and return the number of its stream. Raises UsageError if it is too long."""
        payload = messages.dump({"method": method} | message)
        if len(payload) > frames.MAX_PAYLOAD:
            raise UsageError(
                f"a request of {len(payload)} bytes is longer than the agent takes ({frames.MAX_PAYLOAD})",
                hint="pass what is long on the command's standard input",
            )
        self._next_stream += 1
        self.send(Frame(frames.REQUEST, self._next_stream, payload))
        return self._next_stream

    def send(self, frame: Frame, timeout: float = _SEND_TIMEOUT) -> None:
        """Send a frame. Raises MachineError if the machine is gone, TimeoutExpiredError."""
        self._send(frames.encode(frame), timeout)

    def receive(self, timeout: float) -> Frame:
        """The next frame, which may take so many seconds.

        Raises MachineError, ProtocolError, TimeoutExpiredError.
        """
        deadline = time.monotonic() + timeout
        while not self._ready:
            self._ready += self.decode(self._read(deadline - time.monotonic()))
        return self._ready.pop(0)

    def answer(self, stream: int, timeout: float) -> Json:
        """The response on a stream; what comes before it is dropped.

        Raises AgentError (or a nearer error) if the agent refuses, and as receive().
        """
        deadline = time.monotonic() + timeout
        while True:
            frame = self.receive(deadline - time.monotonic())
            if frame.stream == stream and frame.kind in (frames.RESPONSE, frames.ERROR):
                return response(frame)

    def drain(self) -> list[Frame]:
        """Frames that have come together with one that receive() returned."""
        waiting, self._ready = self._ready, []
        return waiting

    def receive_now(self) -> list[Frame]:
        """What has come when the socket is readable. Raises MachineError, ProtocolError."""
        return self.drain() + self.decode(self._read(None))

    def decode(self, data: bytes) -> list[Frame]:
        """The frames that are complete with this data. Raises ProtocolError."""
        try:
            found = list(self._decoder.feed(data))
        except FrameError as error:
            raise breach(error) from error
        for frame in found:
            if frame.stream > self._next_stream:
                raise breach(f"stream {frame.stream} was never opened")
        return found

    def request(
        self, method: str, message: Json, *, body: bytes | None = None, timeout: float = 10.0
    ) -> Json:
        """Send a request, with a body on its standard input where one is given, and return the response.

        Raises AgentError (or a nearer error) if the agent refuses, and as receive().
        """
        deadline = time.monotonic() + timeout
        stream = self.ask(method, message, body=body, timeout=timeout)
        return self.answer(stream, deadline - time.monotonic())

    def ask(self, method: str, message: Json, *, body: bytes | None = None, timeout: float = 10.0) -> int:
        """Send a request, and its body; the number of the stream on which the response will come.

        A body of more than flow.INITIAL_CREDIT bytes takes an agent that reads. Raises as receive().
        """
        stream = self.open(method, message)
        if body is not None:
            self._send_body(stream, body, time.monotonic() + timeout)
        return stream

    def _send_body(self, stream: int, body: bytes, deadline: float) -> None:
        # The agent takes the whole body, so its credit frames need not be waited for as long as the
        # body is within the first grant; beyond that, wait for one at a time.
        window = SendWindow()
        for start in range(0, len(body), frames.MAX_PAYLOAD):
            piece = body[start : start + frames.MAX_PAYLOAD]
            while window.available < len(piece):
                self._await_credit(window, deadline)
            window.use(len(piece))
            self.send(Frame(frames.DATA, stream, piece), max(0.0, deadline - time.monotonic()))
        self.send(Frame(frames.EOF, stream))

    def _await_credit(self, window: SendWindow, deadline: float) -> None:
        frame = self.receive(deadline - time.monotonic())
        if frame.kind == frames.CREDIT:
            try:
                window.grant(frame)
            except FrameError as error:
                raise breach(error) from error
        elif frame.kind == frames.ERROR:
            response(frame)

    def greet(self, timeout: float) -> None:
        """Begin the session. Raises TimeoutExpiredError if the agent does not answer."""
        self.hello(timeout)
        self.welcome(timeout)

    def hello(self, timeout: float) -> None:
        """Say that a session begins; welcome() is to follow. Raises MachineError, TimeoutExpiredError."""
        self._nonce = os.urandom(16).hex()
        message = {"version": wire.PROTOCOL_VERSION, "nonce": self._nonce, "time": time.time_ns()}
        self._hello = frames.encode(Frame(frames.HELLO, 0, messages.dump(message)))
        self._send(self._hello, timeout)

    def welcome(self, timeout: float, *, fresh: bool = False) -> bool:
        """Wait for the answer to hello(); whether it was the first one, or else what was sent before is lost.

        fresh: there was no client before this one, of which something could be left: say nothing again.
        Raises TimeoutExpiredError if there is no answer.
        """
        deadline = time.monotonic() + timeout
        patience, later = (timeout, timeout) if fresh else _GREETINGS
        seen, first = bytearray(), True
        try:
            while (left := deadline - time.monotonic()) > 0:
                if self._welcomed(seen, min(patience, left)):
                    return first
                # The agent may be in the middle of a dead client's frame: make it start anew.
                self._send(frames.BREAK + self._hello, deadline - time.monotonic())
                patience, first = later, False
        except TimeoutExpiredError:
            pass  # it does not even read
        raise TimeoutExpiredError(
            f"the pod's agent has not answered within {timeout:g} seconds",
            hint="`vmpod console POD` shows what the machine says",
        )

    def _welcomed(self, seen: bytearray, patience: float) -> bool:
        """Read until the answer to our greeting has come, past what was meant for a client before us."""
        deadline = time.monotonic() + patience
        pattern = re.compile(
            re.escape(bytes([frames.WELCOME]))
            + rb'[\0-\xff]{11}\{"version":(\d{1,9}),"nonce":"'
            + self._nonce.encode()
            + rb'"\}'
        )
        while (left := deadline - time.monotonic()) > 0:
            try:
                seen += self._read(left)
            except TimeoutExpiredError:
                return False
            if found := pattern.search(seen):
                _check_version(int(found[1]))
                self._ready += self.decode(bytes(seen[found.end() :]))
                return True
            # However much is stale, only its end can be the beginning of what we wait for.
            del seen[:-_MAX_WELCOME]
        return False

    def _send(self, data: bytes, timeout: float) -> None:
        if timeout <= 0:
            raise TimeoutExpiredError("the pod's agent does not read")
        self.socket.settimeout(timeout)
        try:
            self.socket.sendall(data)
        except TimeoutError:
            raise TimeoutExpiredError("the pod's agent does not read") from None
        except OSError as error:
            raise _gone() from error

    def _read(self, timeout: float | None) -> bytes:
        if timeout is not None and timeout <= 0:
            raise TimeoutExpiredError("the pod's agent does not answer")
        self.socket.settimeout(timeout)
        try:
            data = self.socket.recv(_CHUNK)
        except TimeoutError:
            raise TimeoutExpiredError("the pod's agent does not answer") from None
        except OSError as error:
            raise _gone() from error
        if not data:
            raise _gone()
        return data


def response(frame: Frame) -> Json:
    """The message of a RESPONSE. Raises the error that an ERROR frame stands for."""
    try:
        message = messages.parse(frame.payload)
        if frame.kind == frames.ERROR:
            code, text = messages.get(message, "code", str), messages.get(message, "message", str)
            if kind := _ERRORS.get(code):
                raise kind(text)
            raise AgentError(text, code)
    except MessageError as error:
        raise breach(error) from error
    return message


def breach(what: object) -> ProtocolError:
    """The error for an agent that says what it must not."""
    return ProtocolError(f"the pod's agent does not keep to the protocol: {what}")


@contextmanager
def session(sockets: Path, *, timeout: float = 20.0) -> Iterator[Session]:
    """A session over the first control port that is free, for the time of the block.

    sockets: the pod's directory of sockets. Raises MachineError if the machine is gone, ConflictError if
    all ports stay busy, TimeoutExpiredError if the agent does not answer.
    """
    with _opened(sockets, timeout) as found:
        found.greet(timeout)
        yield found


@contextmanager
def greeted(sockets: Path, *, timeout: float = 20.0) -> Iterator[Session]:
    """As session(), but its welcome() is still to be waited for: the agent may not even run yet."""
    with _opened(sockets, timeout) as found:
        found.hello(timeout)
        yield found


@contextmanager
def _opened(sockets: Path, timeout: float) -> Iterator[Session]:
    with ExitStack() as stack:
        yield Session(_connect(sockets, stack, timeout))


def _connect(sockets: Path, stack: ExitStack, timeout: float) -> socket.socket:
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        for number in range(wire.CONTROL_PORTS):
            path = sockets / f"c{number}"
            if (lock := _lock_port(path)) is not None:
                stack.callback(os.close, lock)
                connection = stack.enter_context(socket.socket(socket.AF_UNIX))
                connection.settimeout(timeout)
                try:
                    connection.connect(str(path))
                except TimeoutError:
                    raise TimeoutExpiredError("the pod's machine does not take connections") from None
                except OSError as error:
                    raise _gone() from error
                return connection
        time.sleep(_PORT_POLL)
    raise ConflictError(
        f"all {wire.CONTROL_PORTS} control ports of the pod are in use", hint="end another exec session"
    )


def _lock_port(path: Path) -> int | None:
    try:
        return try_lock(path.with_name(path.name + ".lock"))
    except FileNotFoundError:
        raise _gone() from None


def _check_version(version: int) -> None:
    if version != wire.PROTOCOL_VERSION:
        raise ProtocolError(
            f"the pod's agent speaks protocol {version}, and this vmpod {wire.PROTOCOL_VERSION}",
            hint="the pod was started by another version: use that one, or run the pod again",
        )


def _gone() -> MachineError:
    return MachineError("the pod's machine is not running", hint="`vmpod ps --all` tells how it ended")
