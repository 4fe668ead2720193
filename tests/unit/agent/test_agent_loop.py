"""The loop, the reaper, the journal and the captures of output, with real descriptors and children."""

from __future__ import annotations

import os
import signal

import pytest

from tests.unit.agent.harness import run_until, start, turn
from vmpod_agent.loop import READ, WRITE, Loop
from vmpod_agent.process import pipe
from vmpod_agent.reaper import ExitStatus, Reaper


def test_timers_come_in_order_unless_cancelled(loop: Loop) -> None:
    called: list[str] = []
    loop.call_later(0.02, lambda: called.append("second"))
    loop.call_later(0.01, lambda: called.append("first"))
    loop.call_later(0.015, lambda: called.append("never")).cancel()
    run_until(loop, lambda: len(called) == 2)
    assert called == ["first", "second"]


def test_a_timer_far_away_does_no_harm(loop: Loop) -> None:
    loop.call_later(10.0**12, lambda: None)
    loop.call_later(0.0, loop.stop)
    loop.run()
    assert 0 < loop._until_next_timer() <= 3600


def test_a_callback_that_raises_is_reported_and_nothing_else(
    loop: Loop, capfd: pytest.CaptureFixture[str]
) -> None:
    def bad() -> None:
        raise KeyError("lost")

    called: list[str] = []
    loop.call_later(0.0, bad)
    loop.call_later(0.0, lambda: called.append("good"))
    run_until(loop, lambda: called)
    said = capfd.readouterr().err
    assert "internal error: KeyError: 'lost'" in said
    assert "test_agent_loop.py" in said


def test_a_descriptor_is_watched_until_it_is_forgotten(loop: Loop) -> None:
    read_end, write_end = pipe()
    seen: list[int] = []
    loop.watch(read_end, READ, seen.append)
    os.write(write_end, b"x")
    run_until(loop, lambda: seen)
    loop.forget(read_end)
    loop.forget(read_end)
    before = len(seen)
    turn(loop, 2)
    assert len(seen) == before
    os.close(read_end)
    os.close(write_end)


def test_a_descriptor_that_an_earlier_handler_forgot_is_not_served(loop: Loop) -> None:
    first, second = pipe(), pipe()
    served: list[int] = []

    def handler(mine: int, other: int) -> None:
        served.append(mine)
        loop.forget(other)
        loop.forget(mine)

    loop.watch(first[0], READ, lambda _: handler(first[0], second[0]))
    loop.watch(second[0], READ, lambda _: handler(second[0], first[0]))
    os.write(first[1], b"x")
    os.write(second[1], b"x")
    turn(loop, 2)
    assert len(served) == 1
    for fd in (*first, *second):
        os.close(fd)


@pytest.mark.parametrize(
    ("wait_status", "code", "number"), [(0, 0, 0), (42 << 8, 42, 0), (255 << 8, 255, 0), (9, 137, 9)]
)
def test_exit_statuses(wait_status: int, code: int, number: int) -> None:
    status = ExitStatus(wait_status)
    assert (status.code, status.signal) == (code, number)


def test_children_are_told_from_each_other(loop: Loop) -> None:
    reaper = Reaper(loop)
    ended: dict[int, int] = {}
    for code in range(20):
        pid = start(reaper, "/bin/sh", "-c", f"exit {code}")
        reaper.adopt(pid, lambda status, code=code: ended.__setitem__(code, status.code))  # type: ignore[misc]
    run_until(loop, lambda: len(ended) == 20)
    assert ended == {code: code for code in range(20)}


def test_one_callback_that_raises_hides_no_other_end(loop: Loop, capfd: pytest.CaptureFixture[str]) -> None:
    reaper = Reaper(loop)
    ended: list[int] = []

    def bad(_status: ExitStatus) -> None:
        raise ValueError("broken")

    pids = [start(reaper, "/bin/true") for _ in range(2)]
    for pid in pids:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    reaper.adopt(pids[0], bad)
    reaper.adopt(pids[1], lambda status: ended.append(status.code))
    reaper.reap()
    assert ended == [0]
    assert "ValueError: broken" in capfd.readouterr().err


# Watching.


def test_watching_again_replaces_what_was_watched(loop: Loop) -> None:
    read_end, write_end = pipe()
    seen: list[str] = []
    loop.watch(write_end, READ, lambda _: seen.append("read"))
    loop.watch(write_end, WRITE, lambda _: seen.append("write"))
    turn(loop)
    assert seen == ["write"]
    loop.forget(write_end)
    os.close(read_end)
    os.close(write_end)


def test_sigpipe_is_the_programs_own(loop: Loop) -> None:
    reaper = Reaper(loop)
    ended: list[ExitStatus] = []
    reaper.adopt(start(reaper, "/bin/sh", "-c", "kill -PIPE $$; exit 0"), ended.append)
    run_until(loop, lambda: ended)
    assert ended[0].signal == signal.SIGPIPE
