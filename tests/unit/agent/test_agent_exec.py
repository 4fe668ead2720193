"""A process joined to a stream: its bytes, its end, its terminal, and what becomes of it when nobody asks."""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.agent.harness import Host, StandInRun, StandInServices, run_until, turn
from vmpod.wire import frames, messages
from vmpod.wire.flow import INITIAL_CREDIT
from vmpod.wire.frames import Frame
from vmpod_agent import exec as exec_module
from vmpod_agent.exec import Exec
from vmpod_agent.loop import Loop
from vmpod_agent.session import Stream, StreamHandler

pytestmark = pytest.mark.usefixtures("run_directory")
MEBIBYTE = 1024 * 1024


@pytest.fixture
def host(services: StandInServices) -> Host:
    run: Any = StandInRun()
    of_the_agent: Any = services

    def method(stream: Stream, message: dict[str, Any]) -> StreamHandler:
        return Exec(
            stream,
            run,
            of_the_agent,
            argv=message["argv"],
            stdin=message.get("stdin", False),
            terminal=tuple(message["size"]) if "size" in message else None,
            env=message.get("env", []),
        )

    host = Host({"exec": method})
    host.greet()
    return host


def ended(host: Host, stream: int = 1) -> Callable[[], object]:
    def condition() -> object:
        if host.granting:
            host.grant()
        return host.of(stream, frames.END) or host.of(stream, frames.ERROR)

    return condition


def test_output_errors_and_exit_code_come_apart(host: Host, loop: Loop) -> None:
    host.request(1, "exec", argv=["sh", "-c", "echo out; echo err >&2; exit 42"])
    run_until(loop, ended(host))
    assert host.output(1, frames.STDOUT) == b"out\n"
    assert host.output(1, frames.STDERR) == b"err\n"
    assert host.exit_code(1) == 42
    kinds = [frame.kind for frame in host.frames if frame.stream == 1]
    assert kinds[0] == frames.RESPONSE
    assert kinds[-1] == frames.END
    assert [frame.channel for frame in host.of(1, frames.EOF)] in ([1, 2], [2, 1])


def test_a_fast_end_is_told_once(host: Host, loop: Loop, services: StandInServices) -> None:
    services.joined.delay = 0.2  # the process has ended, and was reaped, before its number is known
    host.request(1, "exec", argv=["sh", "-c", "echo early"])
    run_until(loop, ended(host))
    assert host.output(1) == b"early\n"
    assert len(host.of(1, frames.END)) == 1


def test_megabytes_pass_through_cat_unchanged(host: Host, loop: Loop) -> None:
    data = os.urandom(MEBIBYTE) * 5
    left = memoryview(data)
    host.request(1, "exec", argv=["cat"], stdin=True)

    def pump() -> object:
        nonlocal left
        while left and (size := host.input(1, bytes(left[: frames.MAX_PAYLOAD]))):
            left = left[size:]
            if not left:
                host.send(Frame(frames.EOF, 1))
        return ended(host)()

    run_until(loop, pump)
    assert hashlib.sha256(host.output(1)).digest() == hashlib.sha256(data).digest()
    assert host.exit_code(1) == 0


def test_a_reader_without_credit_stops_its_own_stream_alone(host: Host, loop: Loop) -> None:
    host.granting = False
    host.request(1, "exec", argv=["sh", "-c", "head -c 1000000 /dev/zero"])
    run_until(loop, lambda: len(host.output(1)) == INITIAL_CREDIT)
    host.request(2, "exec", argv=["echo", "other"])
    run_until(loop, ended(host, 2))
    assert host.output(2) == b"other\n"
    assert len(host.output(1)) == INITIAL_CREDIT
    host.granting = True
    run_until(loop, ended(host))
    assert host.output(1) == bytes(1_000_000)


def test_congestion_pauses_and_resumes(host: Host, loop: Loop) -> None:
    host.congested = True
    host.request(1, "exec", argv=["sh", "-c", "echo out; exit 3"])
    run_until(loop, lambda: host.of(1, frames.RESPONSE))
    turn(loop, 20)
    assert not host.of(1, frames.DATA)
    assert not host.of(1, frames.END)
    host.congested = False
    host.session.writable()
    run_until(loop, ended(host))
    assert (host.output(1), host.exit_code(1)) == (b"out\n", 3)


def test_no_data_comes_before_the_response(host: Host, loop: Loop, services: StandInServices) -> None:
    services.joined.delay = 0.2
    for stream, settings in ((1, {}), (2, {"size": [80, 24]})):
        host.request(stream, "exec", argv=["sh", "-c", "echo early"], **settings)
        run_until(loop, lambda: services.joined.pids)
        for _ in range(5):
            host.session.writable()
            turn(loop)
        run_until(loop, ended(host, stream))
        assert next(frame.kind for frame in host.frames if frame.stream == stream) == frames.RESPONSE
        assert host.output(stream).split() == [b"early"]


def test_without_stdin_the_input_is_empty(host: Host, loop: Loop) -> None:
    host.request(1, "exec", argv=["cat"])
    run_until(loop, ended(host))
    assert (host.output(1), host.exit_code(1)) == (b"", 0)


def test_input_that_nobody_reads_is_taken_and_dropped(host: Host, loop: Loop) -> None:
    host.request(1, "exec", argv=["sh", "-c", "exec 0<&-; echo closed; sleep 1; exit 7"], stdin=True)
    run_until(loop, lambda: host.output(1))
    sent = 0

    def pump() -> object:
        nonlocal sent
        while sent < 2 * MEBIBYTE and (size := host.input(1, bytes(frames.MAX_PAYLOAD))):
            sent += size
        return sent == 2 * MEBIBYTE

    run_until(loop, pump)
    assert not host.of(1, frames.END)
    run_until(loop, ended(host))
    assert host.exit_code(1) == 7


def test_a_full_pipe_whose_reader_goes_gives_the_credit_back(host: Host, loop: Loop) -> None:
    host.request(1, "exec", argv=["sh", "-c", "sleep 0.3; exec 0<&-; echo closed; sleep 5"], stdin=True)
    run_until(loop, lambda: host.of(1, frames.RESPONSE))
    while host.input(1, bytes(frames.MAX_PAYLOAD)):
        pass
    assert host.windows[1].available == 0
    run_until(loop, lambda: host.windows[1].available == INITIAL_CREDIT)
    host.send(Frame(frames.CANCEL, 1))


def test_end_of_input_follows_the_last_of_it(host: Host, loop: Loop) -> None:
    host.request(1, "exec", argv=["sh", "-c", "sleep 0.2; cat | wc -c"], stdin=True)
    run_until(loop, lambda: host.of(1, frames.RESPONSE))
    sent = sum(host.input(1, bytes(frames.MAX_PAYLOAD)) for _ in range(8))
    host.send(Frame(frames.EOF, 1))
    run_until(loop, ended(host))
    assert int(host.output(1)) == sent == INITIAL_CREDIT


def test_output_that_is_closed_early_is_no_end(host: Host, loop: Loop) -> None:
    host.request(1, "exec", argv=["sh", "-c", "exec >&- 2>&-; sleep 0.2; exit 5"])
    run_until(loop, lambda: len(host.of(1, frames.EOF)) == 2)
    assert not host.of(1, frames.END)
    run_until(loop, ended(host))
    assert host.exit_code(1) == 5


def test_a_child_that_keeps_the_output_open_is_not_waited_for(
    host: Host, loop: Loop, services: StandInServices
) -> None:
    host.request(1, "exec", argv=["sh", "-c", "sleep 1000 & echo started"])
    run_until(loop, ended(host))
    assert (host.output(1), host.exit_code(1)) == (b"started\n", 0)


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (["no-such-command"], messages.NOT_FOUND),
        (["/etc/passwd"], messages.NOT_EXECUTABLE),
    ],
)
@pytest.mark.parametrize("settings", [{}, {"stdin": True}, {"size": [80, 24], "stdin": True}])
def test_what_cannot_be_started_says_so(
    argv: list[str], code: str, settings: dict[str, Any], host: Host, loop: Loop, run_directory: Path
) -> None:
    before = set(os.listdir("/proc/self/fd"))
    host.request(1, "exec", argv=argv, **settings)
    run_until(loop, ended(host))
    assert host.answer(1, frames.ERROR)["code"] == code
    assert not host.of(1, frames.RESPONSE)
    assert set(os.listdir("/proc/self/fd")) == before, "a descriptor was left open"
    assert not list(run_directory.iterdir())


@pytest.mark.parametrize("settings", [{}, {"stdin": True}, {"size": [80, 24], "stdin": True}])
def test_nothing_is_left_of_a_process_that_ended(
    settings: dict[str, Any], host: Host, loop: Loop, run_directory: Path
) -> None:
    before = set(os.listdir("/proc/self/fd"))
    host.request(1, "exec", argv=["true"], **settings)
    run_until(loop, ended(host))
    assert set(os.listdir("/proc/self/fd")) == before
    assert not list(run_directory.iterdir())


def test_a_signal_of_its_own_shows_in_the_exit_code(host: Host, loop: Loop) -> None:
    host.request(1, "exec", argv=["sh", "-c", "kill -9 $$"])
    run_until(loop, ended(host))
    assert host.exit_code(1) == 128 + 9


def test_signals_reach_the_process_also_early_ones(host: Host, loop: Loop, services: StandInServices) -> None:
    services.joined.delay = 0.1
    host.request(1, "exec", argv=["sleep", "1000"])
    host.send(Frame(frames.CONTROL, 1, messages.dump({"signal": int(signal.SIGTERM)})))
    run_until(loop, ended(host))
    assert host.exit_code(1) == 128 + signal.SIGTERM


@pytest.mark.parametrize("number", [-1, 65, 10**30])
def test_a_signal_that_does_not_exist_ends_the_session(number: int, host: Host, loop: Loop) -> None:
    host.request(1, "exec", argv=["sleep", "1000"])
    run_until(loop, lambda: host.of(1, frames.RESPONSE))
    host.send(Frame(frames.CONTROL, 1, messages.dump({"signal": number})))
    host.request(2, "exec", argv=["true"])
    assert not [frame for frame in host.frames if frame.stream == 2]


@pytest.mark.parametrize("when", ["running", "starting"])
@pytest.mark.parametrize("how", ["cancel", "gone", "new client"])
def test_without_its_client_the_whole_group_is_killed(
    when: str,
    how: str,
    host: Host,
    loop: Loop,
    services: StandInServices,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exec_module, "_KILL_AFTER", 0.1)
    services.joined.delay = 0.2 if when == "starting" else 0.0
    script = "trap '' HUP TERM; sh -c 'trap \"\" HUP TERM; sleep 1000 & echo ready; wait' & wait"
    host.request(1, "exec", argv=["sh", "-c", script])
    if when == "running":
        run_until(loop, lambda: host.output(1))
    (pid,) = services.joined.pids
    sent = len(host.frames)
    if how == "cancel":
        host.send(Frame(frames.CANCEL, 1))
    elif how == "gone":
        host.session.client_gone()
    else:
        host.greet()
    run_until(loop, lambda: not group_members(pid))
    turn(loop, 3)
    late = [frame for frame in host.frames[sent:] if frame.stream == 1]
    assert late == [], "to the next client, the number means another stream"


def group_members(group: int) -> list[int]:
    """Processes of the group that still run."""
    found = []
    for name in filter(str.isdecimal, os.listdir("/proc")):
        try:
            fields = Path(f"/proc/{name}/stat").read_bytes().rpartition(b")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] != b"Z":
            found.append(int(name))
    return found


# Terminals.


def test_a_terminal_has_its_size_from_the_first_frame(host: Host, loop: Loop) -> None:
    host.request(1, "exec", argv=["sh", "-c", "stty size; tty >/dev/null && echo yes"], size=[123, 45])
    run_until(loop, ended(host))
    assert host.output(1) == b"45 123\r\nyes\r\n"
    assert not host.output(1, frames.STDERR)
    assert [frame.channel for frame in host.of(1, frames.EOF)] == [frames.STDOUT]


def test_a_terminal_is_resized(host: Host, loop: Loop) -> None:
    script = "trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.05; done"
    host.request(1, "exec", argv=["sh", "-c", script], size=[80, 24], stdin=True)
    run_until(loop, lambda: b"ready" in host.output(1))
    host.send(Frame(frames.CONTROL, 1, messages.dump({"resize": [200, 50]})))
    run_until(loop, ended(host))
    assert host.output(1).endswith(b"50 200\r\n")


def test_what_is_typed_arrives_and_end_of_input_too(host: Host, loop: Loop) -> None:
    host.request(1, "exec", argv=["sh", "-c", "stty -echo; echo ready; cat"], size=[80, 24], stdin=True)
    run_until(loop, lambda: b"ready" in host.output(1))
    host.input(1, b"hello\n")
    host.send(Frame(frames.EOF, 1))
    run_until(loop, ended(host))
    assert host.output(1) == b"ready\r\nhello\r\n"
    assert host.exit_code(1) == 0
