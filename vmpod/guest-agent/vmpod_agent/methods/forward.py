"""Method `forward {port}`: a connection to a port of the pod, joined to the stream.

The end of each direction is passed on by itself, as TCP does. The stream ends when both have ended; when
its client is gone, the connection is reset.
"""

from __future__ import annotations

import _socket
import errno
import os
import struct

from vmpod.wire import frames, messages
from vmpod_agent.loop import WRITE
from vmpod_agent.relay import Reader, Writer
from vmpod_agent.session import RequestError, StreamHandler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from vmpod_agent.loop import Loop
    from vmpod_agent.methods import Agent
    from vmpod_agent.session import Stream

    Json = dict[str, Any]

_HOST = "127.0.0.1"
_RESET = struct.pack("ii", 1, 0)  # linger for no time: what is not sent yet is dropped


def serve(agent: Agent, stream: Stream, message: Json) -> Forward:
    """Begin to connect."""
    port = messages.get(message, "port", int)
    if not 0 < port < 65536:
        raise RequestError(messages.BAD_REQUEST, f"no port {port}")
    return Forward(agent.services.loop, stream, port)


class Forward(StreamHandler):
    """One connection."""

    def __init__(self, loop: Loop, stream: Stream, port: int) -> None:
        self.loop = loop
        self.stream = stream
        self._port = port
        self._input: _Input | None = None
        self._output: Reader | None = None
        kind = _socket.SOCK_STREAM | _socket.SOCK_NONBLOCK | _socket.SOCK_CLOEXEC
        self._socket = _socket.socket(_socket.AF_INET, kind)
        self._socket.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        try:
            self._socket.connect((_HOST, port))
        except BlockingIOError:
            pass
        except OSError as error:
            self._socket.close()
            raise RequestError(messages.FAILED, self._refusal(error.errno)) from None
        loop.watch(self._socket.fileno(), WRITE, self._connected)

    def _connected(self, _events: int) -> None:
        self.loop.forget(self._socket.fileno())
        if number := self._socket.getsockopt(_socket.SOL_SOCKET, _socket.SO_ERROR):
            self._socket.close()
            self.stream.fail(messages.FAILED, self._refusal(number))
            return
        self._input = _Input(self, self._socket)
        self._output = Reader(self, os.dup(self._socket.fileno()), frames.STDOUT)
        self.stream.respond({"connected": True})
        self._output.start()

    def _refusal(self, number: int | None) -> str:
        if number == errno.ECONNREFUSED:
            return f"nothing listens on port {self._port} in the pod"
        return f"port {self._port} in the pod: {os.strerror(number or 0)}"

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

    def cancel(self) -> None:
        if self._socket.fileno() >= 0:
            self.loop.forget(self._socket.fileno())
            self._socket.setsockopt(_socket.SOL_SOCKET, _socket.SO_LINGER, _RESET)
        if self._output:
            self._output.close()
        if self._input:
            self._input.close()
        self._socket.close()

    def settle(self) -> None:
        """A direction has ended."""
        if self._output and self._output.ended and self._input and self._input.closed:
            self._socket.close()
            self.stream.end(0)


class _Input(Writer):
    """What goes to the port; its end is passed on as such."""

    def __init__(self, owner: Forward, connection: _socket.socket) -> None:
        super().__init__(owner, os.dup(connection.fileno()))
        self.closed = False
        self._forward = owner
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
        self._forward.settle()
