"""`adopt {time, seed, mac, scratch}`, the boot document on stdin: a copied machine learns which pod it is."""

from __future__ import annotations

from vmpod.wire import boot, messages
from vmpod_agent.identity import Identity
from vmpod_agent.session import Collector, RequestError
from vmpod_agent.template import Ahead

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from vmpod_agent.methods import Agent
    from vmpod_agent.session import Stream, StreamHandler

    Json = dict[str, Any]

_MAX_DOCUMENT = 16 * 1024 * 1024


def serve(agent: Agent, stream: Stream, message: Json) -> StreamHandler:
    """Collect the document, and let the agent go on with it."""
    if not agent.waiting:
        raise RequestError(messages.BAD_REQUEST, "this machine is a pod's already")
    done = Ahead(scratch=messages.get(message, "scratch", bool))
    return Adopt(agent, stream, Identity(message), done)


class Adopt(Collector):
    """Collects the boot document."""

    def __init__(self, agent: Agent, stream: Stream, identity: Identity, done: Ahead) -> None:
        super().__init__(stream, _MAX_DOCUMENT, f"a boot document of more than {_MAX_DOCUMENT} bytes")
        self._agent = agent
        self._identity = identity
        self._done = done

    def collected(self, body: bytes) -> None:
        try:
            document = boot.check(messages.parse(body))
        except messages.MessageError as error:
            self._stream.fail(messages.BAD_REQUEST, f"boot document: {error}")
            return
        if self._agent.waiting and self._agent.adopt(document, self._identity, self._done):
            self._stream.respond({"adopted": True})
            self._stream.finish()
        else:
            self._stream.fail(messages.FAILED, "the machine could not become the pod's")
