"""A client joined by a socket pair to the real agent, or to one that plays a part."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from vmpod.client.session import Session
from vmpod.wire import frames, messages
from vmpod.wire.frames import Decoder, Frame, encode

Part = Callable[[socket.socket], None]


@contextmanager
def played(part: Part) -> Iterator[Session]:
    """A client whose agent does what the part says, in a thread of its own, and then goes."""
    ours, theirs = socket.socketpair()
    failures: list[BaseException] = []

    def play() -> None:
        try:
            with theirs:
                part(theirs)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the client has had enough
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=play)
    thread.start()
    try:
        with ours:
            yield Session(ours)
    finally:
        thread.join()
    assert not failures, failures


def welcome(nonce: str, **more: Any) -> bytes:
    message = {"version": 1} | more | {"nonce": nonce}
    return encode(Frame(frames.WELCOME, 0, messages.dump(message)))


def read_nonce(connection: socket.socket) -> str:
    """Wait for a HELLO, and return its nonce."""
    decoder = Decoder()
    while True:
        data = connection.recv(65536)
        assert data, "the client went away before it said hello"
        for frame in decoder.feed(data):
            if frame.kind == frames.HELLO:
                return messages.get(messages.parse(frame.payload), "nonce", str)


def answering(part: Part, *, before: bytes = b"", **more: Any) -> Part:
    """A part that begins with a proper welcome."""

    def whole(connection: socket.socket) -> None:
        nonce = read_nonce(connection)
        connection.sendall(before + welcome(nonce, **more))
        part(connection)

    return whole


def saying(*said: bytes | Frame) -> Part:
    """A part that waits for the first request, says this, and listens on."""

    def whole(connection: socket.socket) -> None:
        connection.recv(65536)
        for each in said:
            connection.sendall(encode(each) if isinstance(each, Frame) else each)
        while connection.recv(65536):
            pass

    return answering(whole)


def repeating(piece: bytes, *, after_a_request: bool = False) -> Part:
    """A part that says the same for ever, whatever it hears."""

    def whole(connection: socket.socket) -> None:
        if after_a_request:
            connection.recv(65536)
        while True:
            connection.sendall(piece)

    return whole
