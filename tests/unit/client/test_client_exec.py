"""`execute` as its caller sees it: bytes, signals, exit codes, terminals. Each runs in a process of its own,
because the command's standard streams are the process's."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.agent.harness import StandInRun, StandInServices, agent_loop, run_until
from vmpod.wire import messages
from vmpod_agent import exec as agent_exec
from vmpod_agent import layout
from vmpod_agent.ports import ControlPort
from vmpod_agent.session import Stream, StreamHandler

ROOT = Path(__file__).parents[3]

CLIENT = """\
import json, socket, sys
from vmpod.client.exec import Command, CommandNotStartedError, execute
from vmpod.client.session import Session
from vmpod.errors import VmpodError
found = Session(socket.socket(fileno=int(sys.argv[1])))
found.greet(30.0)
try:
    status = execute(found, Command(tuple(json.loads(sys.argv[2])), **json.loads(sys.argv[3])))
except CommandNotStartedError as error:
    status = error.status
except VmpodError as error:
    print(f"{error.code}: {error.message}", file=sys.stderr)
    status = 125
sys.exit(status)
"""


class Client:
    """A process that executes a command through the real agent, in this process."""

    def __init__(self, argv: list[str], *, stdin: Any = subprocess.DEVNULL, **command: Any) -> None:
        self._ours, self._theirs = socket.socketpair()
        self._argv, self._stdin, self._command = argv, stdin, command
        self.out = b""
        self.err = b""
        self.process: subprocess.Popen[bytes] | None = None

    def run(
        self,
        directory: Path,
        monkeypatch: pytest.MonkeyPatch,
        *,
        stdout: int = subprocess.PIPE,
        meanwhile: Callable[[StandInServices], object] = lambda _: None,
    ) -> int:
        import json  # noqa: PLC0415

        monkeypatch.setattr(layout, "RUN", str(directory))
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                CLIENT,
                str(self._theirs.fileno()),
                json.dumps(self._argv),
                json.dumps(self._command),
            ],
            stdin=self._stdin,
            stdout=stdout,
            stderr=subprocess.PIPE,
            pass_fds=[self._theirs.fileno()],
            cwd=ROOT,
            start_new_session=True,
        )
        self._theirs.close()
        with agent_loop() as loop:
            services = StandInServices(loop, monkeypatch)
            ends: list[int] = []
            services.reaper.adopt(self.process.pid, lambda status: ends.append(status.code))
            port = ControlPort(loop, self._ours.detach(), {messages.EXEC: _method(services)})
            pipes = [each for each in (self.process.stdout, self.process.stderr) if each]
            for pipe in pipes:
                os.set_blocking(pipe.fileno(), False)
            try:

                def ended() -> bool:
                    self._read()
                    meanwhile(services)
                    return bool(ends)

                run_until(loop, ended)
                self._read()
            finally:
                if not ends:
                    self.process.kill()
                services.kill_all()
                loop.forget(port._fd)
                os.close(port._fd)
                for pipe in pipes:
                    pipe.close()
                # The reaper has waited for it.
                self.process.returncode = ends[0] if ends else -1
        return ends[0]

    def _read(self) -> None:
        assert self.process is not None
        if self.process.stdout:
            self.out += self.process.stdout.read() or b""
        assert self.process.stderr is not None
        self.err += self.process.stderr.read() or b""


def _method(services: StandInServices) -> Any:
    of_the_agent: Any = services
    run: Any = StandInRun()

    def method(stream: Stream, message: dict[str, Any]) -> StreamHandler:
        return agent_exec.Exec(
            stream,
            run,
            of_the_agent,
            argv=message["argv"],
            stdin=message["stdin"],
            terminal=tuple(message["size"]) if message["tty"] else None,
            env=[],
        )

    return method


@pytest.fixture
def directory() -> Any:
    import tempfile  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="vmpod-") as made:
        yield Path(made)


def test_streams_and_exit_code_are_the_commands_own(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client(["sh", "-c", "echo out; echo err >&2; cat; exit 42"])
    assert client.run(directory, monkeypatch) == 42
    assert (client.out, client.err) == (b"out\n", b"err\n")


@pytest.mark.parametrize("kind", ["file", "pipe"])
def test_megabytes_go_through_cat_unchanged(
    kind: str, directory: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    data = os.urandom(1024 * 1024) * 5
    source, copy = tmp_path / "source", tmp_path / "copy"
    source.write_bytes(data)
    with source.open("rb") as file, copy.open("wb") as out:
        feeder = None
        if kind == "pipe":
            feeder = subprocess.Popen(["cat"], stdin=file, stdout=subprocess.PIPE)
        client = Client(["cat"], stdin=feeder.stdout if feeder else file, tty=False)
        client._command["stdin"] = True
        assert client.run(directory, monkeypatch, stdout=out.fileno()) == 0
        if feeder:
            assert feeder.stdout is not None
            feeder.stdout.close()
            feeder.returncode = 0  # the agent's reaper has waited for it
    assert hashlib.sha256(copy.read_bytes()).digest() == hashlib.sha256(data).digest()


def test_signals_go_to_the_command(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client(["sh", "-c", "trap 'echo told; exit 9' TERM; echo ready; while :; do sleep 0.05; done"])
    sent: list[int] = []

    def meanwhile(_services: StandInServices) -> None:
        if b"ready" in client.out and not sent:
            assert client.process is not None
            sent.append(client.process.pid)
            os.kill(client.process.pid, signal.SIGTERM)

    assert client.run(directory, monkeypatch, meanwhile=meanwhile) == 9
    assert client.out == b"ready\ntold\n"


def test_a_killed_client_takes_its_command_along(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_exec, "_KILL_AFTER", 0.1)
    client = Client(["sh", "-c", "trap '' TERM HUP; echo ready; while :; do sleep 0.05; done"])
    gone: list[int] = []

    def meanwhile(services: StandInServices) -> None:
        if b"ready" in client.out and not gone:
            assert client.process is not None
            client.process.kill()
            gone.extend(services.joined.pids)
            deadline = time.monotonic() + 60
            while alive(gone[0]) and time.monotonic() < deadline:
                services.loop.call_later(0.01, lambda: None)
                services.loop.run_once()

    assert client.run(directory, monkeypatch, meanwhile=meanwhile) == 128 + 9
    assert gone
    assert not alive(gone[0])


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(("argv", "status"), [(["no-such-command"], 127), (["/etc/passwd"], 126)])
def test_a_command_that_cannot_be_started(
    argv: list[str], status: int, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Client(argv).run(directory, monkeypatch) == status


def test_on_a_terminal_size_keys_and_resizing_arrive(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    master, slave = os.openpty()
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 99, 0, 0))
    before = termios.tcgetattr(slave)
    script = (
        "stty size; trap 'stty size; exit 5' WINCH; read word; echo got $word; while :; do sleep 0.05; done"
    )
    client = Client(["sh", "-c", script], stdin=slave, tty=True)
    client._command["stdin"] = True
    os.set_blocking(master, False)
    shown = b""
    steps: list[str] = []

    def meanwhile(_services: StandInServices) -> None:
        nonlocal shown
        with contextlib.suppress(BlockingIOError):
            shown += os.read(master, 65536)
        if b"33 99" in shown and not steps:
            steps.append("typed")
            os.write(master, b"hello\r")
        if b"got hello" in shown and len(steps) == 1:
            steps.append("resized")
            assert client.process is not None
            fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 44, 111, 0, 0))
            os.kill(client.process.pid, signal.SIGWINCH)

    assert client.run(directory, monkeypatch, stdout=slave, meanwhile=meanwhile) == 5
    while True:
        try:
            shown += os.read(master, 65536)
        except BlockingIOError:
            break
    assert b"44 111" in shown
    assert termios.tcgetattr(slave) == before, "the terminal was left raw"
    os.close(master)
    os.close(slave)
