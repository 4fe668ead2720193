"""Forwards connections to local ports into a pod, each as a stream of one session.

One thread serves all of them. A connection whose reader is slow is only ever owed a window's bytes, so it
delays no other.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from vmpod.client.session import AgentError, Session, breach, response
from vmpod.errors import VmpodError
from vmpod.wire import frames, messages
from vmpod.wire.flow import ReceiveWindow, SendWindow
from vmpod.wire.frames import Frame, FrameError
from vmpod.wire.messages import MessageError

_MAX_CONNECTIONS = 60  # an agent serves 64 streams of a session; more connections wait to be accepted
_BACKLOG = 128

Say = Callable[[str], None]


@dataclass(frozen=True)
class Listener:
    """A listening socket here, and the port of the pod that it stands for."""

    socket: socket.socket
    port: int


def serve(session: Session, listeners: Iterable[Listener], say: Say) -> None:
    """Forward for ever. say() gets a line for each connection that fails.

    Raises MachineError when the machine is gone, ProtocolError.
    """
    with selectors.DefaultSelector() as selector:
        _Forwarder(session, selector, list(listeners), say).run()


class _Forwarder:
    """All connections."""

    def __init__(
        self, session: Session, selector: selectors.BaseSelector, listeners: list[Listener], say: Say
    ) -> None:
        self.session = session
        self.selector = selector
        self.say = say
        self._listeners = listeners
        self._connections: dict[int, _Connection] = {}
        self._listening = False

    def run(self) -> None:
        """Serve."""
        self.selector.register(self.session.socket, selectors.EVENT_READ, self._from_agent)
        self._listen()
        while True:
            for key, events in self.selector.select():
                # What an earlier one of this round has closed is not there any more.
                if key.fileobj in self.selector.get_map():
                    key.data(events)

    def forget(self, connection: _Connection) -> None:
        """It is over; there may be room for one that waits."""
        self._connections.pop(connection.stream, None)
        self._listen()

    def _listen(self) -> None:
        wanted = len(self._connections) < _MAX_CONNECTIONS
        if wanted != self._listening:
            self._listening = wanted
            for each in self._listeners:
                if wanted:
                    self.selector.register(
                        each.socket, selectors.EVENT_READ, lambda _events, each=each: self._accept(each)
                    )
                else:
                    self.selector.unregister(each.socket)

    def _accept(self, listener: Listener) -> None:
        try:
            accepted, _ = listener.socket.accept()
        except OSError:
            return  # it has gone already
        accepted.setblocking(False)
        with contextlib.suppress(OSError):
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream = self.session.open(messages.FORWARD, {"port": listener.port})
        self._connections[stream] = _Connection(self, accepted, stream)
        self._listen()

    def _from_agent(self, _events: int) -> None:
        try:
            for frame in self.session.receive_now():
                if connection := self._connections.get(frame.stream):
                    connection.take(frame)
        except (FrameError, MessageError) as error:
            raise breach(error) from error


class _Connection:
    """One connection here, joined to one in the pod."""

    def __init__(self, forwarder: _Forwarder, accepted: socket.socket, stream: int) -> None:
        self.stream = stream
        self._forwarder = forwarder
        self._socket = accepted
        self._credit = SendWindow()
        self._window = ReceiveWindow(stream, frames.STDOUT)
        self._pending = bytearray()
        self._open = False
        self._read_all = False  # our client has said its last
        self._heard_all = False  # the pod has said its last
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
        except (AgentError, VmpodError) as error:
            self._forwarder.say(error.message)
        self._close()

    def _write(self) -> None:
        """Pass on what has come, as far as our client takes it."""
        try:
            while self._pending:
                size = self._socket.send(self._pending)
                del self._pending[:size]
                if (credit := self._window.consumed(size)) and not self._over:
                    self._forwarder.session.send(credit)
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
        self._watch()

    def _read(self) -> None:
        """Pass on what our client says, as far as the agent takes it."""
        try:
            data = self._socket.recv(min(self._credit.available, frames.MAX_PAYLOAD))
        except BlockingIOError:
            return
        except OSError:
            self._abandon()
            return
        session = self._forwarder.session
        if data:
            self._credit.use(len(data))
            session.send(Frame(frames.DATA, self.stream, data))
        else:
            self._read_all = True
            session.send(Frame(frames.EOF, self.stream))
        self._watch()

    def _ready(self, events: int) -> None:
        if events & selectors.EVENT_WRITE:
            self._write()
        elif events & selectors.EVENT_READ:
            self._read()

    def _watch(self) -> None:
        reads = self._open and not self._read_all and self._credit.available > 0
        wanted = (selectors.EVENT_READ if reads else 0) | (selectors.EVENT_WRITE if self._pending else 0)
        if wanted == self._events:
            return
        selector = self._forwarder.selector
        if not self._events:
            selector.register(self._socket, wanted, self._ready)
        elif not wanted:
            selector.unregister(self._socket)
        else:
            selector.modify(self._socket, wanted, self._ready)
        self._events = wanted

    def _abandon(self) -> None:
        """Our client is gone without a word."""
        if not self._over:
            self._forwarder.session.send(Frame(frames.CANCEL, self.stream))
        self._close()

    def _close(self) -> None:
        if self._events:
            self._forwarder.selector.unregister(self._socket)
            self._events = 0
        self._socket.close()
        self._forwarder.forget(self)


def listen(address: str, port: int, target: int) -> Listener:
    """Listen at an address (0: at a free port). Raises OSError."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((address, port))
        found.listen(_BACKLOG)
        found.setblocking(False)
    except OSError:
        found.close()
        raise
    return Listener(found, target)
