"""Runs a command in a container and is, for its caller, as if it were the command itself.

Bytes go both ways under flow control, signals are passed on, a terminal's size follows, and the exit
code is the command's own.
"""

from __future__ import annotations

import contextlib
from typing import Any

from vmpod.client import terminal
from vmpod.client.relay import Relay
from vmpod.client.session import AgentError, Session
from vmpod.dataclass import dataclass
from vmpod.wire import messages

_STATUS = {messages.NOT_FOUND: 127, messages.NOT_EXECUTABLE: 126}
_START_TIMEOUT = 120.0  # seconds; an emulated guest may be slow to start a process


@dataclass(frozen=True)
class Command:
    """What to run. container: '' for the pod's first; stdin: whether the command reads ours."""

    argv: tuple[str, ...]
    container: str = ""
    stdin: bool = False
    tty: bool = False


class CommandNotStartedError(AgentError):
    """The command was not found (status 127) or could not be executed (126)."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message, "command")
        self.status = status


def execute(session: Session, command: Command) -> int:
    """Run the command on our standard streams, and return its exit code.

    Raises CommandNotStartedError, and as Session.receive().
    """
    message: dict[str, Any] = {
        "container": command.container,
        "argv": list(command.argv),
        "stdin": command.stdin,
        "tty": command.tty,
    }
    size = terminal.size()
    if command.tty:
        message["size"] = size
    stream = session.open(messages.EXEC, message)
    # What the user types before the command runs waits in the terminal.
    _await_start(session, stream)
    with contextlib.ExitStack() as stack:
        if command.tty and command.stdin and terminal.is_terminal(0):
            stack.enter_context(terminal.raw(0))
        relay = Relay(session, stream, stdin=command.stdin, tty=command.tty)
        stack.enter_context(relay.signals())
        if command.tty and terminal.size() != size:
            relay.resize()  # the signal may have come before somebody listened
        return relay.run()


def _await_start(session: Session, stream: int) -> None:
    try:
        session.answer(stream, _START_TIMEOUT)
    except AgentError as error:
        if status := _STATUS.get(error.problem):
            raise CommandNotStartedError(error.message, status) from error
        raise
