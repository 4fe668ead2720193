"""Deployments, ReplicaSets, StatefulSets and their like: the pods that they make on one node.

They are made when they are applied, and nobody watches them afterwards: a pod's own restart policy starts its
containers again, and a machine that has died is started by the next `vmpod apply`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from vmpod.spec import names
from vmpod.spec.claims import read_claim_templates
from vmpod.spec.containermodel import RestartPolicy
from vmpod.spec.fields import Table
from vmpod.spec.machine import OWNER
from vmpod.spec.metadata import Metadata, read_metadata, read_template_metadata
from vmpod.spec.model import Claim, MachineSize, Pod, Retention
from vmpod.spec.naming import full_name
from vmpod.spec.pod import read_pod
from vmpod.spec.reader import Record
from vmpod.spec.references import References
from vmpod.spec.selectors import check_labels, check_selector
from vmpod.spec.tree import Node
from vmpod.spec.updates import check_updates
from vmpod.spec.volumemodel import ClaimVolume, Volume
from vmpod.spec.workloadfields import (
    DAEMON_SET,
    DAEMON_SET_SPEC,
    DEPLOYMENT,
    DEPLOYMENT_SPEC,
    ORDINALS,
    REPLICATION_CONTROLLER,
    REPLICATION_CONTROLLER_SPEC,
    RETENTION,
    STATEFUL_SET,
    STATEFUL_SET_SPEC,
    TEMPLATE,
)

_CONTROLLER = "ReplicationController"
"""What came before ReplicaSets, and is in the API's first group."""

WORKLOADS: dict[str, tuple[Table, Table]] = {
    "Deployment": (DEPLOYMENT, DEPLOYMENT_SPEC),
    "ReplicaSet": (DEPLOYMENT, DEPLOYMENT_SPEC),
    "StatefulSet": (STATEFUL_SET, STATEFUL_SET_SPEC),
    "DaemonSet": (DAEMON_SET, DAEMON_SET_SPEC),
    _CONTROLLER: (REPLICATION_CONTROLLER, REPLICATION_CONTROLLER_SPEC),
}

VERSIONS = dict.fromkeys(WORKLOADS, "apps/v1") | {_CONTROLLER: "v1"}
"""The apiVersion of each."""

_MAX_REPLICAS = 100
_INDEX, _NAME = "apps.kubernetes.io/pod-index", "statefulset.kubernetes.io/pod-name"


def read_workload(document: Record, kind: str, references: References) -> list[Pod]:
    """The pods that a workload makes; none if it makes no sense."""
    metadata = read_metadata(document)
    place = document.require("spec")
    spec = place.record(WORKLOADS[kind][1]) if place else None
    given = spec.require("template") if spec else None
    template = given.record(TEMPLATE) if given else None
    if spec is None or template is None:
        return []
    if metadata.machine != MachineSize():
        place = document.place.child("metadata").child("annotations")
        place.wrong("a machine is a pod's: what it needs belongs into spec.template.metadata.annotations")
    own = read_template_metadata(template, metadata)
    if kind == _CONTROLLER:
        check_labels(spec.get("selector"), own.labels)
    else:
        check_selector(spec, own.labels)
    claims = read_claim_templates(spec, metadata) if kind == "StatefulSet" else []
    pod = read_pod(template, own, references, claims)
    if pod is None:
        return []
    if pod.restart_policy is not RestartPolicy.ALWAYS:
        template.wrong("spec", f"the restartPolicy in a {kind} must be Always")
    if pod.active_deadline_seconds is not None:
        deadline = template.place.child("spec").child("activeDeadlineSeconds")
        deadline.wrong(f"must not be given in a {kind}, whose pods do not come to an end")
    check_updates(spec, kind)
    return _pods(spec, pod, kind, metadata)


def owner_of(kind: str, document: Record) -> tuple[str, str]:
    """A workload's namespace, and how its pods call it."""
    metadata = read_metadata(document)
    return metadata.namespace, f"{kind}/{metadata.name}"


def read_retention(document: Record) -> Retention | None:
    """What becomes of a StatefulSet's claims; None if it makes none. What is wrong with it is reported."""
    place = document.place.child("spec")
    if place.node is document.place.node or not isinstance(place.node.value, Mapping):
        return None
    policy = place.child("persistentVolumeClaimRetentionPolicy")
    there = policy.node is not place.node and policy.node.value is not None
    given = policy.record(RETENTION) if there else None
    goes = [
        given is not None and given.choice(when, ("Retain", "Delete"), "Retain") == "Delete"
        for when in ("whenDeleted", "whenScaled")
    ]
    claims = place.child("volumeClaimTemplates").node
    names_there = (_name_of(each) for each in (claims.value if isinstance(claims.value, tuple) else ()))
    found = tuple(name for name in names_there if name)
    return Retention(found, *goes) if found else None


def _name_of(document: Node) -> str:
    """What a document calls itself; '' where it says nothing that can be a name."""
    for step in ("metadata", "name"):
        value = document.value
        found = value.get(step) if isinstance(value, Mapping) else None
        if found is None:
            return ""
        document = found
    return document.value if isinstance(document.value, str) else ""


def _pods(spec: Record, pod: Pod, kind: str, metadata: Metadata) -> list[Pod]:
    if kind == "DaemonSet":
        return [_named(pod, metadata.name, kind, metadata.name)]
    count = spec.integer("replicas", 0, _MAX_REPLICAS)
    first = 0
    if kind == "StatefulSet":
        ordinals = spec.record("ordinals", ORDINALS)
        first = (ordinals.integer("start", 0, 10_000) if ordinals else None) or 0
        subdomain = spec.text("serviceName", names.dns_label)
        policy = spec.choice("podManagementPolicy", ("OrderedReady", "Parallel"), "OrderedReady")
        pod = replace(pod, ordered=policy == "OrderedReady")
    found = []
    for number in range(first, first + (1 if count is None else count)):
        each = _named(pod, f"{metadata.name}-{number}", kind, metadata.name)
        found.append(_member(each, number, subdomain) if kind == "StatefulSet" else each)
    return found


def _named(pod: Pod, name: str, kind: str, owner: str) -> Pod:
    annotations = dict(pod.annotations) | {OWNER: f"{kind}/{owner}"}
    hostname = names.default_hostname(name)
    spec = dict(pod.document["spec"])
    if "hostname" in spec:
        hostname = pod.hostname
    return replace(
        pod,
        name=name,
        hostname=hostname,
        annotations=annotations,
        document=_document(pod, name, spec, pod.labels, annotations),
    )


def _member(pod: Pod, number: int, subdomain: str) -> Pod:
    """One of a StatefulSet, whose name is its host's, in the domain of its service, with its own claims."""
    claims = {each.name: _own_claim(each, pod) for each in pod.claims}
    labels = dict(pod.labels) | {_INDEX: str(number), _NAME: pod.name}
    spec: dict[str, Any] = dict(pod.document["spec"]) | {"hostname": pod.name}
    if subdomain:
        spec["subdomain"] = subdomain
    if claims:
        told = {name: {"claimName": each.name} for name, each in claims.items()}
        kept = [each for each in spec.get("volumes") or () if each.get("name") not in claims]
        spec["volumes"] = [*kept, *({"name": n, "persistentVolumeClaim": told[n]} for n in told)]
    return replace(
        pod,
        volumes=tuple(_claimed(volume, claims) for volume in pod.volumes),
        claims=tuple(claims.values()),
        labels=labels,
        hostname=pod.name,
        fqdn=full_name(pod.name, subdomain, pod.namespace),
        document=_document(pod, pod.name, spec, labels, dict(pod.annotations)),
    )


def _own_claim(template: Claim, pod: Pod) -> Claim:
    name = f"{template.name}-{pod.name}"
    metadata = {"name": name, "namespace": pod.namespace, "labels": dict(template.labels)}
    head = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata}
    return replace(template, name=name, document=head | {"spec": template.document.get("spec")})


def _claimed(volume: Volume, claims: Mapping[str, Claim]) -> Volume:
    """A volume that a claim is made for, with the name of the pod's own."""
    own = claims.get(volume.name)
    return Volume(volume.name, ClaimVolume(own.name)) if own else volume


def _document(pod: Pod, name: str, spec: Any, labels: Any, annotations: Any) -> dict[str, Any]:
    """The pod as a document of its own."""
    metadata = {"name": name, "namespace": pod.namespace, "labels": labels, "annotations": annotations}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
