"""Documents that only mean something to a cluster."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.spec.manifests import config_map, faults, pod, read, read_pod
from vmpod.errors import ManifestError
from vmpod.spec.load import load_all


def document(kind: str, version: str = "v1", **fields: Any) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "web"}} | fields


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (document("Service", spec={"ports": [{"port": 80}]}), "the Service 'web' is a name alone: it leads"),
        (document("Namespace"), "the Namespace 'web' has no effect: a namespace"),
        (document("Role", "rbac.authorization.k8s.io/v1"), "the Role 'web' has no effect: there is no API"),
        (
            document("PodDisruptionBudget", "policy/v1"),
            "the PodDisruptionBudget 'web' has no effect: nothing",
        ),
        (
            document("HTTPRoute", "gateway.networking.k8s.io/v1"),
            "the HTTPRoute 'web' has no effect: pods are",
        ),
        (
            document("Namespace", metadata={"labels": {"pod-security.kubernetes.io/enforce": "baseline"}}),
            (
                "the Namespace has no effect: a namespace is a part of a pod's name, and need not be made; "
                "nothing keeps its pods to the standard 'baseline'"
            ),
        ),
        (document("Namespace", metadata={"labels": 5}), "the Namespace has no effect: a namespace"),
        (document("ServiceAccount", metadata=None), "the ServiceAccount has no effect: there is"),
        (document("ServiceAccount", metadata={"name": 5}), "the ServiceAccount has no effect: there is"),
    ],
)
def test_what_is_passed_over_is_said(other: dict[str, Any], told: str) -> None:
    (note,) = read_pod(other, pod()).notes
    assert note.startswith(told)
    (note,) = read_pod({"apiVersion": "v1", "kind": "List", "items": [pod(), other]}).notes
    assert note.startswith(told)


def test_it_is_said_once_and_of_its_file() -> None:
    texts = [
        ('{"apiVersion": "v1", "kind": "Namespace"}', "first.yaml"),
        (f"{pod()}", "pods.yaml"),
        (f"{pod() | {'metadata': {'name': 'q'}}}", "more.yaml"),
        ('{"apiVersion": "v1", "kind": "Service"}', "last.yaml"),
    ]
    found = load_all(texts).pods
    assert [[note.rpartition(" ")[2] for note in each.notes] for each in found] == [
        ["(first.yaml)", "(last.yaml)"],
        [],
    ]


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (
            document("NetworkPolicy", "networking.k8s.io/v1"),
            "kind: NetworkPolicy is not supported: nothing would",
        ),
        (document("LimitRange"), "kind: LimitRange is not supported: write what"),
        (
            document("ResourceClaim", "resource.k8s.io/v1"),
            "kind: ResourceClaim is not supported: there are no devices",
        ),
        (
            document("ValidatingAdmissionPolicy", "admissionregistration.k8s.io/v1"),
            "kind: ValidatingAdmissionPolicy is not supported: nothing would ask it",
        ),
        # Kinds of other groups have the same names.
        (document("Service", "serving.knative.dev/v1"), "kind: 'Service' is not supported: only Pod"),
        (document("Role", "v1"), "kind: 'Role' is not supported: only Pod"),
    ],
)
def test_what_would_change_the_pods_is_refused(other: dict[str, Any], told: str) -> None:
    (fault,) = faults(other, pod())
    assert fault.startswith(told)


def test_pods_are_needed_all_the_same() -> None:
    with pytest.raises(ManifestError, match=r"holds no Pod\n.*: the Service 'web' is a name alone: it leads"):
        read(document("Service"))
    with pytest.raises(ManifestError, match="holds no Pod, only what pods use"):
        read(config_map(), document("Service"))
