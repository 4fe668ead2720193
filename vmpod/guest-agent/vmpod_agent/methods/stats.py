"""Method `stats`: what containers and machine have used so far, and have now, at one moment.

Counters and not rates: the host takes two samples and divides by the time between them.
Sources: the kernel's cgroup-v2.rst, proc(5).
"""

from __future__ import annotations

import time

from vmpod_agent import layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from vmpod_agent.methods import Agent
    from vmpod_agent.session import Stream

    Json = dict[str, Any]

_MICROSECONDS_A_TICK = 10_000  # USER_HZ is 100 on every architecture that matters
_MACHINE_CARD = "eth0"


def serve(agent: Agent, stream: Stream, _message: Json) -> None:
    """Answer with a sample."""
    members = agent.pod.members() if agent.pod else []
    runs = [member.run for member in members if member.run is not None and member.running]
    stream.respond(
        {
            "time": time.monotonic_ns(),
            "machine": machine("/proc"),
            "containers": [{"name": run.spec["name"]} | container(layout.cgroup(run.group)) for run in runs],
        }
    )


def container(cgroup: str) -> Json:
    """The figures of a cgroup. What it does not have is 0; a limit that it does not have is null."""
    limit = _read(f"{cgroup}/memory.max").strip()
    io = [_pairs(line.split()[1:], "=") for line in _read(f"{cgroup}/io.stat").splitlines()]
    return {
        "memory": _number(_read(f"{cgroup}/memory.current")),
        # What the kernel would give up first, and a kubelet does not count as used.
        "inactive": _table(f"{cgroup}/memory.stat").get("inactive_file", 0),
        "limit": _number(limit) if limit.isdecimal() else None,
        "cpu": _table(f"{cgroup}/cpu.stat").get("usage_usec", 0),
        "pids": _number(_read(f"{cgroup}/pids.current")),
        "read": sum(each.get("rbytes", 0) for each in io),
        "written": sum(each.get("wbytes", 0) for each in io),
    }


def machine(proc: str) -> Json:
    """The figures of the machine: bytes, microseconds of all its processors together."""
    memory = _pairs(_read(f"{proc}/meminfo").replace(":", "").splitlines())
    user, nice, system, _, _, irq, softirq, *_ = _ticks(proc)
    received, sent = _card(f"{proc}/net/dev")
    return {
        "total": memory.get("MemTotal", 0) * 1024,
        "available": memory.get("MemAvailable", 0) * 1024,
        "cpu": (user + nice + system + irq + softirq) * _MICROSECONDS_A_TICK,
        "received": received,
        "sent": sent,
    }


def _ticks(proc: str) -> list[int]:
    for line in _read(f"{proc}/stat").splitlines():
        if line.startswith("cpu "):
            return [int(word) for word in line.split()[1:]]
    return [0] * 7


def _card(path: str) -> tuple[int, int]:
    """Bytes that the network card has received and sent."""
    for line in _read(path).splitlines():
        name, _, counts = line.partition(":")
        if name.strip() == _MACHINE_CARD:
            words = counts.split()
            return int(words[0]), int(words[8])
    return 0, 0


def _table(path: str) -> dict[str, int]:
    return _pairs(_read(path).splitlines())


def _pairs(texts: list[str], separator: str | None = None) -> dict[str, int]:
    """Texts that begin with a name and a number."""
    words = (text.split(separator) for text in texts)
    return {each[0]: _number(each[1]) for each in words if len(each) > 1}


def _number(text: str) -> int:
    text = text.strip()
    return int(text) if text.isdecimal() else 0


def _read(path: str) -> str:
    """The file's text; '' where the kernel has no such file, or no longer."""
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""
