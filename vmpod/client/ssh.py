"""A connection to an SSH server in a pod's machine, over the channel.

The server is started for the connection, and gets its keys with the request: see docs/protocol.md, `ssh`.
"""

from __future__ import annotations

import base64
import contextlib
import selectors
import signal
import socket
import threading
import time
from collections.abc import Iterator

from vmpod.client.joined import Joined
from vmpod.client.relay import Relay
from vmpod.client.session import AgentError, Session, breach
from vmpod.errors import TimeoutExpiredError, VmpodError
from vmpod.wire import frames, messages
from vmpod.wire.frames import Frame, FrameError
from vmpod.wire.messages import MessageError

_START_TIMEOUT = 60.0  # seconds; an emulated guest may be slow to start a process
_LAST_WORDS = 5.0  # seconds for the server to end once its client has


def connect(session: Session, *, host_key: bytes, client_key: str) -> int:
    """Have a server started; the number of the stream that leads to it.

    host_key: the server's private key; client_key: the public one that it lets in. Raises as
    Session.answer().
    """
    keys = {"hostKey": base64.b64encode(host_key).decode(), "clientKey": client_key}
    stream = session.open(messages.SSH, keys)
    try:
        session.answer(stream, _START_TIMEOUT)
    except AgentError as error:
        if error.problem == messages.NO_METHOD:
            error.hint = "its machine was started by a vmpod without `vmpod ssh`: run the pod again"
        raise
    return stream


def carry(session: Session, stream: int) -> None:
    """Carry bytes between our standard streams and the server, until it ends.

    Raises as Session.receive().
    """
    # ssh sends it when it has said its last. That its output ends tells us the same, and the server, too.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        Relay(session, stream, stdin=True).run()
    except BrokenPipeError:
        session.send(Frame(frames.EOF, stream))
        _await_end(session, stream)


def _await_end(session: Session, stream: int) -> None:
    deadline = time.monotonic() + _LAST_WORDS
    with contextlib.suppress(TimeoutExpiredError):
        while True:
            frame = session.receive(deadline - time.monotonic())
            if frame.stream == stream and frame.kind in (frames.END, frames.ERROR):
                return


class Carrier(threading.Thread):
    """Carries bytes between a socket, which it closes in the end, and the server.

    error: what went wrong, once it has ended.
    """

    def __init__(self, session: Session, stream: int, connection: socket.socket) -> None:
        # A daemon: who has been interrupted does not wait for the other end.
        super().__init__(name="carrier", daemon=True)
        connection.setblocking(False)
        self.session = session
        self.selector: selectors.BaseSelector = selectors.DefaultSelector()
        self.error: VmpodError | None = None
        self._joined = Joined(self, connection, stream, answered=True)
        self._socket = connection
        self._over = False

    def run(self) -> None:
        """Carry, until one end or the machine is gone."""
        try:
            with self.selector:
                self._serve()
        except VmpodError as error:
            self.error = error
        finally:
            self._socket.close()

    def _serve(self) -> None:
        self.selector.register(self.session.socket, selectors.EVENT_READ, self._from_agent)
        self._joined.watch()
        self._take(self.session.drain())
        while not self._over:
            for key, events in self.selector.select():
                if not self._over and key.fileobj in self.selector.get_map():
                    key.data(events)

    def _from_agent(self, _events: int) -> None:
        self._take(self.session.receive_now())

    def _take(self, received: list[Frame]) -> None:
        try:
            for frame in received:
                if frame.stream == self._joined.stream and not self._over:
                    self._joined.take(frame)
        except (FrameError, MessageError) as error:
            raise breach(error) from error

    @contextlib.contextmanager
    def used(self, other: socket.socket) -> Iterator[None]:
        """For the time in which the socket's other end is used, and not yet closed.

        When the block ends well, the server hears that there is no more, and ends. When it does not, the
        server is killed, and all that the session has started.
        """
        try:
            yield
            with contextlib.suppress(OSError):
                other.shutdown(socket.SHUT_WR)
            self.join(_LAST_WORDS)
        except BaseException:
            self._joined.abrupt = True
            with contextlib.suppress(OSError):
                other.shutdown(socket.SHUT_RDWR)
            self.join(_LAST_WORDS)
            raise

    # What Joined needs.

    def refused(self, error: VmpodError) -> None:
        self.error = error

    def ended(self, _joined: Joined) -> None:
        self._over = True
