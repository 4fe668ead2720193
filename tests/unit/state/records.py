"""Pods that were never started, for tests of what is kept of them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vmpod.paths import Paths
from vmpod.plan.forward import Forward
from vmpod.plan.model import JOURNAL
from vmpod.runtime.disks import make_journal_disk
from vmpod.state.record import Record
from vmpod.state.store import PodEntry, PodStore
from vmpod.wire.journal import encode
from vmpod.wire.logdisk import EVENTS
from vmpod_agent.journal import JournalDisk

# Of this process alone: a machine is looked for by it, among all that run, and tests run side by side.
UID = f"12345678-1234-5678-1234-{os.getpid():012d}"
MOMENT = "2026-01-31T12:00:00.000000000Z"


def record(name: str = "web", **fields: Any) -> Record:
    values: dict[str, Any] = {
        "uid": UID,
        "name": name,
        "namespace": "default",
        "created": "2026-01-31T12:00:00Z",
        "uri": "",
        "accelerator": "tcg",
        "sockets": Path("/run/vmpod/123456781234"),
        "containers": ("a", "b"),
        "init_containers": ("i",),
        "images": ("sha256:" + "0" * 64,),
        "forwards": (Forward("127.0.0.1", 8080, 80), Forward("0.0.0.0", 53, 53, "UDP")),
        "document": {"metadata": {"name": name, "labels": {"x": "y"}}, "spec": {"containers": []}},
    }
    return Record(**(values | fields))


def store(tmp_path: Path) -> PodStore:
    return PodStore(Paths(data=tmp_path / "data", state=tmp_path / "state", runtime=tmp_path / "run"))


Line = tuple[str, str, bytes]
"""(CONTAINER/RUN, stream, bytes written)."""


def keep(
    pods: PodStore, kept: Record, *events: dict[str, Any], output: Sequence[Line] = (), raw: bytes = b""
) -> PodEntry:
    """A pod on disk, with what its machine told. raw: lines for the stream of events, whatever they are."""
    entry = pods.save(PodEntry(kept, pods.directory(kept.key)))
    path = entry.directory / JOURNAL
    path.unlink(missing_ok=True)
    make_journal_disk(path, kept.layout.containers, kept.logs)
    with written(path) as disk:
        disk.append(EVENTS, b"".join(map(event_line, events)) + raw)
        write_output(disk, kept, output)
    return entry


@contextmanager
def written(path: Path) -> Iterator[JournalDisk]:
    """A journal disk as the agent writes it."""
    fd = os.open(path, os.O_RDWR)
    try:
        yield JournalDisk(fd)
    finally:
        os.close(fd)


def write_output(disk: JournalDisk, kept: Record, output: Sequence[Line]) -> None:
    """Write output a nanosecond apart, so that its order is the order of time."""
    streams: dict[str, int] = {}
    for number, (source, stream, data) in enumerate(output):
        name, _, run = source.partition("/")
        if source not in streams:
            streams[source] = disk.begin(kept.all_containers.index(name), int(run))
        disk.append(streams[source], encode(f"2026-01-31T12:00:00.{number:09}Z", stream, data))


def event_line(event: dict[str, Any]) -> bytes:
    return encode(MOMENT, "event", json.dumps(event).encode() + b"\n")


def output_line(source: str, content: bytes, *, stream: str = "stdout", partial: bool = False) -> list[Line]:
    return [(source, stream, content if partial else content + b"\n")]


def agent(reason: str = "Booted", message: str = "") -> dict[str, Any]:
    return {"kind": "agent", "reason": reason, "message": message, "uptime": 1.0}


def whole(phase: str, *, ready: bool = False) -> dict[str, Any]:
    return {"kind": "pod", "phase": phase, "ready": ready}


def one(name: str, state: dict[str, Any], *, restarts: int = 0, last: Any = None) -> dict[str, Any]:
    return {
        "kind": "container",
        "name": name,
        "init": name == "i",
        "restarts": restarts,
        "state": state,
        "last": last,
        "started": "running" in state,
        "ready": "running" in state,
    }


def ended(code: int, reason: str = "Error", **more: Any) -> dict[str, Any]:
    return {
        "terminated": {"exitCode": code, "reason": reason, "startedAt": MOMENT, "finishedAt": MOMENT} | more
    }


RUNNING = {"running": {"startedAt": MOMENT}}
