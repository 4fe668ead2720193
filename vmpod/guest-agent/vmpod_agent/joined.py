"""A connected socket, joined to a stream of the host.

The end of each direction is passed on by itself, as TCP does.
"""

from __future__ import annotations

import _socket
import os

from vmpod.wire import frames, messages
from vmpod_agent.relay import Reader, Writer
from vmpod_agent.session import StreamHandler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmpod_agent.loop import Loop
    from vmpod_agent.session import Stream


class Joined(StreamHandler):
    """What comes from the host goes to the socket, and what comes from there to the host's STDOUT."""

    def __init__(self, loop: Loop, stream: Stream) -> None:
        self.loop = loop
        self.stream = stream
        self._input: _Input | None = None
        self._output: Reader | None = None

    def join(self, connection: _socket.socket) -> None:
        """Begin: the request is answered, and bytes go both ways. The socket stays the caller's."""
        self._input = _Input(self, connection)
        self._output = Reader(self, os.dup(connection.fileno()), frames.STDOUT)
        self.stream.respond({"connected": True})
        self._output.start()

    def data(self, data: bytes) -> None:
        if self._input is None:
            raise messages.MessageError("data came before the connection")
        self._input.write(data)

    def eof(self) -> None:
        if self._input is None:
            raise messages.MessageError("an end came before the connection")
        self._input.finish()

    def writable(self) -> None:
        if self._output:
            self._output.start()

    def part(self) -> None:
        """Carry nothing more."""
        if self._output:
            self._output.close()
        if self._input:
            self._input.close()

    @property
    def heard_all(self) -> bool:
        """Whether all that came from the socket is on its way to the host."""
        return self._output is not None and self._output.ended

    @property
    def said_all(self) -> bool:
        """Whether the socket takes no more, or the host has no more for it."""
        return self._input is not None and self._input.closed

    def settle(self) -> None:
        """A direction has ended."""
        raise NotImplementedError


class _Input(Writer):
    """What goes to the socket; its end is passed on as such."""

    def __init__(self, owner: Joined, connection: _socket.socket) -> None:
        super().__init__(owner, os.dup(connection.fileno()))
        self.closed = False
        self._joined = owner
        self._connection = connection

    def close(self) -> None:
        if self.closed:
            return
        super().close()
        self.closed = True
        try:
            self._connection.shutdown(_socket.SHUT_WR)
        except OSError:
            pass  # it is not connected any more
        self._joined.settle()
