"""The agent's loop under a test's control, and stand-ins for what only a machine has."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from vmpod.wire import frames, messages
from vmpod.wire.flow import ReceiveWindow, SendWindow
from vmpod.wire.frames import Decoder, Frame, encode
from vmpod_agent import launch
from vmpod_agent.join import Joining
from vmpod_agent.launch import Command, Process
from vmpod_agent.loop import Loop
from vmpod_agent.process import spawn
from vmpod_agent.reaper import Reaper
from vmpod_agent.session import Session
from vmpod_agent.users import User

if TYPE_CHECKING:
    from vmpod_agent.session import Method

GIVE_UP = 60.0
_TICK = 0.01


@contextmanager
def agent_loop() -> Iterator[Loop]:
    """A loop whose signal handling ends with the block."""
    loop = Loop()
    handler = signal.getsignal(signal.SIGCHLD)
    wakeup = signal.set_wakeup_fd(-1)
    try:
        yield loop
    finally:
        write_end = signal.set_wakeup_fd(wakeup)
        signal.signal(signal.SIGCHLD, handler)
        for fd in (write_end, getattr(loop, "_wakeup", -1)):
            if fd >= 0:
                os.close(fd)
        loop._epoll.close()


def run_until(loop: Loop, condition: Callable[[], object], *, seconds: float = GIVE_UP) -> None:
    """Serve until the condition is true; that it never is fails the test."""
    expired: list[bool] = []
    limit = loop.call_later(seconds, lambda: expired.append(True))
    while not condition():
        assert not expired, "it did not happen"
        tick = loop.call_later(_TICK, lambda: None)
        loop.run_once()
        tick.cancel()
    limit.cancel()


def turn(loop: Loop, times: int = 1) -> None:
    """Let what is ready be handled, without waiting for more."""
    for _ in range(times):
        loop.call_later(_TICK, lambda: None)
        loop.run_once()


class Host:
    """The host's end of a session, in memory: keeps what comes, and grants credit for it."""

    def __init__(self, methods: dict[str, Method]) -> None:
        self.session = Session(methods, self._take, lambda: self.congested)
        self.congested = False
        self.granting = True
        self.frames: list[Frame] = []
        self.windows: dict[int, SendWindow] = {}
        self._decoder = Decoder()
        self._received: dict[tuple[int, int], ReceiveWindow] = {}
        self._owed: list[Frame] = []

    def greet(self) -> None:
        self.send(Frame(frames.HELLO, 0, messages.dump({"version": 1, "nonce": "n"})))

    def request(self, stream: int, method: str, **message: Any) -> None:
        self.send(Frame(frames.REQUEST, stream, messages.dump({"method": method} | message)))

    def send(self, *sent: Frame) -> None:
        self.session.receive(b"".join(map(encode, sent)))

    def input(self, stream: int, data: bytes) -> int:
        """Send as much input as there is credit for; how much that was."""
        window = self.windows.setdefault(stream, SendWindow())
        size = min(len(data), window.available, frames.MAX_PAYLOAD)
        if size:
            window.use(size)
            self.send(Frame(frames.DATA, stream, data[:size]))
        return size

    def grant(self) -> None:
        """Send the credit that is owed."""
        owed, self._owed = self._owed, []
        if owed:
            self.send(*owed)

    def of(self, stream: int, kind: int) -> list[Frame]:
        return [frame for frame in self.frames if frame.stream == stream and frame.kind == kind]

    def output(self, stream: int, channel: int = frames.STDOUT) -> bytes:
        return b"".join(each.payload for each in self.of(stream, frames.DATA) if each.channel == channel)

    def answer(self, stream: int, kind: int = frames.RESPONSE) -> dict[str, Any]:
        (frame,) = self.of(stream, kind)
        return messages.parse(frame.payload)

    def exit_code(self, stream: int) -> int:
        return messages.get(self.answer(stream, frames.END), "exitCode", int)

    def _take(self, data: bytes) -> None:
        for frame in self._decoder.feed(data):
            self.frames.append(frame)
            if frame.kind == frames.CREDIT:
                self.windows.setdefault(frame.stream, SendWindow()).grant(frame)
            if frame.kind == frames.DATA:
                key = frame.stream, frame.channel
                window = self._received.setdefault(key, ReceiveWindow(*key))
                window.received(len(frame.payload))
                if credit := window.consumed(len(frame.payload)):
                    self._owed.append(credit)


class Joined:
    """Lets `join` start processes outside of any container, with our own rights.

    delay: seconds that a process takes before its first step.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pids: list[int] = []
        self.delay = 0.0
        monkeypatch.setattr(launch, "_fork_into", self._fork)
        monkeypatch.setattr(Joining, "entering", lambda _self: iter(()))
        for step in ("_give_up", "_change_user"):
            monkeypatch.setattr(Process, step, lambda _self: None)

    def _fork(self, _enter: object) -> int:
        pid = os.fork()
        if pid:
            self.pids.append(pid)
        else:
            time.sleep(self.delay)
        return pid


class StandInRun:
    """A container that runs, as far as exec asks."""

    def __init__(self) -> None:
        self.id = self.group = "c-0"
        self.pid = os.getpid()
        self.user = User(0, 0, [], "/root")
        self.spec = {"cwd": "/"}

    def command(
        self, argv: list[str], *, env: Iterable[str] = (), terminal: tuple[int, int] | None = None
    ) -> Command:
        variables = ["PATH=/usr/bin:/bin", *env]
        return Command(argv, env=variables, cwd="/", user=self.user, terminal=terminal)


class StandInServices:
    """What Exec needs of the agent."""

    def __init__(self, loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
        self.loop = loop
        self.reaper = Reaper(loop)
        self.joined = Joined(monkeypatch)

    def kill_all(self) -> None:
        """End every process, and hear of it: who waits for one lets go of what it holds only then."""
        for pid in self.joined.pids:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
            if pid in self.reaper._adopted:
                # It may be too young to lead a group.
                os.kill(pid, signal.SIGKILL)
        run_until(self.loop, lambda: not self.reaper._adopted)


def start(reaper: Reaper, *argv: str) -> int:
    """A child that nobody has adopted."""
    fd = os.open("/dev/null", os.O_RDWR)
    try:
        return spawn(list(argv), stdin=fd, stdout=fd, stderr=fd)
    finally:
        os.close(fd)
