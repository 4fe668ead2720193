"""What is refused in documents of any kind, where, and in which words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.spec.manifests import config_map, faults, only_fault, pod, read, secret
from vmpod.errors import ManifestError
from vmpod.spec.load import load


def test_every_fault_is_found_at_once() -> None:
    found = faults(pod(containers=[], hostPID="yes"), config_map(data={"": ""}), {"kind": "x"})
    assert [fault.partition(": ")[0] for fault in sorted(found)] == [
        "apiVersion",
        "data['']",
        "spec.containers",
        "spec.hostPID",
    ]


OBJECTS: list[tuple[dict[str, Any], str]] = [
    (config_map(data={"..x": "v"}), "data['..x']: the key must be"),
    (config_map(data={"k": 1.5}), "data['k']: must be a string, not a number"),
    (config_map(data=[]), "data: must be a mapping, not a list"),
    (config_map(data={"k": "x" * (2**20 + 1)}), "data: holds 1048577 bytes, more than the 1048576"),
    (config_map(binaryData={"k": "a"}), "binaryData['k']: is not base64; plain text belongs into data"),
    (config_map(stringData={}), "stringData: unknown field"),
    (secret(data={"k": "hush!"}), "data['k']: is not base64; plain text belongs into stringData"),
    (secret(stringData={"k": 4711}), "stringData['k']: must be a string, not a number: write it in quotes"),
    (
        secret(type="kubernetes.io/tls", data={"tls.crt": ""}),
        "data: a Secret of its type needs the key 'tls.key'",
    ),
    (secret(type="kubernetes.io/basic-auth"), "data: a Secret of its type needs the key 'username' or"),
    (
        secret(type="kubernetes.io/dockerconfigjson", stringData={".dockerconfigjson": "hush"}),
        "data: the value of '.dockerconfigjson' must be JSON",
    ),
    (
        secret(type="kubernetes.io/service-account-token"),
        "type: a Secret of this type needs the annotation kubernetes.io/service-account.name",
    ),
    (
        config_map() | {"metadata": {"name": "p", "labels": {"-": "v"}}},
        "metadata.labels['-']: the key must be",
    ),
    (
        config_map() | {"metadata": {"name": "p", "annotations": {"a": "x" * 300_000}}},
        "metadata.annotations: must be at most 256 KiB",
    ),
    (config_map() | {"metadata": {}}, "metadata.name: is required"),
    (
        config_map() | {"metadata": {"name": "p", "annotations": ["a"]}},
        "metadata.annotations: must be a mapping, not a list",
    ),
    (
        config_map() | {"metadata": {"name": "p", "namespace": "a.b"}},
        "metadata.namespace: 'a.b' must be at most 63",
    ),
    (
        config_map() | {"metadata": {"name": "p", "generateName": 5}},
        "metadata.generateName: must be a string, not a number",
    ),
    (pod() | {"metadata": {"generateName": "A-"}}, "metadata.generateName: 'A-' begins a name, which must"),
    (config_map() | {"metadata": None}, "metadata: is required"),
    (config_map() | {"apiVersion": "v2"}, "apiVersion: must be v1 for a ConfigMap, not 'v2'"),
    (
        {"apiVersion": "batch/v1", "kind": "CronJob"},
        "kind: CronJob is not supported: nobody here watches the clock",
    ),
    (
        {"apiVersion": "v1", "kind": "pod"},
        "kind: 'pod' is not supported: only Pod, ConfigMap, Secret, List, PersistentVolumeClaim,",
    ),
    ({"apiVersion": "v1"}, "kind: is required"),
    ({"apiVersion": "v1", "kind": None}, "kind: must be a string, not nothing"),
    ({"apiVersion": "v1", "kind": "List", "items": ["x"]}, "items[0]: a document must be a mapping"),
    ({"apiVersion": "v1", "kind": "List", "metadata": {"name": "x"}}, "metadata.name: unknown field"),
]


@pytest.mark.parametrize(("document", "expected"), OBJECTS)
def test_other_documents(document: dict[str, Any], expected: str) -> None:
    found = only_fault(pod(), document)
    assert found.startswith(expected)
    assert "4711" not in found
    assert "hush" not in found


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("machine-memory", "much", "'much' must be a quantity"),
        ("machine-memory", "0", "must be a size such as 4Gi"),
        ("machine-memory", "5Ti", "must be a size such as 4Gi, and at most 4Ti"),
        ("machine-memory", 4, "must be a string, not a number"),
        ("machine-cpus", "0", "must be a whole number from 1 to 255"),
        ("machine-cpus", "256", "must be a whole number from 1 to 255"),
        ("machine-cpus", "1.5", "must be a whole number from 1 to 255"),
        ("machine-cpus", 2, "must be a string, not a number"),
        ("memory", "1Gi", "vmpod has no such annotation; it knows vmpod/machine-memory and"),
    ],
)
def test_what_is_asked_of_the_machine(name: str, value: object, expected: str) -> None:
    metadata = {"name": "p", "annotations": {f"vmpod/{name}": value}}
    (fault,) = faults(pod() | {"metadata": metadata})
    assert fault.startswith(f"metadata.annotations['vmpod/{name}']: {expected}")


def test_profiles_in_annotations_are_refused_as_the_fields_are() -> None:
    def annotated(value: object) -> dict[str, Any]:
        key = "container.apparmor.security.beta.kubernetes.io/c"
        return pod() | {"metadata": {"name": "p", "annotations": {key: value}}}

    assert "is not supported: the guest has no AppArmor profiles" in only_fault(annotated("localhost/tight"))
    assert only_fault(annotated("runtime/default")).startswith("metadata.annotations['container.apparmor.")
    assert faults(annotated("unconfined")) == faults(annotated(None)) == []


def test_names_are_unique() -> None:
    assert only_fault(pod(), pod()) == "metadata.name: an earlier document is 'default/p' already"
    assert only_fault(pod(), secret(), secret()) == "metadata.name: an earlier document is 's' already"


@pytest.mark.parametrize("text", ["", "---\n", "# nothing", "{}\n---\n{}"])
def test_a_pod_is_needed(text: str) -> None:
    with pytest.raises(ManifestError) as caught:
        load(text, source="f")
    assert "holds no Pod" in str(caught.value) or "is required" in str(caught.value)


def test_lists_in_lists_are_unfolded() -> None:
    inner = {"apiVersion": "v1", "kind": "List", "items": [pod()]}
    assert len(read({"apiVersion": "v1", "kind": "List", "items": [inner]}).pods) == 1


def test_names_that_are_made_up() -> None:
    """Of Pods and Jobs, where they have none."""
    ends = iter(("aaaaa", "bbbbb", "ccccc"))
    documents = [pod() | {"metadata": {"generateName": "x-"}} for _ in range(2)]
    documents.append(pod() | {"metadata": {"generateName": "x-", "name": "own"}})
    text = "\n---\n".join(json.dumps(each) for each in documents)
    found = load(text, source="f", suffix=lambda: next(ends))
    assert [(each.name, each.hostname) for each in found.pods] == [
        ("x-aaaaa", "x-aaaaa"),
        ("x-bbbbb", "x-bbbbb"),
        ("own", "own"),
    ]
    assert found.pods[0].document["metadata"] == {"generateName": "x-", "name": "x-aaaaa"}
    assert [problem.path for problem in found.unnamed] == ["metadata.generateName"] * 2
    # Where nothing is made of them, they may look the same.
    assert [each.name for each in load(text, source="f").pods] == ["x-xxxxx", "x-xxxxx", "own"]
    (long,) = read(pod() | {"metadata": {"generateName": "a" * 70}}).pods
    assert long.name == "a" * 58 + "xxxxx"
    for other in (config_map(), secret()):
        told = "is for Pods and Jobs: others are spoken of by their names; write metadata.name"
        assert f"metadata.generateName: {told}" in faults(pod(), other | {"metadata": {"generateName": "m-"}})
