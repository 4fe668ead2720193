"""A control port as virtio-serial behaves: clients come and go, and the two queues are not in step."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.agent.harness import run_until, turn
from tests.unit.agent.standins import Recorder
from vmpod.wire import frames, messages
from vmpod.wire.frames import Decoder, Frame, encode
from vmpod_agent import ports
from vmpod_agent.loop import Loop
from vmpod_agent.ports import ControlPort
from vmpod_agent.session import Stream, StreamHandler

HELLO = encode(Frame(frames.HELLO, 0, messages.dump({"version": 1, "nonce": "n"})))
REQUEST = encode(Frame(frames.REQUEST, 1, messages.dump({"method": "record"})))


class Port:
    """A port whose reads are scripted: bytes, 0 for a hang-up; after the last, nothing has come."""

    def __init__(self, loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reads: list[bytes] = []
        self.recorders: list[Recorder] = []
        self.host, guest = socket.socketpair()
        self.host.setblocking(False)
        self.fd = guest.detach()
        self._decoder = Decoder()
        monkeypatch.setattr(ports.os, "readv", self._readv)  # type: ignore[attr-defined]
        self.port = ControlPort(loop, self.fd, {"record": self._record})

    def _readv(self, _fd: int, buffers: list[memoryview]) -> int:
        if not self.reads:
            raise BlockingIOError
        data = self.reads.pop(0)
        for start in range(0, len(data), len(buffers[0])):
            piece = data[start : start + len(buffers[0])]
            buffers[start // len(buffers[0])][: len(piece)] = piece
        return len(data)

    def _record(self, stream: Stream, _message: dict[str, Any]) -> StreamHandler:
        self.recorders.append(Recorder(stream))
        return self.recorders[-1]

    def woken(self, *reads: bytes) -> None:
        self.reads += reads
        self.port._woken(0)

    def answers(self) -> list[Frame]:
        try:
            return list(self._decoder.feed(self.host.recv(1 << 20)))
        except BlockingIOError:
            return []


@pytest.fixture
def port(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> Iterator[Port]:
    made = Port(loop, monkeypatch)
    yield made
    made.host.close()
    os.close(made.fd)


def test_a_client_that_comes_while_the_port_still_counts_as_closed_is_served(port: Port, loop: Loop) -> None:
    port.woken(HELLO, b"")
    assert [frame.kind for frame in port.answers()] == [frames.WELCOME]
    turn(loop, 5)
    port.woken(REQUEST)
    assert len(port.recorders) == 1


def test_a_client_that_says_its_last_word_and_goes_is_gone(port: Port, loop: Loop) -> None:
    port.woken(HELLO + REQUEST, b"")
    port.reads.append(b"")
    run_until(loop, lambda: port.recorders[0].seen == ["cancel"])


def test_a_client_that_goes_in_silence_is_gone_at_once(port: Port) -> None:
    port.woken(HELLO + REQUEST)
    port.woken(b"")
    assert port.recorders[0].seen == ["cancel"]


def test_what_the_host_does_not_take_yet_follows_later(port: Port, loop: Loop) -> None:
    port.woken(HELLO + REQUEST)
    stream = port.recorders[0].stream
    sent = 0
    while room := stream.room(frames.STDOUT):
        stream.send(frames.STDOUT, os.urandom(1) * room)
        sent += room
    stream.end(3)
    seen: list[Frame] = []

    def ended() -> bool:
        seen.extend(port.answers())
        return bool(seen) and seen[-1].kind == frames.END

    run_until(loop, ended)
    assert sum(len(frame.payload) for frame in seen if frame.kind == frames.DATA) == sent


def test_a_frame_of_the_best_size_is_written_in_one_piece(
    port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    port.woken(HELLO + REQUEST)
    stream, sizes = port.recorders[0].stream, []
    write = os.write
    monkeypatch.setattr(ports.os, "write", lambda fd, data: sizes.append(len(data)) or write(fd, data))  # type: ignore[attr-defined,func-returns-value]
    stream.send(frames.STDOUT, bytes(stream.room(frames.STDOUT)))
    assert sizes == [32 * 1024]
