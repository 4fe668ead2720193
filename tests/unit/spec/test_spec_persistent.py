"""PersistentVolumes: which claims they are for, and what becomes of the pods that name those."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.spec.manifests import container, faults, pod, read
from tests.unit.spec.test_spec_claims import claim
from tests.unit.spec.test_spec_workloads import workload
from vmpod.errors import ManifestError
from vmpod.spec.volumemodel import ClaimVolume, HostPath

NAMED = [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]


def volume(name: str = "pv", *, storage: str = "2Gi", **spec: Any) -> dict[str, Any]:
    source = {} if "local" in spec or "nfs" in spec else {"hostPath": {"path": f"/srv/{name}"}}
    wanted = {"capacity": {"storage": storage}, "accessModes": ["ReadWriteOnce"]} | source
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": wanted | spec,
    }


def path(*documents: dict[str, Any]) -> str:
    """Where on the host the volume of a pod is, '' if it is a claim's disk."""
    (found,) = read(pod(volumes=NAMED), *documents).pods[0].volumes
    assert isinstance(found.source, HostPath | ClaimVolume)
    return found.source.path if isinstance(found.source, HostPath) else ""


def test_pods_get_the_directory() -> None:
    mounts = [{"name": "v", "mountPath": "/a"}, {"name": "w", "mountPath": "/b", "subPath": "x"}]
    inside = {
        "containers": [container(volumeMounts=mounts)],
        "initContainers": [container(name="init", volumeMounts=mounts[:1])],
        "volumes": [
            {"name": "v", "persistentVolumeClaim": {"claimName": "data", "readOnly": True}},
            {"name": "w", "emptyDir": {}},
        ],
    }
    bound = [claim(), volume(local={"path": "/srv/disk"})]
    for claimed in bound:
        claimed["metadata"]["namespace"] = "shop"
    found = read(workload("Deployment", replicas=2, pod=inside), *bound)
    assert found.claims == (), "there is no disk to be made"
    for each in found.pods:
        assert each.volumes[0].source == HostPath("/srv/disk", "Directory")
        assert [mount.read_only for mount in each.containers[0].volume_mounts] == [True, False]
        assert [mount.read_only for mount in each.init_containers[0].volume_mounts] == [True]
        again = read(dict(each.document)).pods[0]
        assert again.volumes == each.volumes, "what is written down needs neither claim nor volume"
        assert again.containers[0].volume_mounts == each.containers[0].volume_mounts
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "j", "namespace": "shop"},
        "spec": {"template": {"spec": inside | {"restartPolicy": "Never"}}},
    }
    assert read(job, *bound).jobs[0].template.volumes[0].source == HostPath("/srv/disk", "Directory")


def test_which_claim_gets_which_volume() -> None:
    assert path(claim(), volume()) == "/srv/pv"
    assert path(volume("b", storage="3Gi"), claim(), volume("a")) == "/srv/a", "the smallest"
    assert path(claim(storage="3Gi"), volume()) == "", "too small"
    assert path(claim(accessModes=["ReadWriteMany"]), volume(accessModes=["ReadWriteMany"])) == "/srv/pv"
    assert path(claim(storageClassName="a"), volume()) == "", "another class"
    assert path(claim(), volume(storageClassName="a")) == "", "another class"
    assert path(claim(storageClassName="a"), volume(storageClassName="a")) == "/srv/pv"
    assert path(claim(volumeName="b"), volume("a"), volume("b")) == "/srv/b"
    assert path(claim(), volume(claimRef={"name": "other"})) == "", "kept for another"
    assert path(claim(), volume("a"), volume("b", claimRef={"name": "data"})) == "/srv/b"
    assert path(claim(), volume(claimRef={"name": "data", "namespace": "shop"})) == ""
    # The one that names it goes before, and each has its own.
    first = claim("first")
    assert path(first, claim(volumeName="a"), volume("a"), volume("b")) == "/srv/a"
    assert path(first, claim(), volume("a")) == "", "taken"


def test_what_nobody_gets_is_told() -> None:
    notes = read(pod(), volume(), claim(storageClassName="other")).pods[0].notes
    assert [note.partition(" (")[0] for note in notes] == [
        "the PersistentVolume 'pv' has no effect: no claim of this manifest fits it",
    ]
    # A claim with a volume has a class.
    found = read(pod(), volume(storageClassName="a"), claim(storageClassName="a"))
    assert (found.pods[0].notes, found.claims) == ((), ())
    with pytest.raises(ManifestError, match="holds no Pod, only what pods use"):
        read(volume(), claim())


@pytest.mark.parametrize(
    ("document", "told"),
    [
        (volume(nfs={"server": "s", "path": "/"}), "spec.nfs: is not supported: the guest cannot mount it"),
        (volume(hostPath=None), "spec: needs hostPath or local"),
        (volume(local={"path": "/a"}, hostPath={"path": "/a"}), "spec.local: must not be given together"),
        (volume(hostPath={"path": "a"}), "spec.hostPath.path: 'a' must be an absolute path"),
        (volume(local={"path": "a"}), "spec.local.path: 'a' must be an absolute path"),
        (volume(volumeMode="Block"), "spec.volumeMode: must be Filesystem, not 'Block'"),
        (volume(capacity=None), "spec.capacity: is required"),
        (volume(capacity={}), "spec.capacity.storage: is required"),
        (volume(accessModes=["Sometimes"]), "spec.accessModes[0]: must be ReadWriteOnce, ReadOnlyMany"),
        (volume(claimRef={}), "spec.claimRef.name: is required"),
        (volume() | {"spec": None}, "spec: is required"),
    ],
)
def test_volumes_that_make_no_sense(document: dict[str, Any], told: str) -> None:
    (fault,) = faults(document, pod())
    assert fault.startswith(told)


def test_claims_and_pods_that_make_no_sense_are_no_obstacle() -> None:
    """What is wrong with them is said where they are read, once."""
    assert faults(volume(), claim() | {"spec": 5}, pod()) == ["spec: must be a mapping, not a number"]
    assert len(faults(volume(), claim(storage="much"), pod())) == 1
    assert len(faults(volume(), claim(), pod(volumes=[5, {"name": "v", "persistentVolumeClaim": 5}]))) == 2
    assert len(faults(volume(), volume(), pod())) == 1
