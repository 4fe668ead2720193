"""Forwards connections to local ports into a pod, each as a stream of one session.

One thread serves all of them. A connection whose reader is slow is only ever owed a window's bytes, so it
delays no other.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
from collections.abc import Callable, Iterable

from vmpod.client.joined import Joined
from vmpod.client.session import Session, breach
from vmpod.dataclass import dataclass
from vmpod.errors import VmpodError
from vmpod.wire import messages
from vmpod.wire.frames import FrameError
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
        self._say = say
        self._listeners = listeners
        self._connections: dict[int, Joined] = {}
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

    def refused(self, error: VmpodError) -> None:
        self._say(error.message)

    def ended(self, joined: Joined) -> None:
        """There may be room for one that waits."""
        self._connections.pop(joined.stream, None)
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
        self._connections[stream] = Joined(self, accepted, stream)
        self._listen()

    def _from_agent(self, _events: int) -> None:
        try:
            for frame in self.session.receive_now():
                if connection := self._connections.get(frame.stream):
                    connection.take(frame)
        except (FrameError, MessageError) as error:
            raise breach(error) from error


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
