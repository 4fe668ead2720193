"""Pods that were never started, for tests of what is kept of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vmpod.paths import Paths
from vmpod.plan.forward import Forward
from vmpod.state.record import Record
from vmpod.state.store import PodEntry, PodStore
from vmpod.wire.journal import Entry, encode

MOMENT = "2026-01-31T12:00:00.000000000Z"


def record(name: str = "web", **fields: Any) -> Record:
    values: dict[str, Any] = {
        "uid": "12345678-1234-5678-1234-567812345678",
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


def keep(pods: PodStore, kept: Record, *events: dict[str, Any], output: bytes = b"") -> PodEntry:
    """A pod on disk, with what its machine told."""
    entry = pods.save(PodEntry(kept, pods.directory(kept.key)))
    entry.events.write_bytes(b"".join(map(event_line, events)))
    entry.output.write_bytes(output)
    return entry


def event_line(event: dict[str, Any]) -> bytes:
    return encode(Entry(MOMENT, "-", "event", json.dumps(event).encode(), partial=False))


def output_line(source: str, content: bytes, *, stream: str = "stdout", partial: bool = False) -> bytes:
    return encode(Entry(MOMENT, source, stream, content, partial=partial))


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
    }


def ended(code: int, reason: str = "Error", **more: Any) -> dict[str, Any]:
    return {
        "terminated": {"exitCode": code, "reason": reason, "startedAt": MOMENT, "finishedAt": MOMENT} | more
    }


RUNNING = {"running": {"startedAt": MOMENT}}
