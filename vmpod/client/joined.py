"""A socket here, joined to a stream of a session: bytes go both ways, and each direction ends by itself.

What the other end says waits here until the socket takes it, at most a window's bytes: so neither direction
waits for the other.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
from typing import Protocol

from vmpod.client.session import Session, response
from vmpod.errors import VmpodError
from vmpod.wire import frames
from vmpod.wire.flow import ReceiveWindow, SendWindow
from vmpod.wire.frames import Frame, FrameError


class Owner(Protocol):
    """Who serves the session and the selector."""

    @property
    def session(self) -> Session: ...
    @property
    def selector(self) -> selectors.BaseSelector: ...
    def refused(self, error: VmpodError) -> None:
        """The agent does not open the stream; ended() follows."""

    def ended(self, joined: Joined) -> None:
        """It is over, and the socket is closed."""


class Joined:
    """A socket here, joined to a stream. answered: whether the agent has said that the stream is open.

    abrupt: to be set before the socket is closed by whom the agent is to take for gone.
    """

    def __init__(
        self, owner: Owner, connection: socket.socket, stream: int, *, answered: bool = False
    ) -> None:
        self.stream = stream
        self.abrupt = False
        self._owner = owner
        self._socket = connection
        self._credit = SendWindow()
        self._window = ReceiveWindow(stream, frames.STDOUT)
        self._pending = bytearray()
        self._open = answered
        self._read_all = False  # our end has said its last
        self._heard_all = False  # the other end has said its last
        self._over = False  # the agent has said its last
        self._events = 0

    def take(self, frame: Frame) -> None:
        """What the agent says. Raises FrameError, MessageError."""
        if frame.kind == frames.DATA:
            if frame.channel != frames.STDOUT or self._heard_all:
                raise FrameError("data that is no part of a connection")
            self._window.received(len(frame.payload))
            self._pending += frame.payload
        elif frame.kind == frames.RESPONSE:
            self._open = True
        elif frame.kind == frames.CREDIT:
            self._credit.grant(frame)
        elif frame.kind == frames.EOF:
            self._heard_all = True
        elif frame.kind == frames.END:
            self._heard_all = self._over = True
        elif frame.kind == frames.ERROR:
            self._refused(frame)
            return
        self._write()

    def _refused(self, frame: Frame) -> None:
        try:
            response(frame)
        except VmpodError as error:
            self._owner.refused(error)
        self._close()

    def _write(self) -> None:
        """Pass on what has come, as far as our end takes it."""
        try:
            while self._pending:
                size = self._socket.send(self._pending)
                del self._pending[:size]
                if (credit := self._window.consumed(size)) and not self._over:
                    self._owner.session.send(credit)
        except BlockingIOError:
            pass
        except OSError:
            self._abandon()
            return
        if not self._pending and self._over:
            self._close()
            return
        if not self._pending and self._heard_all:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_WR)
        self.watch()

    def _read(self) -> None:
        """Pass on what our end says, as far as the agent takes it."""
        try:
            data = self._socket.recv(min(self._credit.available, frames.MAX_PAYLOAD))
        except BlockingIOError:
            return
        except OSError:
            self._abandon()
            return
        session = self._owner.session
        if data:
            self._credit.use(len(data))
            session.send(Frame(frames.DATA, self.stream, data))
        elif self.abrupt:
            self._abandon()
            return
        else:
            self._read_all = True
            session.send(Frame(frames.EOF, self.stream))
        self.watch()

    def _ready(self, events: int) -> None:
        if events & selectors.EVENT_WRITE:
            self._write()
        elif events & selectors.EVENT_READ:
            self._read()

    def watch(self) -> None:
        """Wait for what can be done now."""
        reads = self._open and not self._read_all and self._credit.available > 0
        wanted = (selectors.EVENT_READ if reads else 0) | (selectors.EVENT_WRITE if self._pending else 0)
        if wanted == self._events:
            return
        selector = self._owner.selector
        if not self._events:
            selector.register(self._socket, wanted, self._ready)
        elif not wanted:
            selector.unregister(self._socket)
        else:
            selector.modify(self._socket, wanted, self._ready)
        self._events = wanted

    def _abandon(self) -> None:
        """Our end is gone without a word."""
        if not self._over:
            self._owner.session.send(Frame(frames.CANCEL, self.stream))
        self._close()

    def _close(self) -> None:
        if self._events:
            self._owner.selector.unregister(self._socket)
            self._events = 0
        self._socket.close()
        self._owner.ended(self)
