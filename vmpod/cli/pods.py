"""How pods look in lists."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from vmpod.cli import render
from vmpod.cli.listing import Filter, Kind, label_filter, name_filter, text_filter, time_filter
from vmpod.state.record import containers_of
from vmpod.state.status import PodStatus
from vmpod.state.store import PodEntry
from vmpod.text import printable

T = TypeVar("T")
Pod = tuple[PodEntry, PodStatus]


def kubernetes(pod: Pod) -> dict[str, Any]:
    """A pod as a v1 Pod object."""
    from vmpod.state.kubernetes import to_kubernetes  # noqa: PLC0415 - a table does without

    entry, status = pod
    return to_kubernetes(entry.record, status)


def labels(entry: PodEntry) -> Mapping[str, str]:
    """metadata.labels."""
    return entry.record.metadata("labels")


def entry_filters(entry: Callable[[T], PodEntry]) -> Mapping[str, Filter[T]]:
    """Filters of all that is listed by pod. entry: the pod of an item."""
    return {
        "name": name_filter(lambda item: entry(item).record.called),
        "label": label_filter(lambda item: labels(entry(item))),
        "id": text_filter(lambda item, text: _has_id(entry(item), text)),
        "uid": text_filter(lambda item, text: _has_id(entry(item), text)),
        "image": text_filter(lambda item, text: _has_image(entry(item), text)),
        "ancestor": text_filter(lambda item, text: _has_image(entry(item), text)),
        "namespace": text_filter(lambda item, text: entry(item).record.namespace == text),
        "since": time_filter(lambda item: _created(entry(item)), before=False),
        "until": time_filter(lambda item: _created(entry(item)), before=True),
    }


def summary(status: PodStatus) -> str:
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
    done = sum(each.initialized for each in inits)
    if done < len(inits):
        reason = inits[done].reason
        return f"Init:{reason}" if reason == "CrashLoopBackOff" else f"Init:{done}/{len(inits)}"
    return "ContainerCreating" if status.started else "Pending"


def _rows(pod: Pod) -> list[list[str]]:
    entry, status = pod
    record, ordinary = entry.record, status.serving()
    return [
        [
            record.called,
            f"{sum(each.ready for each in ordinary)}/{len(ordinary)}",
            printable(summary(status)),
            str(status.restarts),
            render.age(record.created),
            ", ".join(map(str, record.forwards)),
            record.accelerator,
            str(record.qemu.pid) if record.qemu and entry.alive() else "-",
            ",".join(digest.removeprefix("sha256:")[:12] for digest in record.images),
        ]
    ]


def _created(entry: PodEntry) -> float:
    from vmpod.cli.moments import epoch  # noqa: PLC0415 - rarely used

    return epoch(entry.record.created)


def _has_status(pod: Pod, text: str) -> bool:
    return text.casefold() in {pod[1].phase.casefold(), summary(pod[1]).casefold()}


def _has_id(entry: PodEntry, text: str) -> bool:
    return bool(text) and entry.record.uid.startswith(text.lower())


def _has_image(entry: PodEntry, text: str) -> bool:
    """By a digest or its beginning, or by what the manifest calls it, with or without the tag."""
    record = entry.record
    digits = text.removeprefix("sha256:")
    if digits and any(digest.removeprefix("sha256:").startswith(digits) for digest in record.images):
        return True
    return any(
        str(each.get("image")) in {text, f"{text}:latest"} or _untagged(each) == text
        for each in containers_of(record.spec)
    )


def _untagged(container: Mapping[str, Any]) -> str:
    image = str(container.get("image")).partition("@")[0]
    head, colon, tag = image.rpartition(":")
    return head if colon and "/" not in tag else image


PODS: Kind[Pod] = Kind(
    list_kind="List",
    api_version="v1",
    header=["NAME", "READY", "STATUS", "RESTARTS", "AGE", "PORTS", "ACCEL", "PID", "IMAGES"],
    narrow=6,
    rows=_rows,
    to_json=kubernetes,
    names=lambda pod: [pod[0].record.called],
    labels=lambda pod: labels(pod[0]),
    filters={**entry_filters(lambda pod: pod[0]), "status": text_filter(_has_status)},
)
