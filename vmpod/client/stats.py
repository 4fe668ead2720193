"""What a pod's containers and its machine use: samples of the agent, and the rates between two of them."""

from __future__ import annotations

from typing import Any

from vmpod.client.session import Session, breach
from vmpod.dataclass import dataclass
from vmpod.wire import messages
from vmpod.wire.messages import MessageError

_LARGEST = 2**63
_MICROSECONDS = 1_000_000


@dataclass(frozen=True)
class Counters:
    """What has been used up to a moment. cpu: microseconds; all else bytes and numbers; limit: 0 for none."""

    name: str
    cpu: int
    memory: int
    limit: int
    pids: int = 0
    read: int = 0
    written: int = 0
    received: int = 0
    sent: int = 0


@dataclass(frozen=True)
class Sample:
    """Counters at one moment (seconds of the guest's monotonic clock)."""

    time: float
    machine: Counters
    containers: tuple[Counters, ...]


@dataclass(frozen=True)
class Usage:
    """Counters, and how many cores were busy since a sample before; None where there was none."""

    counters: Counters
    cores: float | None

    def memory_share(self) -> float | None:
        """Memory as a part of the limit."""
        return self.counters.memory / self.counters.limit if self.counters.limit else None


@dataclass(frozen=True)
class PodUsage:
    """A pod at one moment."""

    machine: Usage
    containers: tuple[Usage, ...]

    def cores(self) -> float:
        """Of all containers together."""
        return sum(each.cores or 0.0 for each in self.containers)

    def memory(self) -> int:
        """Bytes of all containers together."""
        return sum(each.counters.memory for each in self.containers)


def sample(session: Session) -> Sample:
    """Ask the agent. Raises as Session.request(), ProtocolError."""
    return parse(session.request(messages.STATS, {}))


def parse(answer: dict[str, Any]) -> Sample:
    """An agent's answer. Raises ProtocolError."""
    try:
        containers = messages.get_list(answer, "containers", dict)
        return Sample(
            _count(answer, "time") / 1e9,
            _machine(messages.get(answer, "machine", dict)),
            tuple(_container(each) for each in containers),
        )
    except MessageError as error:
        raise breach(error) from error


def usage(before: Sample | None, now: Sample) -> PodUsage:
    """What was used between two samples."""
    seconds = now.time - before.time if before else 0.0
    earlier = {each.name: each for each in before.containers} if before else {}

    def since(then: Counters | None, counters: Counters) -> Usage:
        # A container that was started again meanwhile counts from nothing.
        if then is None or seconds <= 0 or counters.cpu < then.cpu:
            return Usage(counters, None)
        return Usage(counters, (counters.cpu - then.cpu) / _MICROSECONDS / seconds)

    return PodUsage(
        since(before.machine if before else None, now.machine),
        tuple(since(earlier.get(each.name), each) for each in now.containers),
    )


def _container(message: dict[str, Any]) -> Counters:
    # As the kubelet counts: without the pages that the kernel would give up first.
    memory = max(0, _count(message, "memory") - _count(message, "inactive"))
    return Counters(
        name=messages.get(message, "name", str)[:253],
        cpu=_count(message, "cpu"),
        memory=memory,
        limit=_count(message, "limit") if message.get("limit") is not None else 0,
        pids=_count(message, "pids"),
        read=_count(message, "read"),
        written=_count(message, "written"),
    )


def _machine(message: dict[str, Any]) -> Counters:
    total = _count(message, "total")
    return Counters(
        name="",
        cpu=_count(message, "cpu"),
        memory=max(0, total - _count(message, "available")),
        limit=total,
        received=_count(message, "received"),
        sent=_count(message, "sent"),
    )


def _count(message: dict[str, Any], name: str) -> int:
    value = messages.get(message, name, int)
    if not 0 <= value < _LARGEST:
        raise MessageError(f"attribute {name!r} is no count")
    return value
