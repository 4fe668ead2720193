"""What probes and hooks do, with real processes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.agent.harness import StandInRun, StandInServices, run_until
from tests.unit.agent.test_agent_life import ACTION
from vmpod_agent import actions, dial
from vmpod_agent.loop import Loop

Answers = list[tuple[bool, str]]
Begin = Callable[..., tuple[Any, Answers]]


@pytest.fixture
def begin(services: StandInServices, monkeypatch: pytest.MonkeyPatch) -> Begin:
    # Only root may give rights up.
    monkeypatch.setattr(dial, "nobody", lambda: None)

    def begun(limit: float | None = 30.0, /, **fields: Any) -> tuple[Any, Answers]:
        answers: Answers = []
        run: Any = StandInRun()
        any_services: Any = services
        attempt = actions.begin(
            ACTION | fields,  # type: ignore[arg-type]
            run,
            any_services,
            limit,
            lambda well, said: answers.append((well, said)),
            hook=False,
        )
        return attempt, answers

    return begun


def script(text: str) -> dict[str, Any]:
    return {"kind": "exec", "argv": ["sh", "-c", text]}


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("true", (True, "")),
        ("echo fine", (True, "fine")),
        ("echo out; echo err >&2; exit 3", (False, "out\nerr")),
        ("exit 3", (False, "exited with status 3")),
        ("kill -9 $$", (False, "killed by signal 9")),
        ("head -c 20000 /dev/zero | tr '\\0' x; exit 1", (False, "x" * 10240)),
        # A child that keeps the output open is not waited for.
        ("sleep 60 & echo gone", (True, "gone")),
        ("cat", (True, "")),
    ],
)
def test_commands(begin: Begin, loop: Loop, text: str, answer: tuple[bool, str]) -> None:
    _, answers = begin(**script(text))
    run_until(loop, lambda: bool(answers))
    assert answers == [answer]


def test_a_command_that_is_not_there(begin: Begin, loop: Loop) -> None:
    _, answers = begin(kind="exec", argv=["/no/such"])
    run_until(loop, lambda: bool(answers))
    assert answers == [(False, "/no/such: executable file not found in the container")]


def test_a_command_that_takes_too_long_is_killed(begin: Begin, loop: Loop, services: StandInServices) -> None:
    _, answers = begin(0.2, **script("sleep 300"))
    run_until(loop, lambda: bool(answers))
    assert answers == [(False, "timed out after 0.2s")]
    (pid,) = services.joined.pids

    def gone() -> bool:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        return False

    run_until(loop, gone)


def test_one_that_is_given_up_says_nothing(begin: Begin, loop: Loop, services: StandInServices) -> None:
    attempt, answers = begin(**script("sleep 300"))
    run_until(loop, lambda: bool(services.joined.pids))
    attempt.cancel()
    until = time.monotonic() + 0.3
    run_until(loop, lambda: time.monotonic() > until)
    assert answers == []


def test_servers_are_asked_by_a_child(begin: Begin, loop: Loop, services: StandInServices) -> None:
    services.address = "127.0.0.1"  # type: ignore[attr-defined]
    _, refused = begin(kind="tcp", port=1)
    _, nowhere = begin(kind="http", scheme="HTTP", port=1, host="no.such.name.invalid", path="/")
    run_until(loop, lambda: bool(refused and nowhere))
    assert refused == [(False, "Connection refused")]
    assert nowhere[0][0] is False
    assert nowhere[0][1]


def test_a_sleep(begin: Begin, loop: Loop) -> None:
    _, answers = begin(None, kind="sleep", seconds=0)
    run_until(loop, lambda: bool(answers))
    assert answers == [(True, "")]
    attempt, answers = begin(None, kind="sleep", seconds=300)
    attempt.cancel()
    assert answers == []
