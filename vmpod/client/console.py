"""Joins the user's terminal to a machine's serial console."""

from __future__ import annotations

import contextlib
import os
import select
import socket
from pathlib import Path

from vmpod.client import terminal
from vmpod.errors import MachineError

_ESCAPE = 0x1D  # Ctrl-]
_CHUNK = 4096


def connect(path: Path) -> None:
    """Relay between our standard streams and the console's socket until either ends.

    Raises MachineError if the machine is not running.
    """
    with contextlib.ExitStack() as stack:
        console = stack.enter_context(socket.socket(socket.AF_UNIX))
        try:
            console.connect(str(path))
        except OSError:
            raise MachineError(
                "the pod's machine is not running", hint="`vmpod console --log POD` shows what it wrote"
            ) from None
        if terminal.is_terminal(0):
            stack.enter_context(terminal.raw(0))
        _relay(console)


def _relay(console: socket.socket) -> None:
    sources: list[socket.socket | int] = [console, 0]
    while True:
        ready, _, _ = select.select(sources, [], [])
        if console in ready:
            data = console.recv(_CHUNK)
            if not data:
                return
            os.write(1, data)
        if 0 in ready:
            typed = os.read(0, _CHUNK)
            before, escape, _ = typed.partition(bytes([_ESCAPE]))
            console.sendall(before)
            if escape:
                return
            if not typed:
                # Nothing more to send; what the machine says is still worth showing.
                sources.remove(0)
