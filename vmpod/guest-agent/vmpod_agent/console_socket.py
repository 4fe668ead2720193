"""Receives the master side of a terminal that crun has opened in a container.

crun connects to a socket and passes the descriptor along (SCM_RIGHTS), as every OCI runtime does.
"""

from __future__ import annotations

import os
import socket

from vmpod_agent.loop import READ

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from vmpod_agent.loop import Loop

_MAX_NAME = 4096


class ConsoleSocket:
    """Listens at a path for one descriptor, and calls opened(descriptor)."""

    def __init__(self, loop: Loop, path: str, opened: Callable[[int], None]) -> None:
        self._loop = loop
        self._opened = opened
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(path)
        os.chmod(path, 0o600)
        self._listener.listen(1)
        self._listener.setblocking(False)
        loop.watch(self._listener.fileno(), READ, self._accept)

    def close(self) -> None:
        """Take what has come, and wait no longer; to be called when crun has ended."""
        if self._listener.fileno() >= 0:
            self._accept(0)
            self._forget()

    def _forget(self) -> None:
        if self._listener.fileno() >= 0:
            self._loop.forget(self._listener.fileno())
            self._listener.close()

    def _accept(self, _events: int) -> None:
        try:
            connection, _ = self._listener.accept()
        except BlockingIOError:
            return
        self._forget()
        with connection:
            _, descriptors, _, _ = socket.recv_fds(connection, _MAX_NAME, 1)
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
            self._opened(descriptor)
