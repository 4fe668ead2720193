"""The requests that the host may make."""

from __future__ import annotations

from vmpod.wire import messages
from vmpod_agent.session import RequestError, StreamHandler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from vmpod.wire.events import Event
    from vmpod_agent.container import Services
    from vmpod_agent.pod import PodController
    from vmpod_agent.session import Method, Stream

    Json = dict[str, Any]

_MAX_SECRETS = 16 * 1024 * 1024


class Start(StreamHandler):
    """Collects the secrets, which may be larger than a frame, and starts the pod with them."""

    def __init__(self, stream: Stream, start: Callable[[dict[str, str]], None]) -> None:
        self._stream = stream
        self._start = start
        self._body = bytearray()

    def data(self, data: bytes) -> None:
        self._body += data
        self._stream.consumed(len(data))
        if len(self._body) > _MAX_SECRETS:
            self._body.clear()
            self._stream.fail(messages.BAD_REQUEST, f"more than {_MAX_SECRETS} bytes of secrets")

    def eof(self) -> None:
        try:
            message = messages.parse(bytes(self._body))
            secrets = {name: messages.get(message, name, str) for name in message}
        except messages.MessageError as error:
            self._stream.fail(messages.BAD_REQUEST, f"secrets: {error}")
            return
        self._stream.respond({"started": True})
        self._stream.finish()
        self._start(secrets)


def table(
    *,
    start: Callable[[dict[str, str]], None],
    set_clock: Callable[[int], None],
    pod: Callable[[], PodController | None],
    services: Callable[[], Services],
    stop: Callable[[int | None], None],
) -> dict[str, Method]:
    """The methods by name. pod() is None until start() has been called."""

    def start_once(secrets: dict[str, str]) -> None:
        # Two clients may have asked before either had sent its secrets.
        if pod() is None:
            start(secrets)

    def start_method(stream: Stream, message: Json) -> StreamHandler | None:
        if pod() is not None:
            # A client that was killed between asking and hearing may ask again.
            stream.respond({"started": True})
            return None
        set_clock(messages.get(message, "time", int))
        return Start(stream, start_once)

    def status_method(stream: Stream, _message: Json) -> StreamHandler | None:
        controller = pod()
        events: list[Event] = controller.status() if controller else []
        stream.respond({"events": events})
        return None

    def stop_method(stream: Stream, message: Json) -> StreamHandler | None:
        grace = messages.get_optional(message, "grace", int, -1)
        stream.respond({"stopping": True})
        stop(None if grace < 0 else grace)
        return None

    def exec_method(stream: Stream, message: Json) -> StreamHandler | None:
        from vmpod_agent.exec import Exec  # noqa: PLC0415 - the pod's start does not wait for it

        controller = pod()
        member = controller.find(messages.get_optional(message, "container", str, "")) if controller else None
        if member is None:
            raise RequestError(
                messages.NO_CONTAINER, f"the pod has no container {message.get('container')!r}"
            )
        if member.run is None or not member.running:
            raise RequestError(messages.NOT_RUNNING, f"container {member.name} is not running")
        argv = messages.get_list(message, "argv", str)
        if not argv:
            raise RequestError(messages.BAD_REQUEST, "no command was given")
        size = messages.get_list(message, "size", int)
        return Exec(
            stream,
            member.run,
            services(),
            argv=argv,
            stdin=messages.get_optional(message, "stdin", bool, False),
            terminal=_terminal(size) if messages.get_optional(message, "tty", bool, False) else None,
            env=messages.get_list(message, "env", str),
        )

    return {
        messages.START: start_method,
        messages.STATUS: status_method,
        messages.STOP: stop_method,
        messages.EXEC: exec_method,
    }


def _terminal(size: list[int]) -> tuple[int, int]:
    columns, rows = size if len(size) == 2 else (80, 24)
    return max(1, columns & 0xFFFF), max(1, rows & 0xFFFF)
