"""What a pod is told about itself."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.spec.manifests import config_map, container, faults, pod, read_pod, secret
from vmpod.spec.environment import resolve_env
from vmpod.spec.facts import facts_of
from vmpod.spec.model import Manifest, Pod

FIELDS = {"metadata.uid": "u-1", "spec.nodeName": "node", "status.podIPs": "1.2.3.4,::1"}
MACHINE = {"cpu": 2000, "memory": 2**30, "ephemeral-storage": 2**36}


def values(found: Pod) -> dict[str, str]:
    facts = facts_of(found, FIELDS, MACHINE)
    variables = resolve_env(found.containers[0], Manifest((found,)), facts)
    return {each.name: each.value for each in variables}


def field(path: str) -> dict[str, Any]:
    return {"valueFrom": {"fieldRef": {"fieldPath": path}}}


def amount(resource: str, **more: Any) -> dict[str, Any]:
    return {"valueFrom": {"resourceFieldRef": {"resource": resource} | more}}


def test_fields() -> None:
    paths = {
        "NAME": "metadata.name",
        "SPACE": "metadata.namespace",
        "UID": "metadata.uid",
        "NODE": "spec.nodeName",
        "ACCOUNT": "spec.serviceAccountName",
        "IPS": "status.podIPs",
        "LABEL": "metadata.labels['app']",
        "NONE": "metadata.labels['none']",
        "NOTE": "metadata.annotations['a.example/B']",
    }
    env = [{"name": name} | field(path) for name, path in paths.items()]
    env.append({"name": "JOINED", "value": "$(NAME)@$(NODE)"})
    document = pod(container(env=env))
    document["metadata"] |= {"labels": {"app": "web"}, "annotations": {"a.example/B": "x y"}}
    assert values(read_pod(document)) == {
        "NAME": "p",
        "SPACE": "default",
        "UID": "u-1",
        "NODE": "node",
        "ACCOUNT": "default",
        "IPS": "1.2.3.4,::1",
        "LABEL": "web",
        "NONE": "",
        "NOTE": "x y",
        "JOINED": "p@node",
    }


def test_amounts_are_rounded_up() -> None:
    resources = {"limits": {"cpu": "1500m", "memory": "100Mi"}, "requests": {"cpu": "200m"}}
    env = [
        {"name": "CORES"} | amount("limits.cpu"),
        {"name": "MILLI"} | amount("limits.cpu", divisor="1m"),
        {"name": "ASKED"} | amount("requests.cpu", divisor="1m"),
        {"name": "BYTES"} | amount("limits.memory"),
        {"name": "MEGA"} | amount("limits.memory", divisor="1M"),
        {"name": "NO_LIMIT"} | amount("limits.ephemeral-storage", divisor="1Gi"),
        {"name": "NO_REQUEST"} | amount("requests.ephemeral-storage"),
        {"name": "OTHER"} | amount("limits.memory", containerName="other", divisor="1Mi"),
    ]
    found = read_pod(pod(container(env=env, resources=resources), container(name="other")))
    assert values(found) == {
        "CORES": "2",
        "MILLI": "1500",
        "ASKED": "200",
        "BYTES": str(100 * 2**20),
        "MEGA": "105",
        "NO_LIMIT": "64",
        "NO_REQUEST": "0",
        "OTHER": "1024",
    }


def test_all_labels_are_quoted_as_the_kubelet_does() -> None:
    document = pod()
    document["metadata"]["labels"] = {"b": "2", "a": ""}
    document["metadata"]["annotations"] = {"n": 'say "é"\n'}
    facts = facts_of(read_pod(document), FIELDS, MACHINE)
    assert facts.field("metadata.labels") == 'a=""\nb="2"'
    assert facts.field("metadata.annotations") == 'n="say \\"é\\"\\n"'


ENV: list[tuple[dict[str, Any], str]] = [
    (field("status.phase"), "valueFrom.fieldRef.fieldPath: 'status.phase' must be one of"),
    (field("metadata.labels"), "valueFrom.fieldRef.fieldPath: 'metadata.labels' must be one of"),
    (
        field("metadata.labels['a b']"),
        "valueFrom.fieldRef.fieldPath: \"metadata.labels['a b']\" has a key that",
    ),
    (
        {"valueFrom": {"fieldRef": {"apiVersion": "v2", "fieldPath": "metadata.name"}}},
        "valueFrom.fieldRef.apiVersion",
    ),
    (amount("limits.gpu"), "valueFrom.resourceFieldRef.resource: must be limits.cpu"),
    (amount("limits.cpu", divisor="1Mi"), "valueFrom.resourceFieldRef.divisor: must be one of 0, 1, 1m for"),
    (
        {"valueFrom": {"fileKeyRef": {"volumeName": "no", "path": "a", "key": "K"}}},
        "valueFrom.fileKeyRef.volumeName: the pod has no volume 'no'",
    ),
    (
        {"valueFrom": {"fileKeyRef": {"volumeName": "no", "path": "../a", "key": "K"}}},
        "valueFrom.fileKeyRef.path: '../a' must not contain",
    ),
]


@pytest.mark.parametrize(("source", "told"), ENV)
def test_what_cannot_be_told(source: dict[str, Any], told: str) -> None:
    found = faults(pod(container(env=[{"name": "A"} | source])))
    assert any(fault.startswith(f"spec.containers[0].env[0].{told}") for fault in found), found


VOLUMES: list[tuple[dict[str, Any], str]] = [
    ({"downwardAPI": {"items": [{"path": "a"}]}}, "downwardAPI.items[0]: needs fieldRef or resourceFieldRef"),
    (
        {"downwardAPI": {"items": [{"path": "a", "resourceFieldRef": {"resource": "limits.cpu"}}]}},
        "downwardAPI.items[0].resourceFieldRef: needs a containerName",
    ),
    (
        {"projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}},
        "projected.sources[0].serviceAccountToken: is not supported: there is no API server",
    ),
    (
        {
            "projected": {
                "sources": [
                    {"configMap": {"name": "conf", "items": [{"key": "k", "path": "x"}]}},
                    {"secret": {"name": "keys", "items": [{"key": "password", "path": "x"}]}},
                ]
            }
        },
        "projected.sources[1].secret.items[0].path: 'x' stands in the way",
    ),
    (
        {"projected": {"sources": [{"configMap": {"name": "nope"}}]}},
        "projected.sources[0].configMap.name: no ConfigMap",
    ),
    ({"image": {}}, "image.reference: is required"),
    ({"image": {"reference": "a", "pullPolicy": "x"}}, "image.pullPolicy: must be Always"),
    ({"ephemeral": {}}, "ephemeral.volumeClaimTemplate: is required"),
    (
        {
            "ephemeral": {
                "volumeClaimTemplate": {
                    "spec": {"volumeMode": "Block", "resources": {"requests": {"storage": "1Gi"}}}
                }
            }
        },
        "ephemeral.volumeClaimTemplate.spec.volumeMode: a claim of the pod alone is a directory",
    ),
    (
        {"ephemeral": {"volumeClaimTemplate": {"spec": {"resources": {"requests": {}}}}}},
        "ephemeral.volumeClaimTemplate.spec.resources.requests.storage: is required",
    ),
    ({"persistentVolumeClaim": {"readOnly": True}}, "persistentVolumeClaim.claimName: is required"),
    (
        {"persistentVolumeClaim": {"claimName": "Not a name"}},
        "persistentVolumeClaim.claimName: 'Not a name' must be at most 253 lower-case letters",
    ),
]


@pytest.mark.parametrize(("source", "told"), VOLUMES)
def test_volumes_that_make_no_sense(source: dict[str, Any], told: str) -> None:
    document = pod(volumes=[{"name": "v"} | source])
    found = faults(document, config_map(data={"k": "v"}), secret())
    assert any(fault.startswith(f"spec.volumes[0].{told}") for fault in found), found


MOUNTS: list[tuple[dict[str, Any], str]] = [
    ({"subPathExpr": "$(NONE)"}, "subPathExpr: the container has no variable NONE"),
    ({"subPathExpr": "$(UP)"}, "subPathExpr: must not contain '..'"),
    ({"subPathExpr": "$(SECRET)"}, "subPathExpr: holds a value of a Secret"),
    ({"subPathExpr": "a", "subPath": "b"}, "subPathExpr: must not be given together with subPath"),
    ({"recursiveReadOnly": "Enabled"}, "recursiveReadOnly: needs readOnly: true"),
    ({"mountPropagation": "Bidirectional"}, "mountPropagation: Bidirectional is not supported"),
]


@pytest.mark.parametrize(("more", "told"), MOUNTS)
def test_mounts_that_make_no_sense(more: dict[str, Any], told: str) -> None:
    env = [
        {"name": "UP", "value": "../x"},
        {"name": "SECRET", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
    ]
    mounts = [{"name": "v", "mountPath": "/m"} | more]
    document = pod(container(env=env, volumeMounts=mounts), volumes=[{"name": "v", "emptyDir": {}}])
    (found,) = faults(document, secret(name="s", stringData={"k": "v"}))
    assert found.startswith(f"spec.containers[0].volumeMounts[0].{told}")
