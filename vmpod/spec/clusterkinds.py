"""Kinds that only mean something to a cluster, and that manifests for one have beside their pods.

As with fields: what can have no effect on one node is passed over aloud, so that such a manifest runs as it
is; what would change what the pods may do, or what they are, is refused.
"""

from __future__ import annotations

from vmpod.spec.fields import Effect, differs, noted, refused, table
from vmpod.spec.podfields import NO_MOVES
from vmpod.spec.reader import Place
from vmpod.spec.services import check_service
from vmpod.spec.words import shown

_NOBODY = "there is no API server to be somebody for"
_NO_ROUTES = (
    "pods are reached at the ports that hostPort or `--publish` binds, and by no other name or address"
)

_A_NAME = (
    "it leads from other pods of the manifest to a pod of it that binds its ports on the host, as hostPorts "
    "of the same numbers, and from a pod to itself; it has no address, and shares nothing out"
)

_NO_DEVICES = "there are no devices to claim"
_ONE_CLASS = "there is one class: the host's disk"
_NOT_ASKED = "nothing would ask it before a pod runs"
_GIVEN_UP = "Kubernetes has given it up"

CLUSTER_KINDS = table(
    "Other kinds",
    differs("Service", text=_A_NAME),
    noted("Endpoints", "EndpointSlice", "Ingress", "IngressClass", why=_NO_ROUTES),
    noted("Gateway", "GatewayClass", "HTTPRoute", "GRPCRoute", why=_NO_ROUTES),
    noted("Namespace", why="a namespace is a part of a pod's name, and need not be made"),
    noted("ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding", why=_NOBODY),
    noted("PodDisruptionBudget", why=NO_MOVES),
    noted("PriorityClass", why="no pod has to make room for another"),
    noted("RuntimeClass", why="every pod runs in a machine made by vmpod"),
    noted("StorageClass", "VolumeAttributesClass", "VolumeSnapshotClass", why=_ONE_CLASS),
    noted("DeviceClass", why=_NO_DEVICES),
    noted("FlowSchema", "PriorityLevelConfiguration", why="there is no API server to be asked"),
    noted("ResourceQuota", why="nothing adds up what the pods of a namespace ask for"),
    noted("HorizontalPodAutoscaler", why="there are as many replicas as the manifest says"),
    refused("LimitRange", why="write what it gives to containers into each of them"),
    refused("NetworkPolicy", why="nothing would enforce it: a pod reaches what its host does"),
    refused("VolumeSnapshot", why="claims are not copied; `vmpod snapshot` keeps a pod as a whole"),
    refused("ResourceClaim", "ResourceClaimTemplate", why=_NO_DEVICES),
    refused("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", why=_NOT_ASKED),
    refused("MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding", why=_NOT_ASKED),
    refused("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration", why=_NOT_ASKED),
    refused("CustomResourceDefinition", why="nothing would act on what it defines"),
    refused("CertificateSigningRequest", why="there is no API server to sign it"),
    refused("PodSecurityPolicy", "PodPreset", why=_GIVEN_UP),
)

_ADMISSION = "admissionregistration.k8s.io"
_GATEWAY, _DEVICES = "gateway.networking.k8s.io", "resource.k8s.io"
_STANDARD = "pod-security.kubernetes.io/enforce"
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
    "VolumeAttributesClass": "storage.k8s.io",
    "VolumeSnapshotClass": "snapshot.storage.k8s.io",
    "VolumeSnapshot": "snapshot.storage.k8s.io",
    "HorizontalPodAutoscaler": "autoscaling",
    "FlowSchema": "flowcontrol.apiserver.k8s.io",
    "PriorityLevelConfiguration": "flowcontrol.apiserver.k8s.io",
    "CustomResourceDefinition": "apiextensions.k8s.io",
    "CertificateSigningRequest": "certificates.k8s.io",
    "PodSecurityPolicy": "policy",
    "PodPreset": "settings.k8s.io",
    **dict.fromkeys(("Gateway", "GatewayClass", "HTTPRoute", "GRPCRoute"), _GATEWAY),
    **dict.fromkeys(("DeviceClass", "ResourceClaim", "ResourceClaimTemplate"), _DEVICES),
    **dict.fromkeys(("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"), _ADMISSION),
    **dict.fromkeys(("MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding"), _ADMISSION),
    **dict.fromkeys(("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"), _ADMISSION),
}
"""The kinds' API groups; '' is that of all others. Other groups have kinds of the same names."""


def _also(document: Place) -> str:
    """What a document asks for that would be missed: a Namespace's standard of its pods' security."""
    labels = document.child("metadata").child("labels").node.plain()
    level = labels.get(_STANDARD) if isinstance(labels, dict) else None
    return f"; nothing keeps its pods to the standard {shown(str(level))}" if level else ""


def pass_over(document: Place, kind: str, version: str) -> bool:
    """Say what becomes of a document of such a kind; False if it is of none."""
    field = CLUSTER_KINDS.get(kind)
    if field is None or version.rpartition("/")[0] != _GROUPS.get(kind, ""):
        return False
    if field.effect is not Effect.REFUSED:
        name = document.child("metadata").child("name").node.value
        told = f" {shown(name)}" if isinstance(name, str) else ""
        effect = "has no effect" if field.effect is Effect.NOTED else "is a name alone"
        document.context.notes.append(f"the {kind}{told} {effect}: {field.text}{_also(document)}")
        if kind == "Service":
            check_service(document)
            document.context.services.append(document)
    else:
        document.child("kind").wrong(f"{kind} is not supported: {field.text}")
    return True
