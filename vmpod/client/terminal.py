"""The user's terminal, made transparent for the time of a session."""

from __future__ import annotations

import os
import signal
import socket
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager


def is_terminal(fd: int) -> bool:
    """Whether the descriptor is a terminal."""
    return os.isatty(fd)


def size() -> list[int]:
    """[columns, rows] of the user's terminal; 80 by 24 where there is none."""
    for fd in (1, 0, 2):
        try:
            found = os.get_terminal_size(fd)
        except OSError:
            continue
        # A terminal that does not know its size says 0.
        if found.columns and found.lines:
            return [found.columns, found.lines]
    return [80, 24]


@contextmanager
def raw(fd: int) -> Iterator[None]:
    """Pass every key on, Ctrl-C included, for the time of the block."""
    before = termios.tcgetattr(fd)
    try:
        # What was typed already is for the other end, too.
        tty.setraw(fd, termios.TCSADRAIN)
        yield
    finally:
        sys.stdout.flush()
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


@contextmanager
def changes() -> Iterator[socket.socket]:
    """A socket from which something can be read when the size of the user's terminal has changed."""
    receive, send = socket.socketpair()
    with receive, send:
        receive.setblocking(False)
        send.setblocking(False)
        # The wakeup descriptor has all that is needed; without a handler there would be no signal.
        before = signal.signal(signal.SIGWINCH, lambda _number, _frame: None)
        wakeup = signal.set_wakeup_fd(send.fileno(), warn_on_full_buffer=False)
        try:
            yield receive
        finally:
            signal.set_wakeup_fd(wakeup)
            signal.signal(signal.SIGWINCH, before)
