"""Fields that have no effect are checked all the same: what no cluster takes is no manifest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.spec.api import definitions
from tests.unit.spec.manifests import container, faults, pod, secret
from vmpod.spec.contract import KINDS, inside
from vmpod.spec.fields import Effect, Table
from vmpod.spec.fieldsdoc import TABLES
from vmpod.spec.shapes import Amount, Free, Known, Many, Shape, Share, Target, Text, Truth, Whole

SPREAD = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}

PODS: list[tuple[dict[str, Any], str]] = [
    ({"nodeSelector": ["a"]}, "nodeSelector: must be a mapping, not a list"),
    ({"nodeSelector": {"a": 1}}, "nodeSelector['a']: must be a string, not a number: write it in quotes"),
    ({"nodeSelector": {"a": "b c"}}, "nodeSelector['a']: 'b c' must be at most 63"),
    ({"tolerations": [{"keyy": "x"}]}, "tolerations[0].keyy: unknown field; did you mean key?"),
    ({"tolerations": [{"effect": "Never"}]}, "tolerations[0].effect: must be NoSchedule, PreferNo"),
    ({"tolerations": [{"tolerationSeconds": "5"}]}, "tolerations[0].tolerationSeconds: must be a whole"),
    ({"affinity": {"nodeAfinity": {}}}, "affinity.nodeAfinity: unknown field; did you mean nodeAffinity?"),
    (
        {"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{}]}}},
        "affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey: is required",
    ),
    ({"topologySpreadConstraints": {}}, "topologySpreadConstraints: must be a list, not a mapping"),
    (
        {"topologySpreadConstraints": [SPREAD | {"maxSkew": 0}]},
        "topologySpreadConstraints[0].maxSkew: must be between 1 and",
    ),
    ({"imagePullSecrets": ["a"]}, "imagePullSecrets[0]: must be a mapping, not a string"),
    ({"schedulerName": "A B"}, "schedulerName: 'A B' must be at most 253"),
    ({"priority": "high"}, "priority: must be a whole number, not a string"),
    ({"preemptionPolicy": "Always"}, "preemptionPolicy: must be PreemptLowerPriority or Never, not 'Always'"),
    ({"overhead": {"cpu": "much"}}, "overhead['cpu']: 'much' must be a quantity"),
    ({"hostUsers": "no"}, "hostUsers: must be true or false, not a string"),
    ({"enableServiceLinks": 0}, "enableServiceLinks: must be true or false, not a number"),
    ({"securityContext": {"seLinuxOptions": {"level": 5}}}, "securityContext.seLinuxOptions.level: must be"),
]


@pytest.mark.parametrize(("spec", "told"), PODS)
def test_of_a_pod(spec: dict[str, Any], told: str) -> None:
    (found,) = faults(pod(**spec))
    assert found.startswith(f"spec.{told}")


def test_what_a_cluster_takes_is_taken() -> None:
    selector = {"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "a", "operator": "Exists"}]}
    term = {"labelSelector": selector, "topologyKey": "kubernetes.io/hostname"}
    preferred = [{"weight": 100, "podAffinityTerm": term}]
    spec: dict[str, Any] = {
        "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred}},
        "tolerations": [{"operator": "Exists"}, {"key": "a/b", "value": "", "tolerationSeconds": -1}],
        "priority": -5,
        "overhead": {"cpu": "250m", "memory": 1024},
        "imagePullSecrets": [{"name": "login"}, {}],
        "schedulerName": "",
        "nodeSelector": None,
        "topologySpreadConstraints": [SPREAD],
    }
    assert faults(pod(**spec)) == []


UPDATES: list[tuple[str, dict[str, Any], str]] = [
    ("Deployment", {"strategy": {"type": "Rolling"}}, "strategy.type: must be RollingUpdate or Recreate"),
    (
        "Deployment",
        {"strategy": {"type": "Recreate", "rollingUpdate": {"maxSurge": 1}}},
        "strategy.rollingUpdate: must not be given where the type is Recreate",
    ),
    (
        "Deployment",
        {"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "0%"}}},
        "strategy.rollingUpdate.maxUnavailable: must not be 0 where maxSurge is 0",
    ),
    (
        "Deployment",
        {"strategy": {"rollingUpdate": {"maxSurge": "a lot"}}},
        "strategy.rollingUpdate.maxSurge: 'a lot' must be a whole number, or a percentage",
    ),
    (
        "Deployment",
        {"minReadySeconds": 9, "progressDeadlineSeconds": 9},
        "progressDeadlineSeconds: must be more than minReadySeconds",
    ),
    ("Deployment", {"paused": "no"}, "paused: must be true or false"),
    ("DaemonSet", {"revisionHistoryLimit": -1}, "revisionHistoryLimit: must be between 0 and"),
    (
        "StatefulSet",
        {"updateStrategy": {"type": "Recreate"}},
        "updateStrategy.type: must be RollingUpdate or",
    ),
    (
        "StatefulSet",
        {"updateStrategy": {"type": "OnDelete", "rollingUpdate": {"partition": 1}}},
        "updateStrategy.rollingUpdate: must not be given where the type is OnDelete",
    ),
]


@pytest.mark.parametrize(("kind", "spec", "told"), UPDATES)
def test_of_a_workload(kind: str, spec: dict[str, Any], told: str) -> None:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [container()]}}
    own = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    document = {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "w"}}
    assert faults(document | {"spec": own | {"minReadySeconds": 600 if kind != "Deployment" else 0}}) == []
    (found,) = faults(document | {"spec": own | spec})
    assert found.startswith(f"spec.{told}")


SERVICES: list[tuple[dict[str, Any], str]] = [
    ({"ports": [{"port": 0}]}, "spec.ports[0].port: must be between 1 and 65535"),
    ({"ports": [{"targetPort": 80}]}, "spec.ports[0].port: is required"),
    ({"ports": [{"port": 80, "targetPort": "a port"}]}, "spec.ports[0].targetPort: 'a port' must be at most"),
    ({"ports": [{"port": 1, "name": "a"}, {"port": 2}]}, "spec.ports[1].name: is required where"),
    (
        {"ports": [{"port": 1, "name": "a"}, {"port": 2, "name": "a"}]},
        "spec.ports[1].name: another port has the name 'a' already",
    ),
    ({"type": "Port"}, "spec.type: must be ClusterIP, NodePort, LoadBalancer or ExternalName, not 'Port'"),
]


def service(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


@pytest.mark.parametrize(("spec", "told"), SERVICES)
def test_of_a_service(spec: dict[str, Any], told: str) -> None:
    (found,) = faults(pod(), service("web", spec))
    assert found.startswith(told)


def test_names_of_services() -> None:
    (found,) = faults(pod(), service("1st", {"ports": [{"port": 80, "targetPort": "http"}]}))
    assert found.startswith("metadata.name: '1st' must be at most 63")
    assert faults(pod(), secret(), service("web", {"clusterIP": "None"})) == []


PLAIN: dict[type[Shape], str] = {
    Text: "string",
    Whole: "integer",
    Truth: "boolean",
    Many: "array",
    Free: "object",
}
NAMED = {Amount: "api.resource.Quantity", Share: "IntOrString", Target: "IntOrString"}


def differences(shape: Shape, schema: dict[str, Any], path: str) -> Iterator[str]:
    """Where a shape is not what the API's schema says."""
    name = schema.get("$ref", "").rpartition("/")[2]
    if type(shape) in NAMED:
        if not name.endswith(NAMED[type(shape)]):
            yield path
        return
    schema = definitions()[name] if name else schema
    if isinstance(shape, Known):
        properties = schema.get("properties", {})
        if set(properties) != set(shape.fields) or set(schema.get("required", ())) != set(shape.required):
            yield path
        for each in properties.keys() & shape.fields.keys():
            yield from differences(shape.fields[each], properties[each], f"{path}.{each}")
        return
    # `null` is as good as leaving it out.
    kinds = schema.get("type")
    if PLAIN[type(shape)] not in ([kinds] if isinstance(kinds, str) else kinds or ()):
        yield path
    if isinstance(shape, Many | Free):
        yield from differences(
            shape.of, schema["items" if isinstance(shape, Many) else "additionalProperties"], path
        )


def shapes(kind: str, table: Table, path: str, seen: set[str]) -> Iterator[tuple[str, Shape, dict[str, Any]]]:
    """Path, shape and schema of every field that has a shape, from a type down."""
    properties = definitions()[kind].get("properties", {})
    for field in table.fields:
        schema = properties.get(field.name)
        if schema and field.shape:
            yield f"{path}.{field.name}", field.shape, schema
        inner = inside(table, field.name) if schema else None
        of = str((schema or {}).get("items", schema or {}).get("$ref", "")).rpartition("/")[2]
        if inner and of and inner.title not in seen:
            seen.add(inner.title)
            yield from shapes(of, inner, f"{path}.{field.name}", seen)


API = {
    "Pod": "core", "PersistentVolumeClaim": "core",
    "PersistentVolume": "core", "ReplicationController": "core", "Deployment": "apps",
    "StatefulSet": "apps", "DaemonSet": "apps", "Job": "batch",
}  # fmt: skip


@pytest.mark.parametrize("kind", API)
def test_shapes_are_the_apis_own(kind: str) -> None:
    found = list(shapes(f"io.k8s.api.{API[kind]}.v1.{kind}", KINDS[kind], kind, set()))
    assert found
    assert [each for path, shape, schema in found for each in differences(shape, schema, path)] == []


def test_what_is_not_read_has_a_shape() -> None:
    """But for what an API server writes into what it shows, and two fields of versions that few have."""
    missing = {
        field.name
        for table in TABLES
        if "metadata" not in table.title and table.title != "claimRef"
        for field in table.fields
        if field.effect in (Effect.NOTED, Effect.SILENT) and field.shape is None
    }
    assert missing == {"status", "apiVersion", "kind", "workloadRef", "scheduling"}
