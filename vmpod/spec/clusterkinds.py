"""Kinds that only mean something to a cluster, and that manifests for one have beside their pods.

As with fields: what can have no effect on one node is passed over aloud, so that such a manifest runs as it
is; what would change what the pods may do, or what they are, is refused.
"""

from __future__ import annotations

from vmpod.spec.fields import Effect, noted, refused, table
from vmpod.spec.podfields import NO_MOVES
from vmpod.spec.reader import Place
from vmpod.spec.words import shown

_NOBODY = "there is no API server to be somebody for"
_NO_ROUTES = (
    "pods are reached at the ports that hostPort or `--publish` binds, and by no other name or address"
)

CLUSTER_KINDS = table(
    "Other kinds",
    noted("Service", "Endpoints", "EndpointSlice", "Ingress", "IngressClass", why=_NO_ROUTES),
    noted("Namespace", why="a namespace is a part of a pod's name, and need not be made"),
    noted("ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding", why=_NOBODY),
    noted("PodDisruptionBudget", why=NO_MOVES),
    noted("PriorityClass", why="no pod has to make room for another"),
    noted("RuntimeClass", why="every pod runs in a machine made by vmpod"),
    noted("StorageClass", why="there is one class: the host's disk"),
    noted("ResourceQuota", why="nothing adds up what the pods of a namespace ask for"),
    noted("HorizontalPodAutoscaler", why="there are as many replicas as the manifest says"),
    refused("PersistentVolume", why="a PersistentVolumeClaim gets a disk of its own"),
    refused("LimitRange", why="write what it gives to containers into each of them"),
    refused("NetworkPolicy", why="nothing would enforce it: a pod reaches what its host does"),
    refused("ReplicationController", why="write a ReplicaSet, which does the same"),
)

_GROUPS = {
    "EndpointSlice": "discovery.k8s.io",
    "Ingress": "networking.k8s.io",
    "IngressClass": "networking.k8s.io",
    "NetworkPolicy": "networking.k8s.io",
    "Role": "rbac.authorization.k8s.io",
    "RoleBinding": "rbac.authorization.k8s.io",
    "ClusterRole": "rbac.authorization.k8s.io",
    "ClusterRoleBinding": "rbac.authorization.k8s.io",
    "PodDisruptionBudget": "policy",
    "PriorityClass": "scheduling.k8s.io",
    "RuntimeClass": "node.k8s.io",
    "StorageClass": "storage.k8s.io",
    "HorizontalPodAutoscaler": "autoscaling",
}
"""The kinds' API groups; '' is that of all others. Other groups have kinds of the same names."""


def pass_over(document: Place, kind: str, version: str) -> bool:
    """Say what becomes of a document of such a kind; False if it is of none."""
    field = CLUSTER_KINDS.get(kind)
    if field is None or version.rpartition("/")[0] != _GROUPS.get(kind, ""):
        return False
    if field.effect is Effect.NOTED:
        name = document.child("metadata").child("name").node.value
        told = f" {shown(name)}" if isinstance(name, str) else ""
        document.context.notes.append(f"the {kind}{told} has no effect: {field.text}")
    else:
        document.child("kind").wrong(f"{kind} is not supported: {field.text}")
    return True
