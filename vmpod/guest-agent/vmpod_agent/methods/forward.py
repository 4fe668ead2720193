"""Method `forward {port}`: a connection to a port of the pod, joined to the stream.

The stream ends when both directions have ended; when its client is gone, the connection is reset.
"""

from __future__ import annotations

import _socket
import errno
import os
import struct

from vmpod.wire import messages
from vmpod_agent.joined import Joined
from vmpod_agent.loop import WRITE
from vmpod_agent.session import RequestError

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


class Forward(Joined):
    """One connection."""

    def __init__(self, loop: Loop, stream: Stream, port: int) -> None:
        super().__init__(loop, stream)
        self._port = port
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
        self.join(self._socket)

    def _refusal(self, number: int | None) -> str:
        if number == errno.ECONNREFUSED:
            return f"nothing listens on port {self._port} in the pod"
        return f"port {self._port} in the pod: {os.strerror(number or 0)}"

    def cancel(self) -> None:
        if self._socket.fileno() >= 0:
            self.loop.forget(self._socket.fileno())
            self._socket.setsockopt(_socket.SOL_SOCKET, _socket.SO_LINGER, _RESET)
        self.part()
        self._socket.close()

    def settle(self) -> None:
        """A direction has ended."""
        if self.heard_all and self.said_all:
            self._socket.close()
            self.stream.end(0)
