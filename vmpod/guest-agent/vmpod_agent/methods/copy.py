"""Method `copy {container, path, into, name, archive}`: files of a container as a tar stream.

A child does the work (copying.py): the tar on STDOUT, or on STDIN with `into`; words for the user on STDERR;
END tells whether all was copied. Out of a container that has ended, too, if the host asked to keep its files.
"""

from __future__ import annotations

from vmpod.wire import messages
from vmpod_agent import copying
from vmpod_agent.copying import Order
from vmpod_agent.methods.containers import named, running
from vmpod_agent.piped import Piped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from vmpod_agent.methods import Agent
    from vmpod_agent.session import Stream

    Json = dict[str, Any]


def serve(agent: Agent, stream: Stream, message: Json) -> Piped:
    """Begin to copy."""
    member = named(agent, message)
    into = messages.get_optional(message, "into", bool, False)
    kept = None if member.running or into else member.kept
    run = kept or running(member)
    archive = messages.get_optional(message, "archive", bool, False)
    order = Order(
        messages.get(message, "path", str),
        into=into,
        name=messages.get_optional(message, "name", str, ""),
        owner=(run.user.uid, run.user.gid) if run.user and not archive else None,
    )

    def start(ends: list[int]) -> int:
        if kept:
            return copying.start(kept.enter, order, ends)
        return copying.start_beside(run.pid, order, ends)

    return Piped(agent.services, stream, start, reads=into)
