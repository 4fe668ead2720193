"""`renew {time, seed, mac, pod}`: a copy of a machine with a pod in it learns which pod it is now."""

from __future__ import annotations

from vmpod.wire import messages
from vmpod.wire.boot import check_identity
from vmpod_agent.identity import Identity
from vmpod_agent.session import RequestError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from vmpod_agent.methods import Agent
    from vmpod_agent.session import Stream

    Json = dict[str, Any]


def serve(agent: Agent, stream: Stream, message: Json) -> None:
    """Become that pod."""
    if agent.pod is None:
        raise RequestError(messages.NOT_RUNNING, "this machine has no pod")
    agent.renew(check_identity(messages.get(message, "pod", dict)), Identity(message))
    stream.respond({"renewed": True})
