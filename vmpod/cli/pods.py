"""How pods look in lists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from vmpod.cli import render
from vmpod.state.kubernetes import to_kubernetes
from vmpod.state.status import PodStatus
from vmpod.state.store import PodEntry
from vmpod.text import printable

Listed = Sequence[tuple[PodEntry, PodStatus]]

FORMATS = ("json", "yaml", "name", "wide")


def show(found: Listed, output: str | None) -> None:
    """Print pods as a table, or in another format."""
    if output in ("json", "yaml"):
        render.structured(render.items("List", [kubernetes(each) for each in found]), output)
    elif output == "name":
        for entry, _ in found:
            click.echo(name(entry))
    else:
        _table(found, wide=output == "wide")


def kubernetes(each: tuple[PodEntry, PodStatus]) -> dict[str, Any]:
    """A pod as a v1 Pod object."""
    entry, status = each
    return to_kubernetes(entry.record, status)


def name(entry: PodEntry) -> str:
    """What commands call the pod."""
    return entry.record.key.replace("_", "/")


def _table(found: Listed, *, wide: bool) -> None:
    header = ["NAME", "READY", "STATUS", "RESTARTS", "AGE", "PORTS"]
    rows = [_row(entry, status) + (_wide(entry) if wide else []) for entry, status in found]
    if wide:
        header += ["ACCEL", "PID", "IMAGES"]
    render.table(header, rows)


def _row(entry: PodEntry, status: PodStatus) -> list[str]:
    ordinary = status.ordinary()
    return [
        name(entry),
        f"{sum(each.ready for each in ordinary)}/{len(ordinary)}",
        printable(_summary(status)),
        str(status.restarts),
        render.age(entry.record.created),
        ", ".join(map(str, entry.record.forwards)),
    ]


def _wide(entry: PodEntry) -> list[str]:
    record = entry.record
    pid = str(record.qemu.pid) if record.qemu and entry.alive() else "-"
    images = ",".join(digest.removeprefix("sha256:")[:12] for digest in record.images)
    return [record.accelerator, pid, images]


def _summary(status: PodStatus) -> str:
    """The one word that says most, as kubectl's STATUS column does."""
    if status.reason:
        return status.reason
    if status.phase == "Pending":
        return _init_summary(status)
    if status.phase in {"Running", "Failed"}:
        reasons = [each.reason for each in status.ordinary() if each.reason and each.exit_code != 0]
        return reasons[0] if reasons else status.phase
    return "Completed" if status.phase == "Succeeded" else status.phase


def _init_summary(status: PodStatus) -> str:
    inits = [each for each in status.containers if each.init]
    done = sum(each.exit_code == 0 for each in inits)
    if done < len(inits):
        reason = inits[done].reason
        return f"Init:{reason}" if reason == "CrashLoopBackOff" else f"Init:{done}/{len(inits)}"
    return "ContainerCreating" if status.started else "Pending"
