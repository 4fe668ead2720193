"""Method `resize {container, memory, cpu, cpu_request, restart}`: other limits for a container that runs.

The container `*` stands for all together.
"""

from __future__ import annotations

from vmpod.wire import messages
from vmpod_agent import cgroups, layout
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
    limits = {name: messages.get(message, name, int) for name in ("memory", "cpu", "cpu_request")}
    if message.get("container") == messages.WHOLE_POD:
        cgroups.prepare()
        _limit(layout.POD, "the pod", limits)
    else:
        _resize(agent, message, limits)
    stream.respond({"resized": True})


def _resize(agent: Agent, message: Json, limits: dict[str, int]) -> None:
    member = named(agent, message)
    run = running(member)
    restart = messages.get(message, "restart", bool)
    if not restart:
        _limit(run.group, f"container {member.name}", limits)
    member.spec["memory"], member.spec["cpu"] = limits["memory"], limits["cpu"]
    member.spec["cpu_request"] = limits["cpu_request"]
    if restart:
        member.begin_again()


def _limit(group: str, called: str, limits: dict[str, int]) -> None:
    """Set them, unless the kernel would have to kill somebody. Raises RequestError, OSError."""
    memory, used = limits["memory"], cgroups.memory_used(group)
    if memory and used > memory:
        raise RequestError(messages.FAILED, f"{called} uses {used} bytes of memory, more than {memory}")
    cgroups.limit(group, **limits, all_of_them=True)
