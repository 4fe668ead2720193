"""PersistentVolumeClaims as manifests describe them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.spec.manifests import container, faults, pod, read
from tests.unit.spec.test_spec_workloads import workload
from vmpod.spec.volumemodel import ClaimVolume

MIB = 1024 * 1024


def claim(name: str = "data", *, storage: Any = "1Gi", **spec: Any) -> dict[str, Any]:
    wanted = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": storage}}}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": wanted | spec,
    }


def test_a_claim() -> None:
    document = claim(accessModes=["ReadWriteOnce", "ReadOnlyMany"])
    document["metadata"] |= {"namespace": "shop", "labels": {"app": "db"}}
    (found,) = read(document).claims
    assert (found.namespace, found.name, found.size) == ("shop", "data", 1024 * MIB)
    assert found.modes == ("ReadWriteOnce", "ReadOnlyMany")
    assert (found.labels, found.document) == ({"app": "db"}, document)
    assert read(document).pods == ()


@pytest.mark.parametrize(
    ("storage", "size"), [("1", 16 * MIB), ("16Mi", 16 * MIB), ("100M", 96 * MIB), (1 << 30, 1024 * MIB)]
)
def test_sizes_are_rounded_up(storage: Any, size: int) -> None:
    assert read(claim(storage=storage)).claims[0].size == size


def test_a_pod_names_one() -> None:
    volumes = [
        {"name": "a", "persistentVolumeClaim": {"claimName": "data"}},
        {"name": "b", "persistentVolumeClaim": {"claimName": "data", "readOnly": True}},
    ]
    found = read(pod(volumes=volumes), claim()).pods[0]
    assert [each.source for each in found.volumes] == [ClaimVolume("data"), ClaimVolume("data", True)]


def test_many_that_write_are_one_at_a_time() -> None:
    (found,) = read(claim(accessModes=["ReadWriteMany"])).claims
    assert found.modes == ("ReadWriteMany",)
    (note,) = found.notes
    assert note.startswith("spec.accessModes[0]: one pod at a time may write")


@pytest.mark.parametrize(
    ("document", "told"),
    [
        (
            claim(accessModes=["Sometimes"]),
            "spec.accessModes[0]: must be one of ReadWriteOnce, ReadOnlyMany,",
        ),
        (claim(accessModes=[]), "spec.accessModes: needs at least one mode"),
        (claim(accessModes=None), "spec.accessModes: is required"),
        (
            claim(accessModes=["ReadWriteOncePod", "ReadOnlyMany"]),
            "spec.accessModes: ReadWriteOncePod must stand alone",
        ),
        (claim(storage="0"), "spec.resources.requests.storage: must be more than nothing, and at most 15Ti"),
        (
            claim(storage="1Pi"),
            "spec.resources.requests.storage: must be more than nothing, and at most 15Ti",
        ),
        (claim(resources={}), "spec.resources.requests: is required"),
        (
            claim(resources={"requests": {"storage": "2Gi"}, "limits": {"storage": "1Gi"}}),
            "spec.resources.limits.storage: must not be less than the request",
        ),
        (claim(storageClassName="A b"), "spec.storageClassName: 'A b' must be at most 253 lower-case"),
        (claim(volumeMode="Raw"), "spec.volumeMode: must be Filesystem or Block, not 'Raw'"),
        (
            claim(dataSource={"kind": "VolumeSnapshot", "name": "s"}),
            "spec.dataSource: is not supported: a claim",
        ),
        (claim(selector={"matchLabels": {"a": "b"}}), "spec.selector: is not supported: a claim gets a new"),
        (claim(volumeName="pv-1"), "spec.volumeName: no PersistentVolume of this manifest has this name"),
        (claim() | {"spec": None}, "spec: is required"),
    ],
)
def test_claims_that_make_no_sense(document: dict[str, Any], told: str) -> None:
    (fault,) = faults(document)
    assert fault.startswith(told)


def test_what_clusters_add_is_no_fault() -> None:
    shown = claim(storageClassName="standard", volumeMode="Filesystem", selector={}) | {
        "status": {"phase": "Bound"}
    }
    assert faults(shown) == []
    found = read(shown, pod())
    assert found.claims[0].notes == (
        "spec.storageClassName has no effect: there is one class of storage: a disk file on this host",
    )
    assert found.pods[0].notes == ()


def test_each_stands_once() -> None:
    (fault,) = faults(claim(), claim())
    assert "an earlier document is 'default/data' already" in fault


def _set(**spec: Any) -> dict[str, Any]:
    template = claim("data", storage="100Mi")
    del template["apiVersion"], template["kind"]
    mounts = [{"name": "data", "mountPath": "/data"}]
    inside = {"containers": [container(volumeMounts=mounts)], "volumes": [{"name": "data", "emptyDir": {}}]}
    return workload("StatefulSet", replicas=2, pod=inside, volumeClaimTemplates=[template], **spec)


def test_a_stateful_set_claims_for_each_pod() -> None:
    found = read(_set())
    assert found.claims == (), "they are the pods', and stay when the manifest is deleted"
    assert [[each.name for each in pod.claims] for pod in found.pods] == [["data-web-0"], ["data-web-1"]]
    second = found.pods[1]
    assert [each.source for each in second.volumes] == [ClaimVolume("data-web-1")]
    assert (second.claims[0].namespace, second.claims[0].size) == ("shop", 100 * MIB)
    # Both can be read again as what they are.
    (again,) = read(dict(second.claims[0].document)).claims
    assert (again.namespace, again.name, again.size) == ("shop", "data-web-1", 100 * MIB)
    assert read(dict(second.document)).pods[0].volumes == second.volumes


def test_its_templates_are_checked() -> None:
    document = _set()
    document["spec"]["volumeClaimTemplates"] *= 2
    (fault,) = faults(document)
    assert fault == "spec.volumeClaimTemplates[1].metadata.name: another template is 'data' already"
