"""Method `resize {container, memory, cpu, cpu_request, restart}`: other limits for a container that runs."""

from __future__ import annotations

from vmpod.wire import messages
from vmpod_agent import cgroups
from vmpod_agent.methods.containers import named, running
from vmpod_agent.session import RequestError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from vmpod_agent.methods import Agent
    from vmpod_agent.session import Stream

    Json = dict[str, Any]


def serve(agent: Agent, stream: Stream, message: Json) -> None:
    """Set the limits, and start the container again if that is asked for."""
    member = named(agent, message)
    run = running(member)
    memory, cpu, request = (messages.get(message, name, int) for name in ("memory", "cpu", "cpu_request"))
    restart = messages.get(message, "restart", bool)
    used = cgroups.memory_used(run.group)
    if memory and used > memory and not restart:
        raise RequestError(
            messages.FAILED, f"container {member.name} uses {used} bytes of memory, more than {memory}"
        )
    if not restart:
        cgroups.limit(run.group, memory=memory, cpu=cpu, cpu_request=request, all_of_them=True)
    member.spec["memory"], member.spec["cpu"], member.spec["cpu_request"] = memory, cpu, request
    if restart:
        member.begin_again()
    stream.respond({"resized": True})
