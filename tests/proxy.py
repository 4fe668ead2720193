"""A small HTTP proxy that knows CONNECT alone, and names that nobody else resolves."""

from __future__ import annotations

import base64
import contextlib
import socket
import socketserver
import threading
from collections.abc import Iterator


class Proxy(socketserver.ThreadingTCPServer):
    """Leads every connection to a name of `names` to a port of loopback. asked: what clients have asked for.

    login: 'USER:PASSWORD' that it wants, '' for none.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, names: dict[str, int], login: str = "") -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.names = names
        self.login = login
        self.asked: list[str] = []

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self.server_address[1]}"


class _Handler(socketserver.StreamRequestHandler):
    server: Proxy

    def handle(self) -> None:
        method, target, _ = self.rfile.readline().decode().split()
        headers = iter(lambda: self.rfile.readline().strip().decode(), "")
        fields = dict(line.split(": ", 1) for line in headers)
        self.server.asked.append(f"{method} {target}")
        wanted = base64.b64encode(self.server.login.encode()).decode()
        if self.server.login and fields.get("Proxy-Authorization") != f"Basic {wanted}":
            self._refuse("407 Proxy Authentication Required")
        elif method != "CONNECT" or target not in self.server.names:
            self._refuse("502 Bad Gateway")
        else:
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            with socket.create_connection(("127.0.0.1", self.server.names[target])) as inner:
                back = threading.Thread(target=_pass, args=(inner, self.connection))
                back.start()
                _pass(self.connection, inner)
                back.join()

    def _refuse(self, status: str) -> None:
        self.wfile.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())


def _pass(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def running_proxy(names: dict[str, int], login: str = "") -> Iterator[Proxy]:
    """A proxy for the time of the block. names: ports of loopback by 'NAME:PORT'."""
    with Proxy(names, login) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
