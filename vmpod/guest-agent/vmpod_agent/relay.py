"""Carries bytes between the channels of a stream and the descriptors of a process, under flow control."""

from __future__ import annotations

import fcntl
import os
import struct

from vmpod_agent.loop import HANGUP, READ, WRITE
from vmpod_agent.syscalls import TIOCSWINSZ

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from vmpod_agent.loop import Loop
    from vmpod_agent.session import Stream

    class Owner(Protocol):
        """Whose stream it is."""

        @property
        def loop(self) -> Loop: ...
        @property
        def stream(self) -> Stream: ...
        def settle(self) -> None:
            """A reader has come to its end."""


class Reader:
    """Sends what the process writes, as fast as there is credit."""

    def __init__(self, owner: Owner, fd: int, channel: int) -> None:
        self.ended = False
        self._owner = owner
        self._fd = fd
        self._channel = channel
        self._draining = False
        os.set_blocking(fd, False)

    def start(self) -> None:
        """Read on, after a pause or for the first time."""
        if not self.ended:
            self._owner.loop.watch(self._fd, READ, self._readable)

    def process_ended(self) -> None:
        """Whatever the pipe holds now is the rest: a child that keeps it open is not waited for."""
        self._draining = True
        self.start()
        while not self.ended and self._read():
            pass

    def close(self) -> None:
        """Read no more."""
        if not self.ended:
            self.ended = True
            self._owner.loop.forget(self._fd)
            os.close(self._fd)

    def _readable(self, _events: int) -> None:
        self._read()

    def _read(self) -> bool:
        """Read and send once; whether it is worth trying again at once."""
        room = self._owner.stream.room(self._channel)
        if room <= 0:
            self._owner.loop.forget(self._fd)
            return False
        try:
            data = os.read(self._fd, room)
        except BlockingIOError:
            data = b""
            if not self._draining:
                return False
        except OSError:
            data = b""  # EIO: the last process has closed the terminal
        if not data:
            self._end()
            return False
        self._owner.stream.send(self._channel, data)
        return True

    def _end(self) -> None:
        self.close()
        self._owner.stream.send_eof(self._channel)
        self._owner.settle()


class Writer:
    """Gives the process its input, as fast as it takes it."""

    def __init__(self, owner: Owner, fd: int, *, terminal: bool = False) -> None:
        self._owner = owner
        self._fd = fd
        self._terminal = terminal
        self._pending = bytearray()
        self._finishing = False
        self._closed = False
        os.set_blocking(fd, False)

    def write(self, data: bytes) -> None:
        """Queue input; the flow control of the stream bounds how much."""
        if self._closed:
            self._owner.stream.consumed(len(data))
            return
        self._pending += data
        self._push()

    def finish(self) -> None:
        """Close the input once all of it is written."""
        self._finishing = True
        if self._terminal:
            self._pending += b"\x04"  # a terminal has no other way to end its input
        self._push()

    def resize(self, columns: int, rows: int) -> None:
        """Set the terminal's size."""
        if self._terminal and not self._closed:
            size = struct.pack("HHHH", rows & 0xFFFF, columns & 0xFFFF, 0, 0)
            fcntl.ioctl(self._fd, TIOCSWINSZ, size)

    def foreground(self) -> int:
        """The process group that has the terminal; 0 if there is none."""
        try:
            return os.tcgetpgrp(self._fd) if self._terminal and not self._closed else 0
        except OSError:
            return 0

    def close(self) -> None:
        """Take no more input."""
        if not self._closed:
            self._closed = True
            self._owner.loop.forget(self._fd)
            os.close(self._fd)

    def _writable(self, events: int) -> None:
        if events & HANGUP and not events & WRITE:
            self._give_up()
            return
        self._push()

    def _give_up(self) -> None:
        """Nobody reads: what is still to come is taken and dropped, as a shell's pipe would."""
        self._owner.stream.consumed(len(self._pending))
        self._pending.clear()
        self.close()

    def _push(self) -> None:
        while self._pending and not self._closed:
            try:
                size = os.write(self._fd, self._pending)
            except BlockingIOError:
                self._owner.loop.watch(self._fd, WRITE, self._writable)
                return
            except OSError:
                self._give_up()
                return
            del self._pending[:size]
            self._owner.stream.consumed(size)
        if self._closed:
            return
        self._owner.loop.forget(self._fd)
        if self._finishing and not self._terminal:
            self.close()
