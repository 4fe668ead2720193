"""Method `kill {containers, signal}`: a signal for the first process of containers."""

from __future__ import annotations

from vmpod.wire import messages
from vmpod_agent.methods.containers import named, running
from vmpod_agent.session import RequestError
from vmpod_agent.signals import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from vmpod_agent.member import Member
    from vmpod_agent.methods import Agent
    from vmpod_agent.session import Stream

    Json = dict[str, Any]


def serve(agent: Agent, stream: Stream, message: Json) -> None:
    """Signal the named containers, or all that run; none if one of those named does not run."""
    number = messages.get(message, "signal", int)
    if not 0 < number < signal.NSIG:
        raise RequestError(messages.BAD_REQUEST, f"no signal {number}")
    names = messages.get_list(message, "containers", str)
    found = [named(agent, {"container": name}) for name in names] if names else _all_running(agent)
    runs = [(member.name, running(member)) for member in found]
    for _, run in runs:
        run.signal(number)
    stream.respond({"signalled": [name for name, _ in runs]})


def _all_running(agent: Agent) -> list[Member]:
    found = [member for member in agent.pod.members() if member.running] if agent.pod else []
    if not found:
        raise RequestError(messages.NOT_RUNNING, "no container of the pod is running")
    return found
