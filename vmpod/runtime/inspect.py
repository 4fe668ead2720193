"""All that vmpod knows of a pod, for scripts and for whoever looks for a fault."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vmpod.plan.model import BOOT, CONSOLE, IMAGES, JOURNAL, SCRATCH
from vmpod.runtime.context import DRIVER_ROOT, Runtime
from vmpod.runtime.faults import qemu_log
from vmpod.state.kubernetes import to_kubernetes
from vmpod.state.record import FILE
from vmpod.state.store import PodEntry

Json = dict[str, Any]


def inspect(runtime: Runtime, entry: PodEntry) -> Json:
    """The pod, its machine, and its files with the bytes that they take on the host's disk."""
    record = entry.record
    status = runtime.pods.status(entry)
    return {
        "apiVersion": "vmpod/v1",
        "kind": "PodInspection",
        "name": record.name,
        "namespace": record.namespace,
        "uid": record.uid,
        "created": record.created,
        "machine": _machine(entry),
        "files": dict(_files(entry)),
        "images": [
            {"container": name, "digest": digest} for name, digest in sorted(record.image_ids.items())
        ],
        "ports": [
            {
                "hostIP": forward.host_ip,
                "hostPort": forward.host_port,
                "containerPort": forward.pod_port,
                "protocol": forward.protocol,
            }
            for forward in record.forwards
        ],
        "logs": {"maxSize": record.logs.size, "maxFiles": record.logs.files},
        "manifest": record.manifest or None,
        "pod": to_kubernetes(record, status),
    }


def _machine(entry: PodEntry) -> Json:
    record = entry.record
    return {
        "domain": record.machine_name,
        "connection": record.uri or f"qemu:///embed?root={record.sockets / DRIVER_ROOT}",
        "accelerator": record.accelerator,
        "pid": record.qemu.pid if record.qemu and entry.alive() else None,
        "running": entry.alive(),
        "boot": record.boot,
        "lastWritten": entry.last_written() or None,
        "sockets": sorted(str(path) for path in record.sockets.glob("*") if path.is_socket()),
        "qemuLog": str(qemu_log(record)),
    }


def _files(entry: PodEntry) -> Iterator[tuple[str, Json]]:
    names = {
        "record": FILE,
        "console": CONSOLE,
        "journal": JOURNAL,
        "scratch": SCRATCH,
        "boot": BOOT,
        "images": IMAGES,
    }
    for name, file in names.items():
        path = entry.directory / file
        try:
            size = path.stat().st_blocks * 512
        except FileNotFoundError:
            continue
        yield name, {"path": str(path), "bytes": size}
