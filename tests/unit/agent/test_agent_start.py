"""START: the secrets are handed over, and the pod starts once."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.agent.harness import Host
from tests.unit.agent.standins import Agent, error
from vmpod.wire import frames, messages
from vmpod.wire.frames import Frame
from vmpod_agent.methods import lifecycle

# START.


def start(host: Host, body: bytes, stream: int = 1, **message: Any) -> None:
    host.request(stream, messages.START, **({"time": 5} | message))
    for at in range(0, len(body), 1000):
        while not host.input(stream, body[at : at + 1000]):
            host.grant()
    host.send(Frame(frames.EOF, stream))


def test_start_takes_secrets_of_any_size(agent: Agent, host: Host) -> None:
    secrets = {f"file/v/{number}": "x" * 50_000 for number in range(40)}
    start(host, messages.dump(secrets))
    assert agent.started == [secrets]
    assert agent.clock == [5]
    assert host.answer(1) == {"started": True}


def test_start_twice_starts_once(agent: Agent, host: Host) -> None:
    start(host, b"{}")
    start(host, b'{"a": "b"}', stream=2)
    assert agent.started == [{}]
    assert host.answer(2) == {"started": True}


def test_two_clients_that_start_at_once_start_once(agent: Agent, host: Host) -> None:
    host.request(1, messages.START, time=1)
    host.request(2, messages.START, time=1)
    for stream in (1, 2):
        host.input(stream, b"{}")
        host.send(Frame(frames.EOF, stream))
    assert agent.started == [{}]
    assert host.answer(2) == {"started": True}


@pytest.mark.parametrize("body", [b"[]", b"nonsense", b'{"a": 1}', b'{"a": null}', b"\xff", b'{"a": "b"'])
def test_secrets_that_are_none_are_refused_without_being_told(body: bytes, agent: Agent, host: Host) -> None:
    start(host, body)
    assert agent.started == []
    code, message = error(host, 1)
    assert code == messages.BAD_REQUEST
    assert message.startswith("secrets: ")
    start(host, b"{}", stream=2)
    assert agent.started == [{}]


def test_the_value_of_a_secret_is_not_in_an_error(agent: Agent, host: Host) -> None:
    start(host, b'{"env/c/A": "hunter2", "b": ["hunter2"]}')
    start(host, b'{"env/c/A": "hunter2" "b"}', stream=2)
    for stream in (1, 2):
        assert "hunter2" not in error(host, stream)[1]


def test_too_many_secrets_are_refused(host: Host, agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "_MAX_SECRETS", 100_000)
    start(host, b'{"a": "' + b"x" * 150_000 + b'"}')
    assert error(host, 1) == (messages.BAD_REQUEST, "more than 100000 bytes of secrets")
    assert agent.started == []


def test_a_clock_that_cannot_be_set_is_told(host: Host, agent: Agent) -> None:
    agent.clock_error = OSError(22, "Invalid argument")
    host.request(1, messages.START, time=-1)
    assert error(host, 1)[0] == messages.FAILED


def test_a_start_whose_client_died_starts_nothing(agent: Agent, host: Host) -> None:
    host.request(1, messages.START, time=1)
    host.input(1, b"{}")
    host.greet()
    assert agent.started == []
    start(host, b"{}")
    assert agent.started == [{}]
