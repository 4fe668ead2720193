"""The client's session: with the real agent behind it, and with agents that mean no good."""

from __future__ import annotations

import json
import os
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.unit.agent.harness import agent_loop, run_until
from tests.unit.client.hostile import Part, answering, played, read_nonce, repeating, saying, welcome
from vmpod import wire
from vmpod.client import session as client
from vmpod.client.session import AgentError, Session, session
from vmpod.errors import (
    ConflictError,
    MachineError,
    ProtocolError,
    TimeoutExpiredError,
    UsageError,
    VmpodError,
)
from vmpod.lock import try_lock
from vmpod.wire import frames, messages
from vmpod.wire.frames import Frame, encode
from vmpod_agent import methods
from vmpod_agent.loop import Loop
from vmpod_agent.methods import lifecycle
from vmpod_agent.ports import ControlPort

T = TypeVar("T")


class Joined:
    """The real agent at one end of a socket pair; clients come one after the other at the other end."""

    def __init__(self, loop: Loop) -> None:
        self.started: list[dict[str, str]] = []
        self.stopped: list[int | None] = []
        self.loop = loop
        self.ours, theirs = socket.socketpair()
        self.pod: Any = None
        self.services: Any = None
        self.waiting = False
        self.port = ControlPort(loop, theirs.detach(), methods.table(self))

    def start(self, secrets: dict[str, str], keep: list[str]) -> None:
        self.started.append(secrets)

    def stop(self, grace: int | None, *, keep: bool) -> None:
        self.stopped.append(grace)

    def number(self, name: str, number: int) -> None:
        raise NotImplementedError

    def adopt(self, document: object, identity: object, done: object) -> bool:
        raise NotImplementedError

    def renew(self, pod: object, identity: object) -> None:
        raise NotImplementedError

    def set_clock(self, nanoseconds: int) -> None:
        pass

    def client(self, work: Callable[[Session], T]) -> T:
        """What a new client's work returns, with the agent serving meanwhile."""

        def greeted() -> T:
            found = Session(self.ours)
            found.greet(30.0)
            return work(found)

        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(greeted)
            run_until(self.loop, future.done)
        return future.result()


@pytest.fixture
def joined() -> Iterator[Joined]:
    with agent_loop() as loop:
        made = Joined(loop)
        yield made
        made.ours.close()
        loop.forget(made.port._fd)
        os.close(made.port._fd)


# With the real agent.


def test_a_request_is_answered(joined: Joined) -> None:
    assert joined.client(lambda found: found.request(messages.STATUS, {})) == {"events": [], "more": False}
    assert joined.client(lambda found: found.request(messages.STOP, {"grace": 5})) == {"stopping": True}
    assert joined.stopped == [5]


@pytest.mark.parametrize("size", [0, 1, 256 * 1024, 5 * 1024 * 1024])
def test_secrets_of_any_size_are_handed_over(size: int, joined: Joined) -> None:
    secrets = {"env/c/A": "x" * size}
    body = messages.dump(secrets)
    joined.client(lambda found: found.request(messages.START, {"time": 1}, body=body, timeout=60))
    assert joined.started == [secrets]


def test_too_large_secrets_are_refused(joined: Joined, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "_MAX_SECRETS", 1024 * 1024)
    body = messages.dump({"a": "x" * (3 * 1024 * 1024)})
    with pytest.raises(AgentError, match="more than 1048576 bytes of secrets") as error:
        joined.client(lambda found: found.request(messages.START, {"time": 1}, body=body))
    assert error.value.problem == messages.BAD_REQUEST


def test_refusals_become_the_nearest_error(joined: Joined) -> None:
    with pytest.raises(ConflictError, match="the pod has not been started"):
        joined.client(lambda found: found.request(messages.EXEC, {"container": "x", "argv": ["true"]}))
    with pytest.raises(AgentError, match="no method 'dance'") as error:
        joined.client(lambda found: found.request("dance", {}))
    assert error.value.problem == messages.NO_METHOD
    assert error.value.code == "agent"


def test_after_a_refusal_the_session_goes_on(joined: Joined) -> None:
    def work(found: Session) -> dict[str, Any]:
        with pytest.raises(AgentError):
            found.request("dance", {})
        return found.request(messages.STATUS, {})

    assert joined.client(work) == {"events": [], "more": False}


def test_a_request_longer_than_a_frame_is_a_usage_error(joined: Joined) -> None:
    def work(found: Session) -> dict[str, Any]:
        with pytest.raises(UsageError, match="is longer than the agent takes"):
            found.open(messages.EXEC, {"argv": ["x" * frames.MAX_PAYLOAD]})
        return found.request(messages.STATUS, {})

    assert joined.client(work) == {"events": [], "more": False}


@pytest.mark.parametrize("kind", [frames.DATA, frames.REQUEST, frames.CONTROL])
@pytest.mark.parametrize("cut", [1, 7, 12, 500])
def test_a_client_that_died_in_a_frame_is_followed_by_one_that_works(
    kind: int, cut: int, joined: Joined, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_GREETINGS", (0.1, 0.5))
    joined.client(lambda found: found.open(messages.START, {"time": 1}))
    dead = encode(Frame(kind, 2, b"\x0a" * 1000))
    joined.ours.sendall(dead[:cut])
    assert joined.client(lambda found: found.request(messages.STATUS, {})) == {"events": [], "more": False}


def test_what_was_meant_for_a_dead_client_is_passed_over(joined: Joined) -> None:
    def careless(found: Session) -> None:
        for _ in range(1000):
            found.open(messages.STATUS, {})

    joined.client(careless)
    assert joined.client(lambda found: found.request(messages.STATUS, {})) == {"events": [], "more": False}


def test_after_garbage_the_next_client_works(joined: Joined, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_GREETINGS", (0.1, 0.5))
    joined.ours.sendall(b"\xffGET / HTTP/1.1\r\n" * 100)
    assert joined.client(lambda found: found.request(messages.STATUS, {})) == {"events": [], "more": False}


# With agents that mean no good. Every one of these ends, and in bounded memory.


@pytest.mark.parametrize(
    ("piece", "kind"),
    [
        (b"\xff" * 65536, TimeoutExpiredError),
        (bytes(65536), TimeoutExpiredError),
        (encode(Frame(frames.DATA, 1, b"stale" * 1000, frames.STDOUT)), TimeoutExpiredError),
        (encode(Frame(frames.WELCOME, 0, b'{"version":1,"nonce":"%s"}' % (b"0" * 32))), TimeoutExpiredError),
    ],
    ids=["garbage", "nul", "stale", "another nonce"],
)
def test_endless_talk_instead_of_a_welcome(piece: bytes, kind: type[VmpodError]) -> None:
    with played(repeating(piece)) as found, pytest.raises(kind, match=r"within 0\.2 seconds"):
        found.greet(0.2)


def until(done: threading.Event) -> Part:
    """Neither read nor write."""

    def part(_connection: socket.socket) -> None:
        done.wait(60)

    return part


def listen_once(connection: socket.socket) -> None:
    connection.recv(100)


def test_an_agent_that_never_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_GREETINGS", (0.01, 0.01))
    done = threading.Event()
    with played(until(done)) as found:
        with pytest.raises(TimeoutExpiredError, match=r"within 0\.2 seconds"):
            found.greet(0.2)
        done.set()


def test_an_agent_that_goes_away_instead() -> None:
    with played(lambda _: None) as found, pytest.raises(MachineError, match="is not running"):
        found.greet(30.0)


@pytest.mark.parametrize("version", [0, 2, 999_999_999])
def test_another_version(version: int) -> None:
    with (
        played(answering(lambda _: None, version=version)) as found,
        pytest.raises(ProtocolError, match=f"speaks protocol {version}, and this vmpod 1"),
    ):
        found.greet(30.0)


def test_a_welcome_after_megabytes_of_stale_bytes_in_odd_pieces() -> None:
    def part(connection: socket.socket) -> None:
        nonce = read_nonce(connection)
        for _ in range(1000):
            connection.sendall(os.urandom(4999))
        for byte in welcome(nonce):
            connection.sendall(bytes([byte]))
        connection.sendall(encode(Frame(frames.RESPONSE, 1, b"{}")))
        connection.recv(65536)

    with played(part) as found:
        found._next_stream = 1
        found.greet(60.0)
        assert found.receive(30.0).kind == frames.RESPONSE


BREACHES = {
    "too large": (encode(Frame(frames.DATA, 1, b""))[:8] + b"\xff\xff\xff\xff",),
    "unknown kind": (b"\x63" + bytes(11),),
    "unknown stream": (Frame(frames.DATA, 4_000_000_000, b"x", frames.STDOUT),),
    "response is no object": (Frame(frames.RESPONSE, 1, b"[]"),),
    "response is no JSON": (Frame(frames.RESPONSE, 1, b"\xff"),),
    "deep JSON": (Frame(frames.RESPONSE, 1, b"[" * 30_000),),
    "error without code": (Frame(frames.ERROR, 1, b'{"message": "x"}'),),
    "error with odd code": (Frame(frames.ERROR, 1, b'{"code": 1, "message": "x"}'),),
}


@pytest.mark.parametrize("said", BREACHES.values(), ids=BREACHES)
def test_a_breach_is_a_protocol_error(said: tuple[Any, ...]) -> None:
    with played(saying(*said)) as found:
        found.greet(30.0)
        with pytest.raises(ProtocolError, match="does not keep to the protocol"):
            found.request(messages.STATUS, {}, timeout=30.0)


@pytest.mark.parametrize(
    "piece",
    [
        bytes(65536),
        encode(Frame(frames.DATA, 1, b"x" * 1000, frames.STDOUT)),
        encode(Frame(frames.WELCOME, 0, b"{}")) * 100,
    ],
    ids=["nul", "data", "welcome"],
)
def test_talk_without_an_answer_ends_in_time(piece: bytes) -> None:
    with played(answering(repeating(piece, after_a_request=True))) as found:
        found.greet(30.0)
        with pytest.raises(TimeoutExpiredError, match="does not answer"):
            found.request(messages.STATUS, {}, timeout=0.2)


def test_no_answer_at_all_ends_in_time() -> None:
    with played(saying()) as found:
        found.greet(30.0)
        with pytest.raises(TimeoutExpiredError, match="does not answer"):
            found.request(messages.STATUS, {}, timeout=0.2)


def test_credit_that_was_never_used_is_a_breach() -> None:
    with played(saying(Frame(frames.CREDIT, 1, b"\xff\xff\xff\xff"))) as found:
        found.greet(30.0)
        with pytest.raises(ProtocolError, match="more credit was granted"):
            found.request(messages.START, {}, body=bytes(1024 * 1024), timeout=30.0)


def test_a_body_whose_reader_grants_nothing_ends_in_time() -> None:
    with played(saying()) as found:
        found.greet(30.0)
        with pytest.raises(TimeoutExpiredError):
            found.request(messages.START, {}, body=bytes(1024 * 1024), timeout=0.2)


def test_a_refusal_in_the_middle_of_a_body() -> None:
    refusal = Frame(frames.ERROR, 1, b'{"code": "bad-request", "message": "enough"}')
    with played(saying(refusal)) as found:
        found.greet(30.0)
        with pytest.raises(AgentError, match="enough"):
            found.request(messages.START, {}, body=bytes(1024 * 1024), timeout=30.0)


def test_the_machine_goes_away_before_it_answers() -> None:
    with played(answering(listen_once)) as found:
        found.greet(30.0)
        with pytest.raises(MachineError, match="is not running"):
            found.request(messages.STATUS, {}, timeout=30.0)


# Ports.


@pytest.fixture
def sockets() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="vmpod-") as directory:
        yield Path(directory)


def listen(stack: ExitStack, path: Path) -> None:
    """An agent that welcomes whoever comes to a port."""
    listener = stack.enter_context(socket.socket(socket.AF_UNIX))
    listener.bind(str(path))
    listener.listen(1)

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(welcome(read_nonce(connection)))
            while connection.recv(65536):
                pass

    thread = threading.Thread(target=serve)
    thread.start()
    stack.callback(thread.join)


def test_sessions_take_ports_of_their_own(sockets: Path) -> None:
    with ExitStack() as stack:
        for number in range(2):
            listen(stack, sockets / f"c{number}")
        with session(sockets) as first, session(sockets) as second:
            assert first.socket.getpeername() == str(sockets / "c0")
            assert second.socket.getpeername() == str(sockets / "c1")


def test_without_sockets_the_machine_is_not_running(sockets: Path) -> None:
    for directory in (sockets, sockets / "gone"):
        with pytest.raises(MachineError, match="is not running"), session(directory):
            pass


def test_a_socket_that_nobody_serves_means_the_same(sockets: Path) -> None:
    with socket.socket(socket.AF_UNIX) as abandoned:
        abandoned.bind(str(sockets / "c0"))
    with pytest.raises(MachineError, match="is not running"), session(sockets):
        pass


def test_when_all_ports_are_taken_it_says_so(sockets: Path) -> None:
    locks = [try_lock(sockets / f"c{number}.lock") for number in range(wire.CONTROL_PORTS)]
    with pytest.raises(ConflictError, match="all 8 control ports"), session(sockets, timeout=0.2):
        pass
    for lock in locks:
        assert lock is not None
        os.close(lock)


def test_the_welcome_is_what_the_agent_really_writes() -> None:
    # The client looks for these bytes in what may be anything.
    frame = Frame(frames.WELCOME, 0, messages.dump({"version": wire.PROTOCOL_VERSION, "nonce": "n"}))
    assert json.loads(frame.payload) == {"version": 1, "nonce": "n"}
    assert encode(frame) == welcome("n")
