"""What a probe asks a server: against real servers on the loopback."""

from __future__ import annotations

import contextlib
import http.server
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.agent.test_agent_life import ACTION
from vmpod_agent import dial
from vmpod_agent.dial import DialError

LOOPBACK = "127.0.0.1"


class Page(http.server.BaseHTTPRequestHandler):
    """/N answers with status N; /to?WHERE leads there; /echo keeps the headers."""

    seen: list[dict[str, str]] = []  # noqa: RUF012 - the server makes a handler for each request

    def do_GET(self) -> None:
        self.seen.append(dict(self.headers.items()))
        if self.path.startswith("/to?"):
            self.send_response(302)
            self.send_header("Location", self.path[4:])
        else:
            self.send_response(int(self.path[1:]) if self.path[1:].isdecimal() else 200)
        self.end_headers()

    def log_message(self, *_words: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def web() -> Iterator[int]:
    with http.server.ThreadingHTTPServer((LOOPBACK, 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def http_action(port: int, path: str = "/", **fields: Any) -> Any:
    return ACTION | {"kind": "http", "scheme": "HTTP", "port": port, "path": path} | fields


def ask(action: Any, *, hook: bool = False) -> None:
    dial.ask(action, LOOPBACK, hook=hook)


@pytest.mark.parametrize("path", ["/", "/200", "/204", "/302", "/to?/200", "/to?http://elsewhere.example/"])
def test_pages_that_are_well(web: int, path: str) -> None:
    ask(http_action(web, path))


@pytest.mark.parametrize(
    ("path", "told"), [("/404", "404"), ("/500", "500"), ("/to?/503", "503"), ("/to?/to?/404", "404")]
)
def test_pages_that_are_not(web: int, path: str, told: str) -> None:
    with pytest.raises(DialError, match=f"HTTP probe failed with statuscode: {told}"):
        ask(http_action(web, path))
    ask(http_action(web, path), hook=True)


def test_a_redirect_by_its_whole_address_is_followed(web: int) -> None:
    with pytest.raises(DialError, match="404"):
        ask(http_action(web, f"/to?http://{LOOPBACK}:{web}/404"))


def test_redirects_in_a_circle_come_to_an_end(web: int) -> None:
    where = "/to?" * 12 + "/"
    with pytest.raises(DialError, match="10 redirects"):
        ask(http_action(web, where))


def test_headers(web: int) -> None:
    ask(http_action(web, headers=[["Host", "pod.example"], ["X-One", "a b"], ["Accept", ""]]))
    seen = Page.seen[-1]
    assert seen["Host"] == "pod.example"
    assert seen["X-One"] == "a b"
    assert seen["User-Agent"].startswith("kube-probe/")
    assert "Accept" not in seen


def test_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        port = taken.getsockname()[1]
    with pytest.raises(OSError, match="refused"):
        ask(ACTION | {"kind": "tcp", "port": port})
    with pytest.raises(OSError, match="refused"):
        ask(http_action(port))


def test_tcp(web: int) -> None:
    ask(ACTION | {"kind": "tcp", "port": web})


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A key, and a certificate that nobody has signed."""
    directory: Path = tmp_path_factory.mktemp("tls")
    key, signed = directory / "key", directory / "certificate"
    command = ["openssl", "req", "-x509", "-nodes", "-days", "9", "-subj", "/CN=nobody"]
    subprocess.run([*command, "-keyout", key, "-out", signed], check=True, capture_output=True)
    return key, signed


@pytest.fixture(scope="module")
def secure(certificate: tuple[Path, Path]) -> Iterator[int]:
    """A web server with that certificate."""
    key, signed = certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(signed, key)
    with http.server.ThreadingHTTPServer((LOOPBACK, 0), Page) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def test_https_takes_any_certificate(secure: int) -> None:
    ask(http_action(secure, "/200", scheme="HTTPS"))
    with pytest.raises(DialError, match="500"):
        ask(http_action(secure, "/500", scheme="HTTPS"))


def test_https_where_there_is_none(web: int) -> None:
    with pytest.raises((DialError, OSError)):
        ask(http_action(web, "/200", scheme="HTTPS"))


@pytest.fixture
def answering() -> Iterator[Callable[[bytes], int]]:
    """A server that answers whatever it is asked with some bytes."""
    sockets: list[socket.socket] = []

    def serve(answer: bytes) -> int:
        listener = socket.create_server((LOOPBACK, 0))
        sockets.append(listener)

        def once() -> None:
            peer, _ = listener.accept()
            with peer:
                peer.recv(4096)
                peer.sendall(answer)

        threading.Thread(target=once, daemon=True).start()
        port: int = listener.getsockname()[1]
        return port

    yield serve
    for each in sockets:
        each.close()


@pytest.mark.parametrize(
    "answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 20\r\n\r\n"]
)
def test_what_is_no_answer(answering: Callable[[bytes], int], answer: bytes) -> None:
    with pytest.raises(DialError, match=r"malformed|EOF"):
        ask(http_action(answering(answer)))


def test_headers_without_end(answering: Callable[[bytes], int]) -> None:
    with pytest.raises(DialError, match="longer than"):
        ask(http_action(answering(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 20_000)))


@given(st.binary(max_size=200))
def test_any_head_is_parsed_or_refused(head: bytes) -> None:
    try:
        status, _ = dial.parse(head)
    except DialError:
        return
    assert 0 <= status <= 999


# gRPC.


@pytest.fixture(scope="module")
def grpc_server() -> Iterator[tuple[int, Any]]:
    """A real one, with the health service of the gRPC project."""
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=2))
    servicer = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port(f"{LOOPBACK}:0")
    server.start()
    yield port, servicer
    server.stop(None)


def grpc_action(port: int, service: str = "") -> Any:
    return ACTION | {"kind": "grpc", "port": port, "service": service}


@pytest.mark.parametrize("service", ["", "web", "s" * 200])
def test_grpc_that_serves(grpc_server: tuple[int, Any], service: str) -> None:
    port, servicer = grpc_server
    servicer.set(service, health_pb2.HealthCheckResponse.SERVING)
    ask(grpc_action(port, service))


def test_grpc_that_does_not(grpc_server: tuple[int, Any]) -> None:
    port, servicer = grpc_server
    servicer.set("down", health_pb2.HealthCheckResponse.NOT_SERVING)
    with pytest.raises(DialError, match=r'service unhealthy \(responded with "NOT_SERVING"\)'):
        ask(grpc_action(port, "down"))


def test_grpc_of_an_unknown_service(grpc_server: tuple[int, Any]) -> None:
    with pytest.raises(DialError, match=r"service unhealthy|does not serve"):
        ask(grpc_action(grpc_server[0], "nobody"))


def test_grpc_of_a_web_server(web: int) -> None:
    with pytest.raises(DialError):
        ask(grpc_action(web))


def test_grpc_over_tls(certificate: tuple[Path, Path]) -> None:
    """Of a server with a certificate that nobody has signed."""
    key, signed = (each.read_bytes() for each in certificate)
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=2))
    servicer = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_secure_port(f"{LOOPBACK}:0", grpc.ssl_server_credentials([(key, signed)]))
    server.start()
    try:
        ask(grpc_action(port) | {"scheme": "HTTPS"})
        with pytest.raises((DialError, OSError)):
            ask(grpc_action(port))
    finally:
        server.stop(None)


@given(st.binary(max_size=20))
def test_any_message_is_a_state_or_refused(data: bytes) -> None:
    with contextlib.suppress(DialError):
        assert 0 <= dial.health(data) < 256
