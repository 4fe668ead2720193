"""The loop, the reaper, the journal and the captures of output, with real descriptors and children."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from tests.unit.agent.harness import run_until, start, turn
from vmpod.wire import journal as lines
from vmpod_agent.journal import Journal
from vmpod_agent.loop import READ, WRITE, Loop
from vmpod_agent.output import Capture
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


def test_an_end_before_the_adoption_is_told_then(loop: Loop) -> None:
    reaper = Reaper(loop)
    pid = start(reaper, "/bin/sh", "-c", "kill -9 $$")
    run_until(loop, lambda: pid in reaper._orphans)
    ended: list[ExitStatus] = []
    reaper.adopt(pid, ended.append)
    assert (ended[0].code, ended[0].signal) == (137, 9)
    assert not reaper._orphans


def test_orphans_are_not_kept_for_ever(loop: Loop) -> None:
    reaper = Reaper(loop)
    for pid in range(10_000, 11_000):
        reaper._ended(pid, ExitStatus(0))
    assert len(reaper._orphans) == 256
    assert 10_999 in reaper._orphans


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


# Output on its way to the journal.


class SlowHost:
    """A journal port whose reader reads when it is told to."""

    def __init__(self, loop: Loop) -> None:
        self._read_end, self._write_end = pipe()
        os.set_blocking(self._read_end, False)
        self.journal = Journal(loop, self._write_end)
        self._received = b""

    def read(self) -> bool:
        """Read what there is; whether there was anything."""
        try:
            data = os.read(self._read_end, 1024 * 1024)
        except BlockingIOError:
            return False
        self._received += data
        return True

    def entries(self) -> list[lines.Entry]:
        assert not self._received or self._received.endswith(b"\n")
        found = [lines.decode(line) for line in self._received.splitlines(keepends=True)]
        assert None not in found
        return [entry for entry in found if entry]

    def close(self) -> None:
        os.close(self._read_end)
        os.close(self._write_end)


def capture(loop: Loop, host: SlowHost, stream: str = "stdout") -> tuple[Capture, int]:
    read_end, write_end = pipe()
    made = Capture(loop, read_end, host.journal, source="c/0", stream=stream, ended=lambda: None)
    return made, write_end


def test_a_slow_journal_stops_the_writer_and_loses_nothing(loop: Loop) -> None:
    host = SlowHost(loop)
    captured, write_end = capture(loop, host)
    os.set_blocking(write_end, False)
    data = b"".join(b"line %d %s\n" % (number, b"x" * 300) for number in range(10_000))
    sent = 0

    def write() -> bool:
        nonlocal sent
        while sent < len(data):
            try:
                sent += os.write(write_end, data[sent : sent + 65536])
            except BlockingIOError:
                return False
        return True

    for _ in range(200):
        write()
        turn_at_once(loop)
    assert sent < 1024 * 1024, "the writer was never stopped"
    assert len(host.journal._pending) < 4 * 1024 * 1024

    def finished() -> bool:
        host.read()
        return write()

    run_until(loop, finished)
    os.close(write_end)
    run_until(loop, lambda: host.read() or captured.ended)
    run_until(loop, lambda: not host.read() and not host.journal._pending)
    assert b"".join(entry.data() for entry in host.entries()) == data
    host.close()


def turn_at_once(loop: Loop) -> None:
    loop.call_later(0.0, lambda: None)
    loop.run_once()


def test_two_streams_are_told_apart(loop: Loop) -> None:
    host = SlowHost(loop)
    captures = [capture(loop, host, stream) for stream in ("stdout", "stderr")]
    for (_, write_end), text in zip(captures, (b"out\n", b"err"), strict=True):
        os.write(write_end, text)
        os.close(write_end)
    run_until(loop, lambda: all(each.ended for each, _ in captures))
    host.read()
    found = {(entry.stream, entry.content, entry.partial) for entry in host.entries()}
    assert found == {("stdout", b"out", False), ("stderr", b"err", True)}
    assert {entry.source for entry in host.entries()} == {"c/0"}
    host.close()


def test_an_event_always_fits_into_a_line(loop: Loop) -> None:
    from vmpod.wire.messages import clipped  # noqa: PLC0415

    host = SlowHost(loop)
    text = clipped("\U0001f600\n" * 5000, 4096)
    ended: Any = {"exitCode": 128, "reason": "StartError", "startedAt": "", "finishedAt": "", "message": text}
    host.journal.event(
        {
            "kind": "container",
            "name": "n" * 63,
            "init": False,
            "restarts": 2**31,
            "state": {"terminated": ended},
            "last": ended,
        }
    )
    host.read()
    (entry,) = host.entries()
    assert (entry.source, entry.stream) == ("-", "event")
    host.close()


def test_flush_waits_for_a_slow_host(loop: Loop) -> None:
    host = SlowHost(loop)
    host.journal.output("c/0", "stdout", b"x" * 300_000 + b"\n")
    assert host.journal._pending
    child = os.fork()
    if child == 0:
        try:
            os.set_blocking(host._read_end, True)
            os.close(host._write_end)
            while os.read(host._read_end, 65536):
                pass
        finally:
            os._exit(0)
    host.journal.flush()
    assert not host.journal._pending
    host.close()
    os.waitpid(child, 0)


def test_a_spurious_wake_is_no_error(loop: Loop) -> None:
    host = SlowHost(loop)
    captured, write_end = capture(loop, host)
    captured._readable(READ)
    assert not captured.ended
    os.close(write_end)
    run_until(loop, lambda: captured.ended)
    host.close()


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
