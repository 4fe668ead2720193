"""Gives a pod that runs, or a container of it, other resources, in place."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from vmpod.client.session import session
from vmpod.errors import ConflictError, ManifestError, NotFoundError, UsageError
from vmpod.plan import size
from vmpod.runtime.context import Runtime
from vmpod.runtime.pausing import running
from vmpod.runtime.update import tell_again
from vmpod.spec.containermodel import Container
from vmpod.spec.load import load
from vmpod.spec.machine import CPUS, MEMORY
from vmpod.spec.model import Pod
from vmpod.state.kubernetes import qos_class
from vmpod.state.machine import load as load_machine
from vmpod.state.store import PodEntry
from vmpod.wire import messages

Json = dict[str, Any]
Amounts = Mapping[str, str]

_TOLD = ("name", "namespace", "labels", "annotations")
_GROUPS = ("initContainers", "containers")
_TIMEOUT = 30.0  # seconds


def resize(runtime: Runtime, name: str, container: str | None, *, limits: Amounts, requests: Amounts) -> bool:
    """Set limits and requests of a container; whether it is started again for that.

    container: '' for the pod's first, None for the pod as a whole, which has to have some. Amounts are
    quantities by resource; those that are not named stay as they are. What the container's resizePolicy says
    is done. Raises UsageError, NotFoundError, ConflictError and as session().
    """
    entry = runtime.pods.find(name)
    with runtime.pods.locked(entry.record.key):
        entry = running(runtime, name)
        wanted = entry.record.containers[0] if container == "" else container
        before = dict(entry.record.document)
        after = _changed(before, wanted, limits, requests)
        old, new = _resources_only(before, entry), _resources_only(after, entry)
        _check_fits(entry, old, new)
        if qos_class(before) != qos_class(after):
            raise ConflictError(
                f"the pod's quality of service would change from {qos_class(before)} to {qos_class(after)}",
                hint="Kubernetes does not allow that either; change the manifest, and run the pod anew",
            )
        entry.check_awake()
        told = _of_pod(new) if wanted is None else _of_container(_of(old, wanted), _of(new, wanted))
        with session(entry.record.sockets) as found:
            found.request(messages.RESIZE, told, timeout=_TIMEOUT)
            runtime.pods.save(replace(entry, record=replace(entry.record, document=after)))
            tell_again(runtime, entry, telling(after, entry), found)
    return bool(told["restart"])


def _of_pod(new: Pod) -> Json:
    """What the agent is told about the pod as a whole. Nothing has to be started again for that."""
    own = new.resources
    limits = {"memory": own.memory_limit or 0, "cpu": own.cpu_limit or 0, "cpu_request": 0}
    return limits | {"container": messages.WHOLE_POD, "restart": False}


def _of_container(old: Container, new: Container) -> Json:
    """What the agent is told about a container."""
    return {
        "container": new.name,
        "memory": new.resources.memory_limit or 0,
        "cpu": new.resources.cpu_limit or 0,
        "cpu_request": new.resources.cpu_request or new.resources.cpu_limit or 0,
        "restart": _restarts(old, new),
    }


def telling(document: Mapping[str, Any], entry: PodEntry) -> Pod:
    """The pod as far as it is told about itself in volumes: Secrets beside that are in the machine alone."""
    metadata = {key: document["metadata"][key] for key in _TOLD if key in document["metadata"]}
    volumes = [told for each in document["spec"].get("volumes") or () if (told := _told(each))]
    return _part(document, entry, metadata, {"volumes": volumes})


def tells_itself(document: Mapping[str, Any]) -> bool:
    """Whether a volume of the pod tells it about itself."""
    return any(_told(each) for each in (document.get("spec") or {}).get("volumes") or ())


def _told(volume: Json) -> Json | None:
    """The volume with nothing but what tells the pod about itself, None if nothing does."""
    if projected := volume.get("projected"):
        sources = [each for each in projected.get("sources") or () if each.get("downwardAPI")]
        return volume | {"projected": projected | {"sources": sources}} if sources else None
    return volume if volume.get("downwardAPI") else None


def _changed(document: Json, container: str | None, limits: Amounts, requests: Amounts) -> Json:
    """The pod's document with the new resources of the container, or of the pod as a whole."""
    changed = copy.deepcopy(document)
    resources = _resources(changed.get("spec") or {}, container)
    for kind, amounts in (("limits", limits), ("requests", requests)):
        if amounts:
            resources[kind] = dict(resources.get(kind) or {}) | dict(amounts)
    return changed


def _resources(spec: Json, container: str | None) -> Json:
    if container is None:
        if own := spec.get("resources"):
            return cast(Json, own)
        raise ConflictError(
            "the pod has no resources as a whole (spec.resources), so that there is nothing to change",
            hint="without --pod it is those of a container that change; or write some, and run the pod anew",
        )
    for each in (each for group in _GROUPS for each in spec.get(group) or ()):
        if each.get("name") == container:
            return cast(Json, each.setdefault("resources", {}))
    raise NotFoundError(f"the pod has no container {container!r}")


def _resources_only(document: Json, entry: PodEntry) -> Pod:
    """The pod as far as sizes matter, checked as any manifest."""
    return _part(document, entry, {"name": "p"}, {})


def _part(document: Mapping[str, Any], entry: PodEntry, metadata: Json, more: Json) -> Pod:
    """The pod with its resources, and what is given. Raises UsageError if it cannot have them."""
    spec = document.get("spec") or {}
    kept = {"name", "resources", "restartPolicy", "resizePolicy"}
    groups = {
        group: [{"image": "-"} | {key: each[key] for key in kept & each.keys()} for each in spec[group]]
        for group in _GROUPS
        if spec.get(group)
    }
    small = {key: spec[key] for key in ("resources", "restartPolicy") if spec.get(key)} | groups | more
    text = json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": small})
    try:
        (pod,) = load(text, source=entry.record.key).pods
    except ManifestError as error:
        told = "\n".join(f"{each.path}: {each.message}" for each in error.problems)
        raise UsageError(f"the pod {entry.record.called} cannot have these resources:\n{told}") from None
    return pod


def _of(pod: Pod, name: str) -> Container:
    return next(each for each in pod.every_container if each.name == name)


def _check_fits(entry: PodEntry, before: Pod, after: Pod) -> None:
    """A machine has the memory and the processors that it was started with.

    Limits may have been above what the host has from the beginning, but do not come to be.
    """
    machine = load_machine(entry.directory)
    for what, has, needed, needs in (
        ("bytes of memory", machine.memory, size.memory(before), size.memory(after)),
        ("CPUs", machine.cpus, size.asked_cpus(before), size.asked_cpus(after)),
    ):
        if needs > max(has, needed):
            raise ConflictError(
                f"the pod would need a machine with {needs} {what}, and has one with {has}",
                hint=f'run the pod anew with an annotation that leaves room, as {MEMORY}: 4Gi or {CPUS}: "4"',
            )


def _restarts(old: Container, new: Container) -> bool:
    changed = {
        "cpu": (old.resources.cpu_limit, old.resources.cpu_request)
        != (new.resources.cpu_limit, new.resources.cpu_request),
        "memory": (old.resources.memory_limit, old.resources.memory_request)
        != (new.resources.memory_limit, new.resources.memory_request),
    }
    return any(changed[name] for name in new.resize_restarts)
