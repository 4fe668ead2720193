"""The agent's side of a session, frame by frame."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.agent.harness import Host
from tests.unit.agent.standins import Agent, StandInPod, error
from vmpod.wire import PROTOCOL_VERSION, frames, messages
from vmpod.wire.flow import INITIAL_CREDIT
from vmpod.wire.frames import BREAK, Frame, encode
from vmpod_agent.methods import execute
from vmpod_agent.session import Session

HELLO = Frame(frames.HELLO, 0, messages.dump({"version": 1, "nonce": "n"}))


# Greeting.


def test_a_hello_is_welcomed(host: Host) -> None:
    (welcome,) = host.frames
    assert (welcome.kind, welcome.stream) == (frames.WELCOME, 0)
    assert messages.parse(welcome.payload) == {"version": PROTOCOL_VERSION, "nonce": "n"}


def test_before_a_hello_nothing_is_said(agent: Agent) -> None:
    agent.host.request(1, "echo")
    agent.host.send(Frame(frames.DATA, 1, b"x"))
    assert agent.host.frames == []


def test_a_long_nonce_is_cut(agent: Agent) -> None:
    agent.host.send(Frame(frames.HELLO, 0, messages.dump({"nonce": "n" * 1000})))
    assert messages.parse(agent.host.frames[0].payload)["nonce"] == "n" * 64


def test_a_new_hello_cancels_what_the_last_client_asked_for(agent: Agent, host: Host) -> None:
    host.request(1, "record")
    old = agent.recorders[0]
    host.greet()
    assert old.seen == ["cancel"]
    host.request(1, "record")
    before = len(host.frames)
    old.stream.respond({})
    old.stream.send_eof(frames.STDOUT)
    old.stream.consumed(INITIAL_CREDIT)
    old.stream.end(0)
    old.stream.fail("x", "y")
    assert len(host.frames) == before, "the dead client's stream speaks to the new one"
    host.send(Frame(frames.DATA, 1, b"x"))
    assert agent.recorders[1].seen == [b"x"], "the end of the old stream took the new one away"


@pytest.mark.parametrize(
    "dead",
    [
        Frame(frames.REQUEST, 1, messages.dump({"method": "echo"})),
        Frame(frames.DATA, 1, b"\xff" * frames.MAX_PAYLOAD),
        Frame(frames.CONTROL, 1, messages.dump({"resize": [80, 24]})),
        Frame(frames.CREDIT, 1, b"\0\0\0\1", frames.STDOUT),
        Frame(frames.CANCEL, 1),
        HELLO,
    ],
    ids=lambda frame: str(frame.kind),
)
def test_a_client_that_died_in_a_frame_does_not_harm_the_next(dead: Frame) -> None:
    whole = encode(dead)
    for cut in {1, 5, 11, 12, 13, len(whole) // 2, len(whole) - 1}:
        agent = Agent()
        agent.host.greet()
        agent.host.request(1, "record")
        greeting = encode(Frame(frames.HELLO, 0, messages.dump({"version": 1, "nonce": "new"})))
        ask = encode(Frame(frames.REQUEST, 1, messages.dump({"method": "echo", "a": "b"})))
        # All in one piece: nothing behind what the dead client left may be lost.
        agent.host.session.receive(whole[:cut] + greeting + BREAK + greeting + ask)
        assert messages.parse(agent.host.frames[-1].payload) == {"method": "echo", "a": "b"}, cut
        assert messages.parse(agent.host.frames[-2].payload)["nonce"] == "new"


def test_a_client_that_goes_takes_its_half_frame_along(agent: Agent, host: Host) -> None:
    host.session.receive(encode(Frame(frames.DATA, 1, b"x" * 1000))[:100])
    host.session.client_gone()
    host.greet()
    assert [frame.kind for frame in host.frames] == [frames.WELCOME, frames.WELCOME]


# Requests.


def test_a_request_is_answered_on_its_stream(host: Host) -> None:
    host.request(7, "echo", text="é")
    assert host.answer(7) == {"method": "echo", "text": "é"}


@pytest.mark.parametrize(
    ("payload", "code", "message"),
    [
        (b'{"method": "nonsense"}', messages.NO_METHOD, "no method 'nonsense'"),
        (b"{}", messages.BAD_REQUEST, "attribute 'method' is missing"),
        (b'{"method": 1}', messages.BAD_REQUEST, "attribute 'method' must be str, not int"),
        (b"[]", messages.BAD_REQUEST, "not a JSON object"),
        (b"\xff", messages.BAD_REQUEST, "not JSON"),
        (b'{"method": "refuse"}', messages.NOT_RUNNING, "not now"),
        (b'{"method": "break"}', messages.FAILED, "Too many open files"),
        (b'{"method": "exec"}', messages.NOT_RUNNING, "the pod has not been started"),
        (b'{"method": "start"}', messages.BAD_REQUEST, "attribute 'time' is missing"),
        (b'{"method": "stop", "grace": "soon"}', messages.BAD_REQUEST, "attribute 'grace' must be int"),
    ],
)
def test_what_cannot_be_served_is_refused_and_the_session_goes_on(
    payload: bytes, code: str, message: str, host: Host
) -> None:
    host.send(Frame(frames.REQUEST, 1, payload))
    assert error(host, 1)[0] == code
    assert message in error(host, 1)[1]
    host.request(1, "echo")
    assert host.of(1, frames.RESPONSE)


def test_there_is_a_limit_of_streams(host: Host) -> None:
    for stream in range(1, 65):
        host.request(stream, "record")
    host.request(65, "record")
    assert error(host, 65)[0] == messages.BUSY
    host.send(Frame(frames.CANCEL, 3))
    host.request(66, "record")
    assert not host.of(66, frames.ERROR)


def test_an_answer_longer_than_a_frame_is_an_error_not_the_end(agent: Agent, host: Host) -> None:
    # As an answer it is three times as long: JSON escapes what it need not.
    host.send(
        Frame(
            frames.REQUEST,
            1,
            ('{"method": "echo", "long": "' + "\u00e9" * (frames.MAX_PAYLOAD // 3) + '"}').encode(),
        )
    )
    host.request(2, "echo", short="x")
    assert error(host, 1)[0] == messages.FAILED
    assert host.answer(2)["short"] == "x"


def test_the_state_of_many_containers_comes_in_several_answers(agent: Agent, host: Host) -> None:
    agent.pod = StandInPod(2000)
    found: list[dict[str, object]] = []
    for stream in range(1, 100):
        host.request(stream, messages.STATUS, first=len(found))
        answer = host.answer(stream)
        found += answer["events"]
        if not answer["more"]:
            break
    assert found == agent.pod.status()
    assert stream > 1


@pytest.mark.parametrize(
    "bad",
    [
        Frame(frames.REQUEST, 0, b"{}"),
        Frame(frames.REQUEST, 1, b"{}"),
        Frame(frames.CONTROL, 1, b"nonsense"),
        Frame(frames.CREDIT, 1, b"\0\0\0\1", frames.STDIN),
        Frame(frames.CREDIT, 1, b"\0\0\0\1", frames.STDOUT),
        Frame(frames.CREDIT, 1, b"", frames.STDOUT),
        Frame(frames.HELLO, 0, b"{}"),
        Frame(frames.HELLO, 0, b"nonsense"),
    ],
    ids=repr,
)
def test_a_breach_ends_the_session_and_a_new_hello_begins_another(
    bad: Frame, agent: Agent, host: Host
) -> None:
    host.request(1, "record")
    host.send(bad)
    assert agent.recorders[0].seen[-1] == "cancel"
    host.request(2, "echo")
    assert not host.of(2, frames.RESPONSE)
    host.greet()
    host.request(2, "echo")
    assert host.of(2, frames.RESPONSE)


def test_more_data_than_was_granted_ends_the_session(agent: Agent, host: Host) -> None:
    host.request(1, "record")
    host.send(*[Frame(frames.DATA, 1, bytes(frames.MAX_PAYLOAD))] * (INITIAL_CREDIT // frames.MAX_PAYLOAD))
    assert "cancel" not in agent.recorders[0].seen
    host.send(Frame(frames.DATA, 1, b"x"))
    assert agent.recorders[0].seen[-1] == "cancel"


def test_frames_of_ended_streams_are_late_not_wrong(host: Host) -> None:
    host.request(1, "echo")
    for kind in (frames.DATA, frames.EOF, frames.CONTROL, frames.CREDIT, frames.CANCEL):
        host.send(Frame(kind, 1, b"x"))
    host.request(2, "echo")
    assert host.of(2, frames.RESPONSE)


@given(st.lists(st.binary(max_size=100), max_size=5))
def test_hostile_bytes_raise_nothing_and_a_break_helps(pieces: list[bytes]) -> None:
    host = Agent().host
    host.greet()
    for piece in pieces:
        host.session.receive(piece)
    host.session.receive(BREAK)
    host.frames.clear()
    host.greet()
    host.request(1, "echo")
    assert [frame.kind for frame in host.frames] == [frames.WELCOME, frames.RESPONSE]


def test_room_is_limited_by_credit_frame_and_congestion(agent: Agent, host: Host) -> None:
    host.request(1, "record")
    stream = agent.recorders[0].stream
    assert stream.room(frames.STDOUT) == frames.BEST_PAYLOAD
    host.congested = True
    assert stream.room(frames.STDOUT) == 0
    host.congested = False
    for _ in range(INITIAL_CREDIT // frames.MAX_PAYLOAD):
        stream.send(frames.STDOUT, bytes(frames.MAX_PAYLOAD))
    assert stream.room(frames.STDOUT) == 0
    assert stream.room(frames.STDERR) == frames.BEST_PAYLOAD


# Others.


@pytest.mark.parametrize(("grace", "told"), [(None, None), (0, 0), (30, 30), (-1, None)])
def test_stop(grace: int | None, told: int | None, agent: Agent, host: Host) -> None:
    host.request(1, messages.STOP, grace=grace)
    assert agent.stopped == [told]
    assert host.answer(1) == {"stopping": True}


def test_exec_in_what_does_not_run(agent: Agent, host: Host) -> None:
    agent.pod = StandInPod()
    host.request(1, messages.EXEC, container="c", argv=["true"])
    host.request(2, messages.EXEC, container="d", argv=["true"])
    assert error(host, 1) == (messages.NOT_RUNNING, "container c is not running")
    assert error(host, 2) == (messages.NO_CONTAINER, "the pod has no container 'd'")


def test_status_before_the_start_is_empty(host: Host) -> None:
    host.request(1, messages.STATUS)
    assert host.answer(1) == {"events": [], "more": False}


@pytest.mark.parametrize(
    ("size", "terminal"),
    [([], (80, 24)), ([100, 50], (100, 50)), ([0, 0], (1, 1)), ([70000, -1], (4464, 65535))],
)
def test_sizes_of_terminals(size: list[int], terminal: tuple[int, int]) -> None:
    assert execute._terminal(size) == terminal


def test_a_session_writes_nothing_before_it_is_greeted() -> None:
    written: list[bytes] = []
    session = Session({}, written.append, lambda: False)
    session.send(Frame(frames.DATA, 1, b"x"))
    session.writable()
    session.reset()
    assert written == []
