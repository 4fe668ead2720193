"""Asks a server in the pod how it is: what a probe's child does (see `actions`).

It runs in a process of its own that has no rights, may block, and may be killed: whatever a server answers,
it does no harm to the agent.

Sources: RFC 9112 (HTTP/1.1), RFC 9113 (HTTP/2), RFC 7541 (HPACK), grpc/health/v1/health.proto. What counts as
success is the kubelet's.
"""

from __future__ import annotations

import _socket
import os
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from vmpod.wire.boot import Action

    class Connection(Protocol):
        def sendall(self, data: bytes) -> None: ...
        def recv(self, size: int) -> bytes: ...
        def close(self) -> None: ...


_AGENT = "kube-probe/vmpod"  # servers know probes by how this begins
_MAX_HEAD = 64 * 1024
_MAX_REDIRECTS = 10


class DialError(Exception):
    """The server is not well. The message is for the user."""


def prepare(action: Action) -> None:
    """Import what ask() needs for it: once in the agent, and not in each child, in the time that it has."""
    if action["scheme"] == "HTTPS":
        import ssl  # noqa: F401, PLC0415 - slow to import, and few ask for it


def ask(action: Action, address: str, *, hook: bool) -> None:
    """Do a probe's or a hook's action of kind http, tcp or grpc. Raises DialError, OSError.

    address: the pod's own, which is asked where the action names no host. A hook takes any answer.
    """
    host = action["host"] or address
    if action["kind"] == "tcp":
        connect(host, action["port"]).close()
    elif action["kind"] == "grpc":
        raw = connect(host, action["port"])
        connection = secured(raw, host, "h2") if action["scheme"] == "HTTPS" else raw
        try:
            check_health(connection, action["service"])
        finally:
            connection.close()
    else:
        get(action, host, hook=hook)


def connect(host: str, port: int) -> _socket.socket:
    """A connection. Raises OSError."""
    found = _socket.getaddrinfo(host, port, 0, _socket.SOCK_STREAM)
    family, kind, protocol, _, where = found[0]
    sock = _socket.socket(family, kind, protocol)
    try:
        sock.connect(where)
    except OSError:
        sock.close()
        raise
    return sock


def get(action: Action, host: str, *, hook: bool) -> None:
    """Ask for a page; 200 to 399 is success. Redirects to the same server are followed, no others."""
    path = action["path"]
    for _ in range(_MAX_REDIRECTS):
        status, location = _request(action, host, path)
        if not 300 <= status < 400 or not location:
            break
        origin = f"{action['scheme'].lower()}://{_authority(host, action)}"
        if not location.startswith("/") and not location.startswith(f"{origin}/"):
            return  # the kubelet takes a way to elsewhere for an answer
        path = location.removeprefix(origin)
    else:
        raise DialError(f"stopped after {_MAX_REDIRECTS} redirects")
    if not hook and not 200 <= status < 400:
        raise DialError(f"HTTP probe failed with statuscode: {status}")


def _authority(host: str, action: Action) -> str:
    name = f"[{host}]" if ":" in host else host
    return f"{name}:{action['port']}"


def _request(action: Action, host: str, path: str) -> tuple[int, str]:
    """The status and the Location of an answer."""
    raw = connect(host, action["port"])
    connection = secured(raw, host, "http/1.1") if action["scheme"] == "HTTPS" else raw
    headers = {"host": _authority(host, action), "user-agent": _AGENT, "accept": "*/*"}
    own: list[tuple[str, str]] = []
    for name, value in action["headers"]:
        if name.lower() in headers:
            headers[name.lower()] = value
        else:
            own.append((name, value))
    lines = [f"GET {path.replace(' ', '%20')} HTTP/1.1", "Connection: close"]
    # An empty one of those that everybody sends takes it away.
    lines += [f"{name.title()}: {value}" for name, value in headers.items() if value]
    lines += [f"{name}: {value}" for name, value in own]
    try:
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        return parse(_head(connection))
    finally:
        connection.close()


def _head(connection: Connection) -> bytes:
    """An answer up to the end of its headers."""
    head = b""
    while b"\r\n\r\n" not in head and b"\n\n" not in head:
        if len(head) > _MAX_HEAD:
            raise DialError(f"the headers of the answer are longer than {_MAX_HEAD} bytes")
        if not (data := connection.recv(4096)):
            break
        head += data
    return head


def parse(head: bytes) -> tuple[int, str]:
    """The status and the Location ('' if none) of an answer's head. Raises DialError. Pure."""
    status, *lines = head.decode("latin-1").split("\n")
    words = status.split()
    if len(words) < 2 or not words[0].startswith("HTTP/") or not words[1].isdecimal() or len(words[1]) != 3:
        raise DialError(f"malformed HTTP response {status.strip()[:80]!r}" if head else "EOF")
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip().lower() == "location":
            return int(words[1]), value.strip()
    return int(words[1]), ""


def secured(raw: _socket.socket, host: str, protocol: str) -> Connection:
    """TLS over a connection. Whose certificate it is does not matter, as for the kubelet.

    protocol: what will be spoken, by its ALPN name. Raises DialError.
    """
    import socket  # noqa: PLC0415 - see prepare()
    import ssl  # noqa: PLC0415

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols([protocol])
    plain = socket.socket(fileno=raw.detach())
    try:
        return context.wrap_socket(plain, server_hostname=host)
    except OSError as error:
        plain.close()
        if not isinstance(error, ssl.SSLError):
            raise
        raise DialError(f"TLS: {error.reason or error}") from None


# HTTP/2: kinds of frames, and flags.
_DATA, _HEADERS, _RESET, _SETTINGS, _PING, _GOAWAY = 0, 1, 3, 4, 6, 7
_ACK = _END_STREAM = 1
_END_HEADERS, _PADDED = 4, 8
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_STREAM = 1
_MAX_FRAME = 16 * 1024
_MAX_FRAMES = 100
_SERVING = 1
_STATES = ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")


def check_health(connection: Connection, service: str) -> None:
    """Ask a gRPC server whether a service is well. Raises DialError, OSError."""
    name = service.encode()
    # HealthCheckRequest {string service = 1}, after a byte for 'not compressed' and its length.
    body = b"\x0a" + _varint(len(name)) + name if name else b""
    fields = (
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", b"/grpc.health.v1.Health/Check"),
        (b":authority", b"localhost"),
        (b"te", b"trailers"),
        (b"content-type", b"application/grpc"),
        (b"user-agent", _AGENT.encode()),
    )
    # Every field spelled out: what no table and no code can make wrong.
    block = b"".join(b"\0" + bytes([len(key)]) + key + bytes([len(value)]) + value for key, value in fields)
    connection.sendall(
        _PREFACE
        + _frame(_SETTINGS, 0, 0, b"")
        + _frame(_HEADERS, _END_HEADERS, _STREAM, block)
        + _frame(_DATA, _END_STREAM, _STREAM, b"\0" + struct.pack(">I", len(body)) + body)
    )
    state = health(_answer(connection))
    if state != _SERVING:
        told = _STATES[state] if state < len(_STATES) else str(state)
        raise DialError(f'service unhealthy (responded with "{told}")')


def _answer(connection: Connection) -> bytes:
    """What the server sends as data on our stream."""
    data = b""
    for _ in range(_MAX_FRAMES):
        length, kind, flags, stream = _frame_head(_exactly(connection, 9))
        if length > _MAX_FRAME:
            raise DialError(f"a frame of {length} bytes is none that was asked for")
        payload = _exactly(connection, length)
        if kind == _SETTINGS and not flags & _ACK:
            connection.sendall(_frame(_SETTINGS, _ACK, 0, b""))
        elif kind == _PING and not flags & _ACK:
            connection.sendall(_frame(_PING, _ACK, 0, payload))
        elif kind == _GOAWAY or (kind == _RESET and stream == _STREAM):
            break
        elif stream == _STREAM and kind in (_DATA, _HEADERS):
            if kind == _DATA:
                data += payload[1 : -payload[0] or None] if flags & _PADDED and payload else payload
            if flags & _END_STREAM:
                break
    if not data:
        raise DialError("the server does not serve the gRPC health protocol for this service")
    return data


def health(data: bytes) -> int:
    """The status in a HealthCheckResponse {ServingStatus status = 1}. Raises DialError. Pure."""
    message = data[5:]
    if len(data) < 5 or data[0] or len(message) != struct.unpack(">I", data[1:5])[0]:
        raise DialError("the answer is no message of gRPC")
    if not message:
        return 0
    if len(message) != 2 or message[0] != 0x08:
        raise DialError("the answer is no HealthCheckResponse")
    return message[1]


def _varint(number: int) -> bytes:
    found = b""
    while number > 127:
        found += bytes([number & 127 | 128])
        number >>= 7
    return found + bytes([number])


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _frame_head(head: bytes) -> tuple[int, int, int, int]:
    kind, flags, stream = struct.unpack(">BBI", head[3:])
    return int.from_bytes(head[:3], "big"), kind, flags, stream & 0x7FFFFFFF


def _exactly(connection: Connection, size: int) -> bytes:
    data = b""
    while len(data) < size:
        if not (more := connection.recv(size - len(data))):
            raise DialError("the server closed the connection")
        data += more
    return data


def describe(error: OSError) -> str:
    """What went wrong, in words."""
    return error.strerror or str(error) if error.errno is not None and error.errno > 0 else str(error)


def nobody() -> None:
    """Give up all rights. Raises OSError."""
    os.setgroups([])
    os.setresgid(_NOBODY, _NOBODY, _NOBODY)
    os.setresuid(_NOBODY, _NOBODY, _NOBODY)


_NOBODY = 65534
