"""The requests that the host may make: a registry of methods, each imported when it is first asked for.

A method's module has `serve(agent, stream, message)`, which answers on the stream, or returns the handler
that goes on with it. It raises RequestError or MessageError to refuse.
"""

from __future__ import annotations

from vmpod.wire import messages
from vmpod_agent.methods import lifecycle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    from vmpod.wire.boot import BootDocument, PodIdentity
    from vmpod_agent.container import Services
    from vmpod_agent.identity import Identity
    from vmpod_agent.pod import PodController
    from vmpod_agent.session import Method, Stream, StreamHandler
    from vmpod_agent.template import Ahead

    Json = dict[str, Any]

    class Agent(Protocol):
        """What the methods need of the agent.

        pod: None until start() has been called. waiting: whether the machine has no pod yet, and may adopt
        one.
        """

        pod: PodController | None
        services: Services
        waiting: bool

        def adopt(self, document: BootDocument, identity: Identity, done: Ahead) -> bool:
            """Become the machine of a pod, as far as that goes without its secrets; whether that is done."""

        def start(self, secrets: dict[str, str], keep: list[str]) -> None:
            """Start the pod, with the values of its secrets by their ids.

            keep: containers whose files are kept when they have ended; then the machine waits at its end.
            """

        def renew(self, pod: PodIdentity, identity: Identity) -> None:
            """Go on as another pod. Raises OSError."""

        def stop(self, grace: int | None, *, keep: bool) -> None:
            """Stop the pod, and then the machine. grace: seconds; None for the pod's own.

            keep: wait at its end, if files are kept; without, nobody wants them any more.
            """

        def number(self, name: str, number: int) -> None:
            """Have the container of that name write its output where the host looks for that number."""

        def set_clock(self, nanoseconds: int) -> None:
            """Set the guest's clock. Raises OSError."""


# The pod's start does not wait for these.
_LATER = {
    messages.ADOPT: "adopt",
    messages.RENEW: "renew",
    messages.EXEC: "execute",
    messages.KILL: "kill",
    messages.STATS: "stats",
    messages.COPY: "copy",
    messages.FORWARD: "forward",
    messages.ATTACH: "attach",
    messages.UPDATE: "update",
    messages.RESIZE: "resize",
    messages.SSH: "ssh",
    messages.DEBUG: "debug",
    messages.DIAGNOSE: "diagnose",
}


def table(agent: Agent) -> dict[str, Method]:
    """The methods by name."""
    methods: dict[str, Method] = {
        messages.START: lambda stream, message: lifecycle.start(agent, stream, message),
        messages.STATUS: lambda stream, message: lifecycle.status(agent, stream, message),
        messages.STOP: lambda stream, message: lifecycle.stop(agent, stream, message),
    }
    return methods | {name: _later(agent, module) for name, module in _LATER.items()}


def load_all() -> None:
    """Import every method's module."""
    for module in _LATER.values():
        _load(module)


def _load(module: str) -> Any:
    # importlib would be one more module to load.
    return __import__(f"vmpod_agent.methods.{module}", fromlist=("serve",))


def _later(agent: Agent, module: str) -> Method:
    def method(stream: Stream, message: Json) -> StreamHandler | None:
        found = _load(module)
        handler: StreamHandler | None = found.serve(agent, stream, message)
        return handler

    return method
