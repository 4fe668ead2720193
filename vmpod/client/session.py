"""A session with the agent, over one of its control ports.

A port serves one client at a time, so a client first takes the port's lock. What the client before
left half said or half read is skipped: see `_greet`.
"""

from __future__ import annotations

import os
import re
import secrets
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
    VmpodError,
)
from vmpod.lock import try_lock
from vmpod.wire import frames, messages
from vmpod.wire.frames import Decoder, Frame, FrameError
from vmpod.wire.messages import MessageError

Json = dict[str, Any]

_CHUNK = 64 * 1024
_PORT_POLL = 0.02
_GREETINGS = (0.5, 2.0)  # seconds to wait for an answer to the first HELLO, to later ones
_MAX_STALE = 4 * 1024 * 1024

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

    def open(self, method: str, message: Json) -> int:
        """Send a request, and return the number of its stream."""
        self._next_stream += 1
        request = {"method": method} | message
        self.send(Frame(frames.REQUEST, self._next_stream, messages.dump(request)))
        return self._next_stream

    def send(self, frame: Frame) -> None:
        """Send a frame, waiting as long as it takes. Raises MachineError if the machine is gone."""
        try:
            self.socket.sendall(frames.encode(frame))
        except TimeoutError:
            raise TimeoutExpiredError("the pod's agent does not read") from None
        except OSError as error:
            raise _gone() from error

    def receive(self, timeout: float | None = None) -> Frame:
        """The next frame. Raises MachineError, ProtocolError, TimeoutExpiredError."""
        self.socket.settimeout(timeout)
        while not self._ready:
            self._ready += self.decode(self._read())
        return self._ready.pop(0)

    def drain(self) -> list[Frame]:
        """Frames that have come together with one that receive() returned."""
        waiting, self._ready = self._ready, []
        return waiting

    def receive_now(self) -> list[Frame]:
        """What has come when the socket is readable. Raises MachineError, ProtocolError."""
        return self.drain() + self.decode(self._read())

    def decode(self, data: bytes) -> list[Frame]:
        """The frames that are complete with this data."""
        try:
            return list(self._decoder.feed(data))
        except FrameError as error:
            raise ProtocolError(f"the pod's agent does not keep to the protocol: {error}") from error

    def request(
        self, method: str, message: Json, *, body: bytes | None = None, timeout: float = 10.0
    ) -> Json:
        """Send a request, with a body on its standard input where one is given, and return the response.

        Raises AgentError (or a nearer error) if the agent refuses, and as receive().
        """
        stream = self.open(method, message)
        if body is not None:
            self._send_body(stream, body)
        while True:
            frame = self.receive(timeout)
            if frame.stream == stream and frame.kind in (frames.RESPONSE, frames.ERROR):
                return response(frame)

    def _send_body(self, stream: int, body: bytes) -> None:
        # The agent takes the whole body, so its credit frames need not be waited for as long as the
        # body is within the first grant; beyond that, wait for one at a time.
        from vmpod.wire.flow import SendWindow  # noqa: PLC0415

        window = SendWindow()
        for start in range(0, len(body), frames.MAX_PAYLOAD):
            piece = body[start : start + frames.MAX_PAYLOAD]
            while window.available < len(piece):
                frame = self.receive(10.0)
                if frame.kind == frames.CREDIT:
                    window.grant(frame)
                elif frame.kind == frames.ERROR:
                    response(frame)
            window.use(len(piece))
            self.send(Frame(frames.DATA, stream, piece))
        self.send(Frame(frames.EOF, stream))

    def greet(self, timeout: float) -> None:
        """Begin the session. Raises TimeoutExpiredError if the agent does not answer."""
        deadline = time.monotonic() + timeout
        nonce = secrets.token_hex(16)
        message = {"version": wire.PROTOCOL_VERSION, "nonce": nonce, "time": time.time_ns()}
        hello = frames.encode(Frame(frames.HELLO, 0, messages.dump(message)))
        patience, later = _GREETINGS
        self.socket.sendall(hello)
        seen = bytearray()
        while time.monotonic() < deadline:
            if self._welcomed(seen, nonce, min(patience, max(0.01, deadline - time.monotonic()))):
                return
            # The agent may be in the middle of a dead client's frame: make it start anew.
            self.socket.sendall(frames.BREAK + hello)
            patience = later
        raise TimeoutExpiredError(
            f"the pod's agent has not answered within {timeout:g} seconds",
            hint="`vmpod console POD` shows what the machine says",
        )

    def _welcomed(self, seen: bytearray, nonce: str, patience: float) -> bool:
        """Read until the answer to our greeting has come, past what was meant for a client before us."""
        deadline = time.monotonic() + patience
        pattern = re.compile(
            re.escape(bytes([frames.WELCOME]))
            + rb'[\0-\xff]{11}\{"version":(\d{1,9}),"nonce":"'
            + nonce.encode()
            + rb'"\}'
        )
        while (left := deadline - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                seen += self._read()
            except TimeoutExpiredError:
                return False
            if found := pattern.search(seen):
                _check_version(int(found[1]))
                self._ready += self.decode(bytes(seen[found.end() :]))
                return True
            del seen[:-_MAX_STALE]
        return False

    def _read(self) -> bytes:
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
        raise ProtocolError(f"the pod's agent does not keep to the protocol: {error}") from error
    return message


@contextmanager
def session(sockets: Path, *, timeout: float = 20.0) -> Iterator[Session]:
    """A session over the first control port that is free, for the time of the block.

    sockets: the pod's directory of sockets. Raises MachineError if the machine is gone, ConflictError if
    all ports stay busy, TimeoutExpiredError if the agent does not answer.
    """
    with ExitStack() as stack:
        connection = _connect(sockets, stack, timeout)
        connection.settimeout(timeout)
        found = Session(connection)
        try:
            found.greet(timeout)
        except OSError as error:
            raise _gone() from error
        yield found


def _connect(sockets: Path, stack: ExitStack, timeout: float) -> socket.socket:
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        for number in range(wire.CONTROL_PORTS):
            path = sockets / f"c{number}"
            if (lock := _lock_port(path)) is not None:
                stack.callback(os.close, lock)
                connection = stack.enter_context(socket.socket(socket.AF_UNIX))
                try:
                    connection.connect(str(path))
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
