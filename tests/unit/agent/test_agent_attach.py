"""Watching a run, and writing its standard input, with a real process in the place of a container."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.agent.harness import Host, run_until, turn
from vmpod.wire import frames, messages
from vmpod.wire.flow import INITIAL_CREDIT
from vmpod.wire.frames import Frame
from vmpod_agent.loop import Loop
from vmpod_agent.methods import attach
from vmpod_agent.output import Capture
from vmpod_agent.process import pipe

STREAM = 1


class Log:
    """A run's log."""

    def __init__(self) -> None:
        self.written = b""

    def write(self, _stream: str, data: bytes) -> None:
        self.written += data


class StandInRun:
    """A run whose output the test writes."""

    def __init__(self, loop: Loop, **spec: bool) -> None:
        self.spec: dict[str, Any] = {"stdin": True, "stdin_once": False, "tty": False} | spec
        self.listeners: list[Any] = []
        self.signals: list[int] = []
        self.signal = self.signals.append
        self.log = Log()
        read_end, self.write_end = pipe()
        log: Any = self.log
        self.capture = Capture(
            loop, read_end, log, stream="stdout", ended=lambda: None, listeners=self.listeners
        )
        self.stdin, self.input = pipe()
        os.set_blocking(self.stdin, False)
        self.left = 0

    def resume(self) -> None:
        self.capture.resume()

    def take_input(self) -> int:
        return os.dup(self.input)

    def input_left(self) -> None:
        self.left += 1
        if self.spec["stdin_once"] and self.input >= 0:
            os.close(self.input)
            self.input = -1

    def end(self, code: int) -> None:
        listeners, self.listeners[:] = list(self.listeners), []
        for each in listeners:
            each.ended(code)


class Member:
    name = "c"
    running = True

    def __init__(self, run: Any) -> None:
        self.run = run


class Agent:
    """The agent, as the method sees it."""

    def __init__(self, loop: Loop, run: StandInRun) -> None:
        self.run = run
        self.services = type("Services", (), {"loop": loop})
        self.pod = type("Pod", (), {"find": lambda _self, _name: Member(run)})()
        made: Any = self
        self.host = Host({messages.ATTACH: lambda stream, message: attach.serve(made, stream, message)})
        self.host.greet()


@pytest.fixture
def run(loop: Loop) -> StandInRun:
    return StandInRun(loop)


@pytest.fixture
def host(loop: Loop, run: StandInRun) -> Iterator[Host]:
    yield Agent(loop, run).host
    run.end(0)


def test_output_from_now_on_and_the_exit_code(loop: Loop, run: StandInRun, host: Host) -> None:
    os.write(run.write_end, b"before\n")
    run_until(loop, lambda: run.log.written)
    host.request(STREAM, messages.ATTACH)
    assert host.answer(STREAM) == {"attached": True}
    os.write(run.write_end, b"after\n")
    run_until(loop, lambda: host.output(STREAM))
    run.end(7)
    assert host.output(STREAM) == b"after\n"
    assert host.exit_code(STREAM) == 7
    assert run.log.written == b"before\nafter\n"


def test_input_goes_on_and_stays_open(loop: Loop, run: StandInRun, host: Host) -> None:
    for stream, text in ((1, b"one"), (2, b"two")):
        host.request(stream, messages.ATTACH, stdin=True)
        host.input(stream, text)
        host.send(Frame(frames.EOF, stream))
        turn(loop)
        assert os.read(run.stdin, 100) == text
        host.send(Frame(frames.CANCEL, stream))
    with pytest.raises(BlockingIOError):
        os.read(run.stdin, 100)
    assert run.left == 2


def test_input_for_one_client_ends_with_it(loop: Loop) -> None:
    run = StandInRun(loop, stdin_once=True)
    host = Agent(loop, run).host
    host.request(STREAM, messages.ATTACH, stdin=True)
    host.input(STREAM, b"all")
    host.send(Frame(frames.EOF, STREAM))
    turn(loop)
    assert os.read(run.stdin, 100) == b"all"
    assert os.read(run.stdin, 100) == b""
    # It goes on watching.
    os.write(run.write_end, b"answer")
    run_until(loop, lambda: host.output(STREAM) == b"answer")


def test_a_container_without_input(loop: Loop) -> None:
    run = StandInRun(loop, stdin=False)
    host = Agent(loop, run).host
    host.request(STREAM, messages.ATTACH, stdin=True)
    assert host.answer(STREAM, frames.ERROR)["code"] == messages.BAD_REQUEST
    assert run.listeners == []


def test_signals_reach_the_container(run: StandInRun, host: Host) -> None:
    host.request(STREAM, messages.ATTACH)
    host.send(Frame(frames.CONTROL, STREAM, messages.dump({"signal": 15})))
    assert run.signals == [15]


def test_a_slow_client_holds_the_container_up_and_loses_nothing(
    loop: Loop, run: StandInRun, host: Host
) -> None:
    host.request(STREAM, messages.ATTACH)
    os.set_blocking(run.write_end, False)
    data, sent = os.urandom(3 * INITIAL_CREDIT), 0
    for _ in range(500):
        try:
            sent += os.write(run.write_end, data[sent : sent + 60_000])
        except BlockingIOError:
            turn(loop)
    assert sent < len(data), "the container was never held up"

    def go_on() -> bool:
        nonlocal sent
        host.grant()
        if sent < len(data):
            try:
                sent += os.write(run.write_end, data[sent : sent + 60_000])
            except BlockingIOError:
                return False
        return host.output(STREAM) == data

    run_until(loop, go_on)
    assert run.log.written == data


def test_a_client_that_is_gone_holds_up_nobody(loop: Loop, run: StandInRun, host: Host) -> None:
    host.request(STREAM, messages.ATTACH)
    os.set_blocking(run.write_end, False)
    written = 0
    for _ in range(200):
        try:
            written += os.write(run.write_end, bytes(60_000))
        except BlockingIOError:
            turn(loop)
    host.session.client_gone()
    assert run.listeners == []
    run_until(loop, lambda: len(run.log.written) == written)
