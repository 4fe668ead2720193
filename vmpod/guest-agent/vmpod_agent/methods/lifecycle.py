"""Methods of the pod as a whole: start, status, stop."""

from __future__ import annotations

from vmpod.wire import frames, messages
from vmpod_agent.session import Collector, RequestError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from vmpod.wire.events import Event
    from vmpod_agent.methods import Agent
    from vmpod_agent.session import Stream, StreamHandler

    Json = dict[str, Any]

_MAX_SECRETS = 16 * 1024 * 1024
_ENVELOPE = 64  # bytes of an answer around its events


def start(agent: Agent, stream: Stream, message: Json) -> StreamHandler | None:
    """`start {time, keep}`, secrets on stdin."""
    if agent.pod is not None:
        # A client that was killed between asking and hearing may ask again.
        stream.respond({"started": True})
        return None
    if agent.waiting:
        raise RequestError(messages.BAD_REQUEST, "this machine has no pod yet")
    keep = messages.get_list(message, "keep", str)
    agent.set_clock(messages.get(message, "time", int))
    return Start(agent, stream, keep)


def status(agent: Agent, stream: Stream, message: Json) -> None:
    """`status {first}`: the events that tell the present state, from there on, as many as a frame holds."""
    events: list[Event] = agent.pod.status() if agent.pod else []
    first = messages.get_optional(message, "first", int, 0)
    some: list[Event] = []
    size = _ENVELOPE
    for event in events[max(0, first) :]:
        size += len(messages.dump(dict(event))) + 1
        if size > frames.MAX_PAYLOAD:
            break
        some.append(event)
    stream.respond({"events": some, "more": first + len(some) < len(events)})


def stop(agent: Agent, stream: Stream, message: Json) -> None:
    """`stop {grace, keep}`."""
    grace = messages.get_optional(message, "grace", int, -1)
    keep = messages.get_optional(message, "keep", bool, False)
    stream.respond({"stopping": True})
    agent.stop(None if grace < 0 else grace, keep=keep)


class Start(Collector):
    """Collects the secrets, and starts the pod with them."""

    def __init__(self, agent: Agent, stream: Stream, keep: list[str]) -> None:
        super().__init__(stream, _MAX_SECRETS, f"more than {_MAX_SECRETS} bytes of secrets")
        self._agent = agent
        self._keep = keep

    def collected(self, body: bytes) -> None:
        try:
            message = messages.parse(body)
            secrets = {name: messages.get(message, name, str) for name in message}
        except messages.MessageError as error:
            self._stream.fail(messages.BAD_REQUEST, f"secrets: {error}")
            return
        # Two clients may have asked before either had sent its secrets.
        if self._agent.pod is None:
            self._agent.start(secrets, self._keep)
        # Only now: a pod whose start was answered, but of which no event tells, was never handed over.
        self._stream.respond({"started": True})
        self._stream.finish()
