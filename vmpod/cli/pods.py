"""How pods look in lists."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from vmpod.cli import render
from vmpod.cli.listing import Filter, Kind, label_filter, text_filter, time_filter
from vmpod.errors import UsageError
from vmpod.state.status import PodStatus
from vmpod.state.store import PodEntry
from vmpod.text import printable

Pod = tuple[PodEntry, PodStatus]


def kubernetes(pod: Pod) -> dict[str, Any]:
    """A pod as a v1 Pod object."""
    from vmpod.state.kubernetes import to_kubernetes  # noqa: PLC0415 - a table does without

    entry, status = pod
    return to_kubernetes(entry.record, status)


def name(entry: PodEntry) -> str:
    """What commands call the pod."""
    return entry.record.key.replace("_", "/")


def labels(pod: Pod) -> Mapping[str, str]:
    """metadata.labels."""
    metadata = pod[0].record.document.get("metadata") or {}
    return metadata.get("labels") or {}


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
    done = sum(each.exit_code == 0 for each in inits)
    if done < len(inits):
        reason = inits[done].reason
        return f"Init:{reason}" if reason == "CrashLoopBackOff" else f"Init:{done}/{len(inits)}"
    return "ContainerCreating" if status.started else "Pending"


def _rows(pod: Pod) -> list[list[str]]:
    entry, status = pod
    record, ordinary = entry.record, status.ordinary()
    return [
        [
            name(entry),
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


def _created(pod: Pod) -> float:
    from vmpod.cli.moments import epoch  # noqa: PLC0415 - rarely used

    return epoch(pod[0].record.created)


def _name_filter(text: str, _pods: Sequence[Pod]) -> Callable[[Pod], bool]:
    """A regular expression, as podman's."""
    try:
        wanted = re.compile(text)
    except re.error as error:
        raise UsageError(f"--filter name={text}: {error}") from None
    return lambda pod: wanted.search(name(pod[0])) is not None


def _has_status(pod: Pod, text: str) -> bool:
    return text.casefold() in {pod[1].phase.casefold(), summary(pod[1]).casefold()}


def _has_id(pod: Pod, text: str) -> bool:
    return bool(text) and pod[0].record.uid.startswith(text.lower())


def _has_image(pod: Pod, text: str) -> bool:
    """By a digest or its beginning, or by what the manifest calls it, with or without the tag."""
    record = pod[0].record
    digits = text.removeprefix("sha256:")
    if digits and any(digest.removeprefix("sha256:").startswith(digits) for digest in record.images):
        return True
    spec = record.document.get("spec") or {}
    containers = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    return any(
        str(each.get("image")) in {text, f"{text}:latest"} or _untagged(each) == text for each in containers
    )


def _untagged(container: Mapping[str, Any]) -> str:
    image = str(container.get("image")).partition("@")[0]
    head, colon, tag = image.rpartition(":")
    return head if colon and "/" not in tag else image


_FILTERS: Mapping[str, Filter[Pod]] = {
    "name": _name_filter,
    "status": text_filter(_has_status),
    "label": label_filter(labels),
    "id": text_filter(_has_id),
    "uid": text_filter(_has_id),
    "image": text_filter(_has_image),
    "ancestor": text_filter(_has_image),
    "namespace": text_filter(lambda pod, text: pod[0].record.namespace == text),
    "since": time_filter(_created, before=False),
    "until": time_filter(_created, before=True),
}

PODS: Kind[Pod] = Kind(
    list_kind="List",
    api_version="v1",
    header=["NAME", "READY", "STATUS", "RESTARTS", "AGE", "PORTS", "ACCEL", "PID", "IMAGES"],
    narrow=6,
    rows=_rows,
    to_json=kubernetes,
    names=lambda pod: [name(pod[0])],
    labels=labels,
    filters=_FILTERS,
)
