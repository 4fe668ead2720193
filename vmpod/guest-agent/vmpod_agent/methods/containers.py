"""Finds the container that a request is about."""

from __future__ import annotations

from vmpod.wire import messages
from vmpod_agent.session import RequestError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from vmpod_agent.container import Run
    from vmpod_agent.member import Member
    from vmpod_agent.methods import Agent

    Json = dict[str, Any]


def named(agent: Agent, message: Json) -> Member:
    """The container of the request, the pod's first where none is named. Raises RequestError."""
    name = messages.get_optional(message, "container", str, "")
    if agent.pod is None:
        raise RequestError(messages.NOT_RUNNING, "the pod has not been started")
    member = agent.pod.find(name)
    if member is None:
        raise RequestError(messages.NO_CONTAINER, f"the pod has no container {name!r}")
    return member


def running(member: Member) -> Run:
    """The present run of a container. Raises RequestError if it does not run."""
    if member.run is None or not member.running:
        raise RequestError(messages.NOT_RUNNING, f"container {member.name} is not running")
    return member.run
