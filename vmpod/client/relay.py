"""Joins our standard streams to a stream of the agent: bytes, signals, the terminal's size."""

from __future__ import annotations

import os
import selectors
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from vmpod.client import terminal
from vmpod.client.session import Session, breach, response
from vmpod.files import write_all
from vmpod.wire import frames, messages
from vmpod.wire.flow import ReceiveWindow, SendWindow
from vmpod.wire.frames import Frame, FrameError
from vmpod.wire.messages import MessageError

_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


class Relay:
    """Moves bytes between our standard streams and a stream of the agent.

    stdin: whether ours is passed on; tty: whether the other end is a terminal; forward: whether signals are
    passed on, instead of ending us; detach: keys that end us, with the exit code 0.
    """

    def __init__(
        self,
        session: Session,
        stream: int,
        *,
        stdin: bool,
        tty: bool = False,
        forward: bool = True,
        detach: bytes = b"",
    ) -> None:
        self._detach = detach
        self._held = b""
        self._session = session
        self._stream = stream
        self._tty = tty
        self._forward = forward
        self._selector = selectors.DefaultSelector()
        self._input = SendWindow()
        self._output = {channel: ReceiveWindow(stream, channel) for channel in (frames.STDOUT, frames.STDERR)}
        self._reading = stdin
        self._exit_code: int | None = None
        self._wakeup: socket.socket | None = None

    @contextmanager
    def signals(self) -> Iterator[None]:
        """Pass signals on to the command, instead of ending by them."""
        numbers = [*(_FORWARDED if self._forward else ()), *([signal.SIGWINCH] if self._tty else [])]
        receive, send = socket.socketpair()
        with receive, send:
            receive.setblocking(False)
            send.setblocking(False)
            before = {number: signal.signal(number, _ignore) for number in numbers}
            wakeup = signal.set_wakeup_fd(send.fileno(), warn_on_full_buffer=False)
            self._wakeup = receive
            try:
                yield
            finally:
                signal.set_wakeup_fd(wakeup)
                for number, handler in before.items():
                    signal.signal(number, handler)

    def run(self) -> int:
        """Relay until the command has ended; its exit code."""
        with self._selector:
            self._watch(self._session.socket, self._from_agent)
            if self._wakeup:
                self._watch(self._wakeup, self._from_signals)
            self._take(self._session.drain())
            self._resume_input()
            while self._exit_code is None:
                for key, _ in self._selector.select():
                    key.data()
                    if self._exit_code is not None:
                        break
        return self._exit_code

    def resize(self) -> None:
        """Give the command's terminal the size of ours."""
        self._control({"resize": terminal.size()})

    def _watch(self, source: socket.socket | int, handler: Callable[[], None]) -> None:
        self._selector.register(source, selectors.EVENT_READ, handler)

    def _resume_input(self) -> None:
        if self._reading and self._input.available and 0 not in self._selector.get_map():
            try:
                self._watch(0, self._from_input)
            except PermissionError:
                self._from_file()  # epoll refuses regular files: they are always readable

    def _from_file(self) -> None:
        while self._reading and self._input.available:
            self._from_input()

    def _from_input(self) -> None:
        data = os.read(0, min(self._input.available, frames.MAX_PAYLOAD) - len(self._held))
        if self._detach and data:
            data = self._before_detaching(data)
            if not data:
                return
        if data:
            self._input.use(len(data))
            self._send(frames.DATA, data)
        else:
            self._reading = False
            self._send(frames.EOF)
        if not self._reading or not self._input.available:
            self._pause_input()

    def _before_detaching(self, data: bytes) -> bytes:
        """What is to be sent of it: all before the keys that end us, and not what may be their beginning."""
        data, self._held = self._held + data, b""
        before, keys, _ = data.partition(self._detach)
        if keys:
            self._exit_code = 0
        elif before.endswith(self._detach[:1]):
            before, self._held = before[:-1], self._detach[:1]
        return before

    def _pause_input(self) -> None:
        if 0 in self._selector.get_map():
            self._selector.unregister(0)

    def _from_signals(self) -> None:
        assert self._wakeup is not None
        for number in self._wakeup.recv(4096):
            if number == signal.SIGWINCH:
                self.resize()
            elif number in _FORWARDED:
                self._control({"signal": number})

    def _control(self, message: dict[str, Any]) -> None:
        self._send(frames.CONTROL, messages.dump(message))

    def _send(self, kind: int, payload: bytes = b"") -> None:
        self._session.send(Frame(kind, self._stream, payload))

    def _from_agent(self) -> None:
        self._take(self._session.receive_now())

    def _take(self, received: list[Frame]) -> None:
        try:
            for frame in received:
                if frame.stream == self._stream:
                    self._take_one(frame)
        except (FrameError, MessageError, KeyError) as error:
            raise breach(error) from error

    def _take_one(self, frame: Frame) -> None:
        if frame.kind == frames.DATA:
            self._write(frame)
        elif frame.kind == frames.CREDIT:
            self._input.grant(frame)
            self._resume_input()
        elif frame.kind == frames.END:
            self._exit_code = _exit_code(messages.get(messages.parse(frame.payload), "exitCode", int))
        elif frame.kind == frames.ERROR:
            response(frame)

    def _write(self, frame: Frame) -> None:
        window = self._output[frame.channel]
        window.received(len(frame.payload))
        write_all(1 if frame.channel == frames.STDOUT else 2, frame.payload)
        if credit := window.consumed(len(frame.payload)):
            self._session.send(credit)


def _exit_code(code: int) -> int:
    if not 0 <= code <= 255:
        raise MessageError("attribute 'exitCode' is no exit code")
    return code


def _ignore(_number: int, _frame: object) -> None:
    """The wakeup descriptor has all that is needed."""
