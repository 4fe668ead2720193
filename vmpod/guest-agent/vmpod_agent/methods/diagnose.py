"""Method `diagnose {part}`: what the kernel tells of the machine, as text, for who looks for a fault.

A child reads (diagnosis.py), on pipes that are joined to the stream: the text on STDOUT, END. Values of the
pod's Secrets are replaced before anything is sent.
"""

from __future__ import annotations

import os

from vmpod.wire import messages
from vmpod_agent import diagnosis, launch, syscalls
from vmpod_agent.piped import Piped
from vmpod_agent.session import RequestError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from vmpod_agent.methods import Agent
    from vmpod_agent.session import Stream

    Json = dict[str, Any]


def serve(agent: Agent, stream: Stream, message: Json) -> Piped:
    """Begin to read."""
    name = messages.get(message, "part", str)
    if (part := diagnosis.PARTS.get(name)) is None:
        raise RequestError(messages.BAD_REQUEST, f"there is no part {name!r}")
    secrets = agent.services.secrets.values()
    return Piped(agent.services, stream, lambda ends: _start(part, secrets, ends))


def _start(part: Callable[[], str], secrets: set[str], streams: list[int]) -> int:
    pid = os.fork()
    if pid == 0:
        _child(part, secrets, streams)
    return pid


def _child(part: Callable[[], str], secrets: set[str], streams: list[int]) -> None:
    status = 1
    try:
        launch.begin()
        for target, fd in enumerate(streams):
            os.dup2(fd, target)
        syscalls.close_range(3, syscalls.LAST_FD)
        os.nice(5)
        data = diagnosis.cleaned(part(), secrets)
        while data:
            data = data[os.write(1, data) :]
        status = 0
    except Exception as error:  # whatever it was, the agent's code must not go on here
        os.write(2, f"{error}\n".encode(errors="replace")[:4096])
    finally:
        os._exit(status)
