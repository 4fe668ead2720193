"""A pod as a v1 Pod object with its status, as kubectl would print it.

Source: Kubernetes API reference, core/v1 Pod, PodStatus, ContainerStatus.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from vmpod.state.record import Record, containers_of
from vmpod.state.status import MACHINE_DIED, UNKNOWN, ContainerStatus, PodStatus

if TYPE_CHECKING:
    from vmpod.state.jobrecord import JobRecord

Json = dict[str, Any]

# Where one who reads this on the host finds the ports that the pod binds there. In the pod that address would
# be the pod itself: its programs are told another one for the same host (plan.make.facts_for).
_HOST = "127.0.0.1"


def to_kubernetes(record: Record, status: PodStatus) -> Json:
    """The pod, made of its manifest, what was decided for it, and its state now."""
    found = as_object(record, "v1", "Pod", _status(record, status))
    if record.ephemeral:
        added = [dict(each.document) for each in record.ephemeral]
        found["spec"] = dict(found.get("spec") or {}) | {"ephemeralContainers": added}
    return found


def as_object(record: Record | JobRecord, version: str, kind: str, status: Json) -> Json:
    """What is recorded, as an API server would show it: the document, with what was decided for it."""
    metadata = dict(record.document.get("metadata") or {}) | {
        "name": record.name,
        "namespace": record.namespace,
        "uid": record.uid,
        "creationTimestamp": record.created,
    }
    head = {"apiVersion": version, "kind": kind} | dict(record.document)
    return head | {"metadata": metadata, "status": status}


def _status(record: Record, status: PodStatus) -> Json:
    result: Json = {
        "phase": status.phase,
        "conditions": list(_conditions(record, status)),
        "hostIP": _HOST,
        "hostIPs": [{"ip": _HOST}],
        "qosClass": qos_class(record.document),
        "initContainerStatuses": [_container(record, each) for each in status.containers if each.init],
        "containerStatuses": [_container(record, each) for each in status.ordinary()],
    }
    if status.ephemeral:
        result["ephemeralContainerStatuses"] = [_container(record, each) for each in status.ephemeral]
    if record.addresses:
        result |= {"podIP": record.addresses[0], "podIPs": [{"ip": each} for each in record.addresses]}
    told = {"startTime": _seconds(status.started), "reason": status.reason, "message": status.message}
    return result | {name: text for name, text in told.items() if text}


def _conditions(record: Record, status: PodStatus) -> Iterator[Json]:
    unready = [each.name for each in status.serving() if not each.ready]
    waiting = [each.name for each in status.containers if each.init and not each.initialized]
    since, created = status.since, record.created
    yield _condition("PodScheduled", True, created)
    yield _condition("PodReadyToStartContainers", status.prepared, since.get("Prepared", created))
    yield _condition(
        "Initialized",
        status.initialized,
        since.get("Initialized", created),
        ("ContainersNotInitialized", f"containers with incomplete status: [{' '.join(waiting)}]"),
    )
    if status.phase == "Succeeded":
        why = "PodCompleted", ""
    elif status.ended:
        why = "PodFailed", ""
    else:
        why = "ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]"
    for kind in ("ContainersReady", "Ready"):
        found = _condition(kind, status.ready, since.get("Ready", created), why)
        # Whether it is ready nobody can tell: what its agent said last may have changed.
        yield found | {"status": "Unknown", "reason": status.reason} if status.phase == UNKNOWN else found
    if status.reason == MACHINE_DIED:
        # Not the pod's own doing: a Job's podFailurePolicy may ask for it.
        disrupted = _condition("DisruptionTarget", True, status.last_seen or created)
        yield disrupted | {"reason": status.reason, "message": status.message}


def _condition(kind: str, value: bool, since: str, why: tuple[str, str] = ("", "")) -> Json:
    found: Json = {"type": kind, "status": str(value), "lastProbeTime": None}
    found["lastTransitionTime"] = _seconds(since)
    if not value:
        found |= {name: text for name, text in zip(("reason", "message"), why, strict=True) if text}
    return found


def _container(record: Record, status: ContainerStatus) -> Json:
    added = {each.name: each for each in record.ephemeral}.get(status.name)
    image = added.image if added else record.image_ids.get(status.name, "")
    begun = status.restarts > 0 or "waiting" not in status.state
    found: Json = {
        "name": status.name,
        "image": added.document.get("image", "") if added else _image(record.document, status.name),
        "imageID": image,
        # What is not of the pod's own making does not serve, whatever it does.
        "ready": status.ready and not added,
        "started": "running" in status.state and status.started,
        "restartCount": status.restarts,
        "state": _times(status.state),
        "lastState": _times({"terminated": status.last}) if status.last else {},
    }
    if begun:
        # There is no other name for a container of a machine: who it is, and which run.
        found["containerID"] = f"vmpod://{record.uid}/{status.name}/{status.restarts}"
    return found


def _times(state: Mapping[str, Any]) -> Json:
    """A container's state with times as the API has them, to the second."""
    return {
        name: {key: _seconds(value) if key.endswith("At") else value for key, value in detail.items()}
        for name, detail in state.items()
    }


def _seconds(moment: str | None) -> str | None:
    """An RFC 3339 moment without the fraction of its second (metav1.Time); None stays."""
    if not moment:
        return None
    return f"{moment.partition('.')[0]}Z" if "." in moment else moment


def _image(document: Mapping[str, Any], name: str) -> str:
    every = containers_of(document.get("spec") or {})
    return next((str(each.get("image", "")) for each in every if each.get("name") == name), "")


def qos_class(document: Mapping[str, Any]) -> str:
    """Guaranteed, Burstable or BestEffort. Source: Kubernetes, "Pod Quality of Service Classes"."""
    spec = document.get("spec") or {}
    # What is said of the pod as a whole goes before what its containers say.
    resources = (
        [spec["resources"]]
        if spec.get("resources")
        else [each.get("resources") or {} for each in containers_of(spec)]
    )
    if not any(_stated(each, "limits") or _stated(each, "requests") for each in resources):
        return "BestEffort"
    return "Guaranteed" if all(map(_guaranteed, resources)) else "Burstable"


def _guaranteed(resources: Mapping[str, Any]) -> bool:
    limits, requests = _stated(resources, "limits"), _stated(resources, "requests")
    # A request that is not stated is the limit.
    return set(limits) >= {"cpu", "memory"} and all(
        str(requests.get(name, limits[name])) == str(limits[name]) for name in ("cpu", "memory")
    )


def _stated(resources: Mapping[str, Any], kind: str) -> Json:
    return {name: value for name, value in (resources.get(kind) or {}).items() if name in {"cpu", "memory"}}
