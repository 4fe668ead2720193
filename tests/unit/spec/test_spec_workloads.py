"""The kinds that make pods."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.spec.manifests import container, faults, read


def workload(
    kind: str, *, labels: dict[str, str] | None = None, pod: Any = None, **spec: Any
) -> dict[str, Any]:
    labels = {"app": "web"} if labels is None else labels
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container()]} | (pod or {})}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": template} | spec,
    }


@pytest.mark.parametrize("kind", ["Deployment", "ReplicaSet"])
def test_replicas(kind: str) -> None:
    pods = read(workload(kind, replicas=2)).pods
    assert [(each.namespace, each.name, each.hostname) for each in pods] == [
        ("shop", "web-0", "web-0"),
        ("shop", "web-1", "web-1"),
    ]
    assert pods[0].document["metadata"] == {
        "name": "web-0",
        "namespace": "shop",
        "labels": {"app": "web"},
        "annotations": {"vmpod/owner": f"{kind}/web"},
    }
    # What is written down can be read again as what it is.
    assert read(dict(pods[1].document)).pods[0].name == "web-1"
    assert [each.name for each in read(workload(kind)).pods] == ["web-0"]
    none = read(workload(kind, replicas=0))
    assert none.pods == ()
    assert none.owners == {("shop", f"{kind}/web")}


def test_a_stateful_set() -> None:
    document = workload("StatefulSet", replicas=2, serviceName="db", ordinals={"start": 5})
    pods = read(document).pods
    assert [(each.name, each.hostname, each.fqdn, each.ordered) for each in pods] == [
        ("web-5", "web-5", "web-5.db.shop.svc.cluster.local", True),
        ("web-6", "web-6", "web-6.db.shop.svc.cluster.local", True),
    ]
    assert pods[1].labels == {
        "app": "web",
        "apps.kubernetes.io/pod-index": "6",
        "statefulset.kubernetes.io/pod-name": "web-6",
    }
    again = read(dict(pods[1].document)).pods[0]
    assert (again.fqdn, again.labels) == (pods[1].fqdn, pods[1].labels)
    assert not read(workload("StatefulSet", podManagementPolicy="Parallel")).pods[0].ordered


def test_a_daemon_set_is_one_pod() -> None:
    (pod,) = read(workload("DaemonSet")).pods
    assert (pod.name, pod.annotations) == ("web", {"vmpod/owner": "DaemonSet/web"})


def test_what_has_no_effect_is_said_once() -> None:
    pods = read(workload("Deployment", replicas=3, strategy={"type": "Recreate"})).pods
    assert [len(each.notes) for each in pods] == [1, 0, 0]


@pytest.mark.parametrize(
    ("document", "told"),
    [
        (
            workload("Deployment", labels={"app": "other"}),
            "spec.selector.matchLabels['app']: the template",
        ),
        (
            workload("Deployment")
            | {"metadata": {"name": "web", "annotations": {"vmpod/machine-cpus": "2"}}},
            "metadata.annotations: a machine is a pod's",
        ),
        (workload("Deployment", selector=None), "spec.selector: is required"),
        (workload("Deployment", selector={}), "spec.selector: must not be empty"),
        (workload("Deployment", replicas=-1), "spec.replicas: must be between 0 and 100"),
        (workload("Deployment", template=None), "spec.template: is required"),
        (
            workload("Deployment", pod={"restartPolicy": "Never"}),
            "spec.template.spec: the restartPolicy",
        ),
        (
            workload("DaemonSet", pod={"activeDeadlineSeconds": 60}),
            "spec.template.spec.activeDeadlineSeconds: must not be given in a DaemonSet",
        ),
        (
            workload("Deployment", pod={"containers": []}),
            "spec.template.spec.containers: a pod needs",
        ),
        (
            workload("StatefulSet", persistentVolumeClaimRetentionPolicy={"whenScaled": "Never"}),
            "spec.persistentVolumeClaimRetentionPolicy.whenScaled: must be Retain or Delete, not 'Never'",
        ),
        (
            workload("Deployment") | {"apiVersion": "v1"},
            "apiVersion: must be apps/v1 for a Deployment",
        ),
        (workload("Deployment", serviceName="x"), "spec.serviceName: unknown field"),
    ],
)
def test_what_makes_no_pods(document: dict[str, Any], told: str) -> None:
    (fault,) = faults(document)
    assert fault.startswith(told)


def test_names_are_unique_among_all_that_is_made() -> None:
    single = read(workload("Deployment")).pods[0].document
    (fault,) = faults(workload("Deployment"), dict(single))
    assert fault == "metadata.name: an earlier document is 'shop/web-0' already"


def expressed(operator: str, *values: str, key: str = "app") -> dict[str, Any]:
    expression = {"key": key, "operator": operator} | ({"values": list(values)} if values else {})
    return workload("Deployment", selector={"matchExpressions": [expression]})


@pytest.mark.parametrize(
    "document",
    [
        expressed("In", "api", "web"),
        expressed("NotIn", "api"),
        expressed("NotIn", "api", key="tier"),
        expressed("Exists"),
        expressed("DoesNotExist", key="tier"),
    ],
)
def test_selectors_with_expressions(document: dict[str, Any]) -> None:
    assert [each.name for each in read(document).pods] == ["web-0"]


@pytest.mark.parametrize(
    ("document", "told"),
    [
        (expressed("In", "api"), ": the template's labels do not fit: app In api"),
        (expressed("In", "web", key="tier"), ": the template's labels do not fit: tier In web"),
        (expressed("NotIn", "api", "web"), ": the template's labels do not fit: app NotIn api, web"),
        (expressed("Exists", key="tier"), ": the template's labels do not fit: tier Exists"),
        (expressed("DoesNotExist"), ": the template's labels do not fit: app DoesNotExist"),
        (expressed("In"), ".values: is required for the operator In"),
        (expressed("Exists", "web"), ".values: must not be given for the operator Exists"),
        (expressed("Is", "web"), ".operator: must be In, NotIn, Exists or DoesNotExist"),
        (expressed("In", "a b"), ".values[0]: 'a b' must be at most 63"),
        (expressed("In", "web", key="/"), ".key: '/' has a prefix"),
    ],
)
def test_expressions_that_do_not_fit(document: dict[str, Any], told: str) -> None:
    assert faults(document)[0].startswith(f"spec.selector.matchExpressions[0]{told}")


@pytest.mark.parametrize("selector", [{}, {"selector": {"app": "web"}}, {"selector": None}])
def test_a_replication_controller(selector: dict[str, Any]) -> None:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container()]}}
    document = {
        "apiVersion": "v1",
        "kind": "ReplicationController",
        "metadata": {"name": "web"},
        "spec": {"replicas": 2, "template": template} | selector,
    }
    found = read(document)
    assert [each.name for each in found.pods] == ["web-0", "web-1"]
    assert found.owners == {("default", "ReplicationController/web")}
    document["spec"] = {"template": template, "selector": {"app": "api"}}
    assert faults(document) == [
        "spec.selector['app']: the template has no label 'app' of this value",
    ]
    assert faults(document | {"apiVersion": "apps/v1"})[0] == (
        "apiVersion: must be v1 for a ReplicationController, not 'apps/v1'"
    )
