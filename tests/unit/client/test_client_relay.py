"""The relay of `exec` against an agent that means no good."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.client.hostile import played, saying
from vmpod.client.exec import Command, CommandNotStartedError, execute
from vmpod.errors import MachineError, ProtocolError, VmpodError
from vmpod.wire import frames
from vmpod.wire.flow import INITIAL_CREDIT
from vmpod.wire.frames import MAX_PAYLOAD, Frame, encode

STARTED = Frame(frames.RESPONSE, 1, b'{"started":true}')


@pytest.fixture(autouse=True)
def _somewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Standard output goes nowhere."""
    saved = os.dup(1)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    yield
    os.dup2(saved, 1)
    os.close(saved)
    os.close(null)


def run(*said: Any) -> int:
    with played(saying(*said)) as found:
        found.greet(30.0)
        return execute(found, Command(("true",)))


def end(payload: bytes) -> Frame:
    return Frame(frames.END, 1, payload)


@pytest.mark.parametrize("code", [0, 1, 125, 255])
def test_exit_codes(code: int) -> None:
    assert run(STARTED, end(b'{"exitCode":%d}' % code)) == code


BREACHES: dict[str, tuple[Any, ...]] = {
    "END with a code above 255": (STARTED, end(b'{"exitCode":256}')),
    "END with a negative code": (STARTED, end(b'{"exitCode":-1}')),
    "END with a huge code": (STARTED, end(b'{"exitCode":%d}' % 10**4000)),
    "END with a text": (STARTED, end(b'{"exitCode":"0"}')),
    "END with a bool": (STARTED, end(b'{"exitCode":false}')),
    "END without a code": (STARTED, end(b"{}")),
    "END without JSON": (STARTED, end(b"")),
    "DATA for our input": (STARTED, Frame(frames.DATA, 1, b"x", frames.STDIN)),
    "DATA without credit": (
        STARTED,
        encode(Frame(frames.DATA, 1, bytes(MAX_PAYLOAD), frames.STDOUT))
        * (INITIAL_CREDIT // MAX_PAYLOAD * 3),
    ),
    "CREDIT that was never used": (STARTED, Frame(frames.CREDIT, 1, b"\0\0\0\1")),
    "CREDIT without a number": (STARTED, Frame(frames.CREDIT, 1, b"")),
    "a frame of an unknown stream": (STARTED, Frame(frames.DATA, 2, b"x", frames.STDOUT)),
    "no frame": (STARTED, b"\xff" * 100),
    "a response that is none": (Frame(frames.RESPONSE, 1, b"x"),),
}


@pytest.mark.parametrize("said", BREACHES.values(), ids=BREACHES)
def test_a_breach_is_a_protocol_error(said: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    # What is granted back would make room for more; a hostile agent does not wait for it.
    monkeypatch.setattr("vmpod.wire.flow.ReceiveWindow.consumed", lambda *_: None)
    with pytest.raises(ProtocolError, match="does not keep to the protocol"):
        run(*said)


@pytest.mark.parametrize(("code", "status"), [(b"command-not-found", 127), (b"command-not-executable", 126)])
def test_a_command_that_was_not_started(code: bytes, status: int) -> None:
    with pytest.raises(CommandNotStartedError, match="no such thing") as error:
        run(Frame(frames.ERROR, 1, b'{"code":"%s","message":"no such thing"}' % code))
    assert error.value.status == status


def test_an_error_after_the_start() -> None:
    with pytest.raises(VmpodError, match="lost it"):
        run(STARTED, Frame(frames.ERROR, 1, b'{"code":"failed","message":"lost it"}'))


def test_late_frames_of_ended_streams_are_passed_over() -> None:
    late = [Frame(frames.DATA, 0, b"x", frames.STDOUT), Frame(frames.WELCOME, 0, b"{}")]
    assert run(STARTED, *late, end(b'{"exitCode":3}')) == 3


def test_the_machine_goes_away() -> None:
    gone = threading.Event()

    def part(connection: Any) -> None:
        connection.recv(65536)
        connection.sendall(encode(STARTED))
        gone.set()

    from tests.unit.client.hostile import answering  # noqa: PLC0415

    with played(answering(part)) as found:
        found.greet(30.0)
        with pytest.raises(MachineError, match="is not running"):
            execute(found, Command(("true",)))
    assert gone.is_set()
