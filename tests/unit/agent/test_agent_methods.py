"""Methods that are imported when they are asked for: kill, stats, forward."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.agent.harness import Host, StandInServices, run_until
from tests.unit.agent.standins import Agent, error
from vmpod.wire import frames, messages
from vmpod.wire.frames import Frame
from vmpod_agent.loop import Loop
from vmpod_agent.methods import stats


class Run:
    def __init__(self, name: str) -> None:
        self.id = self.group = f"{name}-0"
        self.spec = {"name": name}
        self.signals: list[int] = []

    def signal(self, number: int) -> None:
        self.signals.append(number)


class Member:
    def __init__(self, name: str, *, running: bool = True) -> None:
        self.name = name
        self.running = running
        self.run = Run(name) if running else None


class Pod:
    def __init__(self, *members: Member) -> None:
        self._members = members

    def members(self) -> list[Member]:
        return list(self._members)

    def find(self, name: str) -> Member | None:
        return next((each for each in self._members if each.name == name), None)


@pytest.fixture
def pod(agent: Agent) -> Pod:
    pod = agent.pod = Pod(Member("init", running=False), Member("a"), Member("b"))
    return pod


def signals(pod: Pod) -> list[list[int]]:
    return [each.run.signals for each in pod.members() if each.run]


def test_kill_reaches_all_that_run(pod: Pod, host: Host) -> None:
    host.request(1, messages.KILL, signal=15)
    assert host.answer(1) == {"signalled": ["a", "b"]}
    assert signals(pod) == [[15], [15]]


def test_kill_reaches_the_named_alone(pod: Pod, host: Host) -> None:
    host.request(1, messages.KILL, signal=1, containers=["b"])
    assert signals(pod) == [[], [1]]


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"signal": 0}, messages.BAD_REQUEST),
        ({"signal": 65}, messages.BAD_REQUEST),
        ({"signal": "KILL"}, messages.BAD_REQUEST),
        ({"signal": 9, "containers": ["a", "c"]}, messages.NO_CONTAINER),
        ({"signal": 9, "containers": ["a", "init"]}, messages.NOT_RUNNING),
    ],
)
def test_a_kill_that_is_refused_signals_nobody(
    asked: dict[str, Any], code: str, pod: Pod, host: Host
) -> None:
    host.request(1, messages.KILL, **asked)
    assert error(host, 1)[0] == code
    assert signals(pod) == [[], []]


def test_figures_of_a_cgroup(tmp_path: Path) -> None:
    files = {
        "memory.current": "5000\n",
        "memory.max": "max\n",
        "memory.stat": "anon 1\ninactive_file 2000\n",
        "cpu.stat": "usage_usec 123\nuser_usec 100\n",
        "pids.current": "3\n",
        "io.stat": "254:0 rbytes=10 wbytes=20 rios=1\n254:16 rbytes=1 wbytes=2\n254:32 \n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert stats.container(str(tmp_path)) == {
        "memory": 5000,
        "inactive": 2000,
        "limit": None,
        "cpu": 123,
        "pids": 3,
        "read": 11,
        "written": 22,
    }
    (tmp_path / "memory.max").write_text("1048576\n")
    assert stats.container(str(tmp_path))["limit"] == 1048576
    gone = stats.container(str(tmp_path / "gone"))
    assert {value for value in gone.values() if value is not None} == {0}


def test_figures_of_this_machine_make_sense() -> None:
    found = stats.machine("/proc")
    assert 0 < found["available"] <= found["total"] < 2**45
    assert found["total"] == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert found["cpu"] > 0


def test_stats_are_of_what_runs(pod: Pod, host: Host) -> None:
    host.request(1, messages.STATS)
    answer = host.answer(1)
    assert [each["name"] for each in answer["containers"]] == ["a", "b"]
    assert answer["time"] > 0
    assert answer["machine"]["total"] > 0


# Forwarding.


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as found:
        found.settimeout(30)
        yield found


@pytest.fixture
def forwarding(agent: Agent, host: Host, services: StandInServices) -> Host:
    agent.services = services
    return host


def connect(host: Host, loop: Loop, listener: socket.socket) -> socket.socket:
    host.request(1, messages.FORWARD, port=listener.getsockname()[1])
    run_until(loop, lambda: host.of(1, frames.RESPONSE))
    connection, _ = listener.accept()
    connection.settimeout(30)
    return connection


def test_bytes_go_both_ways_and_each_end_by_itself(
    forwarding: Host, loop: Loop, listener: socket.socket
) -> None:
    host = forwarding
    with connect(host, loop, listener) as connection:
        host.input(1, b"question")
        host.send(Frame(frames.EOF, 1))
        assert connection.recv(100) == b"question"
        assert connection.recv(100) == b""
        connection.sendall(b"answer")
        run_until(loop, lambda: host.output(1) == b"answer")
        assert not host.of(1, frames.END)
        connection.shutdown(socket.SHUT_WR)
        run_until(loop, lambda: host.of(1, frames.END))
    assert len(host.of(1, frames.EOF)) == 1


def test_the_port_may_end_first(forwarding: Host, loop: Loop, listener: socket.socket) -> None:
    host = forwarding
    before = set(os.listdir("/proc/self/fd"))
    with connect(host, loop, listener) as connection:
        connection.sendall(b"hello")
        connection.shutdown(socket.SHUT_WR)
        run_until(loop, lambda: host.of(1, frames.EOF))
        assert host.output(1) == b"hello"
        host.input(1, b"late")
        assert connection.recv(100) == b"late"
        host.send(Frame(frames.EOF, 1))
        run_until(loop, lambda: host.of(1, frames.END))
    assert set(os.listdir("/proc/self/fd")) == before


def test_a_port_that_nobody_listens_on(forwarding: Host, loop: Loop, listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    listener.close()
    forwarding.request(1, messages.FORWARD, port=port)
    run_until(loop, lambda: forwarding.of(1, frames.ERROR))
    assert error(forwarding, 1) == (messages.FAILED, f"nothing listens on port {port} in the pod")


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_ports_that_do_not_exist(port: int, forwarding: Host) -> None:
    forwarding.request(1, messages.FORWARD, port=port)
    assert error(forwarding, 1)[0] == messages.BAD_REQUEST


@pytest.mark.parametrize("how", ["cancel", "gone"])
def test_without_its_client_the_connection_is_closed(
    how: str, forwarding: Host, loop: Loop, listener: socket.socket
) -> None:
    with connect(forwarding, loop, listener) as connection:
        if how == "cancel":
            forwarding.send(Frame(frames.CANCEL, 1))
        else:
            forwarding.session.client_gone()
        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(100) == b""
