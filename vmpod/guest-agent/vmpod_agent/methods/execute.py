"""Method `exec {container, argv, stdin, tty, size, env}`."""

from __future__ import annotations

from vmpod.wire import messages
from vmpod_agent.exec import Exec
from vmpod_agent.methods.containers import named, running
from vmpod_agent.session import RequestError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from vmpod_agent.methods import Agent
    from vmpod_agent.session import Stream

    Json = dict[str, Any]


def serve(agent: Agent, stream: Stream, message: Json) -> Exec:
    """Start the command."""
    run = running(named(agent, message))
    argv = messages.get_list(message, "argv", str)
    if not argv:
        raise RequestError(messages.BAD_REQUEST, "no command was given")
    size = messages.get_list(message, "size", int)
    return Exec(
        stream,
        run,
        agent.services,
        argv=argv,
        stdin=messages.get_optional(message, "stdin", bool, False),
        terminal=_terminal(size) if messages.get_optional(message, "tty", bool, False) else None,
        env=messages.get_list(message, "env", str),
    )


def _terminal(size: list[int]) -> tuple[int, int]:
    columns, rows = size if len(size) == 2 else (80, 24)
    return max(1, columns & 0xFFFF), max(1, rows & 0xFFFF)
