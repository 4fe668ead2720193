"""The agent as its methods see it, with a host in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.unit.agent.harness import Host
from vmpod.wire import frames, messages
from vmpod_agent import methods
from vmpod_agent.identity import Identity
from vmpod_agent.session import RequestError, Stream, StreamHandler
from vmpod_agent.template import Ahead

if TYPE_CHECKING:
    from vmpod.wire.boot import BootDocument, PodIdentity


class Recorder(StreamHandler):
    """Keeps what happens to a stream."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.seen: list[Any] = []

    def data(self, data: bytes) -> None:
        self.seen.append(data)

    def eof(self) -> None:
        self.seen.append("eof")

    def control(self, message: dict[str, Any]) -> None:
        self.seen.append(message)

    def writable(self) -> None:
        self.seen.append("writable")

    def cancel(self) -> None:
        self.seen.append("cancel")


class Agent:
    """The agent as its methods see it."""

    def __init__(self) -> None:
        self.started: list[dict[str, str]] = []
        self.stopped: list[int | None] = []
        self.kept: list[list[str] | bool] = []
        self.clock: list[int] = []
        self.clock_error: OSError | None = None
        self.pod: Any = None
        self.recorders: list[Recorder] = []
        self.services: Any = None
        self.waiting = False
        self.adopted: list[tuple[BootDocument, Identity, Ahead]] = []
        self.renewed: list[tuple[PodIdentity, Identity]] = []
        table = methods.table(self)
        table |= {"record": self._record, "echo": self._echo, "refuse": self._refuse, "break": self._break}
        self.host = Host(table)

    def start(self, secrets: dict[str, str], keep: list[str]) -> None:
        self.started.append(secrets)
        self.kept.append(keep)
        self.pod = StandInPod()

    def stop(self, grace: int | None, *, keep: bool) -> None:
        self.stopped.append(grace)
        self.kept.append(keep)

    def number(self, name: str, number: int) -> None:
        raise NotImplementedError

    def adopt(self, document: BootDocument, identity: Identity, done: Ahead) -> bool:
        self.waiting = False
        self.adopted.append((document, identity, done))
        return True

    def renew(self, pod: PodIdentity, identity: Identity) -> None:
        self.renewed.append((pod, identity))

    def set_clock(self, nanoseconds: int) -> None:
        if self.clock_error:
            raise self.clock_error
        self.clock.append(nanoseconds)

    def _record(self, stream: Stream, _message: dict[str, Any]) -> StreamHandler:
        self.recorders.append(Recorder(stream))
        return self.recorders[-1]

    def _echo(self, stream: Stream, message: dict[str, Any]) -> None:
        stream.respond(message)

    def _refuse(self, _stream: Stream, _message: dict[str, Any]) -> None:
        raise RequestError(messages.NOT_RUNNING, "not now")

    def _break(self, _stream: Stream, _message: dict[str, Any]) -> None:
        raise OSError(24, "Too many open files")


class StandInPod:
    """A pod of as many containers as are asked for."""

    def __init__(self, containers: int = 1) -> None:
        self._containers = containers

    def status(self) -> list[Any]:
        return [{"kind": "container", "name": "c" * 60, "number": n} for n in range(self._containers)]

    def find(self, name: str) -> Any:
        member = StandInMember()
        return member if name in ("", member.name) else None


class StandInMember:
    name = "c"
    running = False
    run = None


def error(host: Host, stream: int) -> tuple[str, str]:
    answer = host.answer(stream, frames.ERROR)
    return answer["code"], answer["message"]
