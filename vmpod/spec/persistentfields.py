"""The tables of PersistentVolumes: directories of the host for claims."""

from __future__ import annotations

from vmpod.spec.fields import Table, noted, refused, silent, table, works
from vmpod.spec.podfields import EMPTY
from vmpod.spec.volumefields import CLOUD

PERSISTENT_VOLUME = table(
    "PersistentVolume",
    works("apiVersion", "kind", "metadata", "spec"),
    silent("status", why="it says what was, not what is to be"),
)
VOLUME_SPEC = table(
    "spec of PersistentVolume",
    works("hostPath", "local", text="a directory of the host, which pods share; it has no size of its own"),
    works("capacity", "accessModes", text="which claims it fits"),
    works("storageClassName", text="which claims it fits: those of the same class, or of none"),
    works("claimRef", text="the claim that it is kept for"),
    works("volumeMode", text="`Filesystem`"),
    noted(
        "persistentVolumeReclaimPolicy",
        why="what is in a directory of the host stays there",
        absent=("Retain", ""),
    ),
    noted("nodeAffinity", why="the pod runs on this one host, so there is nothing to choose"),
    noted("volumeAttributesClassName", why="it is a directory of the host"),
    noted("mountOptions", why="it is mounted already", absent=EMPTY),
    refused("nfs", why="the guest cannot mount it; mount it on the host, and use hostPath"),
    refused("awsElasticBlockStore", "azureDisk", "azureFile", "cephfs", "cinder", "csi", why=CLOUD),
    refused("fc", "flexVolume", "flocker", "gcePersistentDisk", "glusterfs", "iscsi", why=CLOUD),
    refused("photonPersistentDisk", "portworxVolume", "quobyte", "rbd", "scaleIO", why=CLOUD),
    refused("storageos", "vsphereVolume", why=CLOUD),
)
CAPACITY = table("capacity", works("storage"))
LOCAL = table("local", works("path"), noted("fsType", why="it is a directory"))
CLAIM_REF = table(
    "claimRef",
    works("name", "namespace"),
    silent("apiVersion", "kind", "uid", "resourceVersion", "fieldPath", why="the name tells"),
)

TABLES: tuple[Table, ...] = (PERSISTENT_VOLUME, VOLUME_SPEC, CAPACITY, LOCAL, CLAIM_REF)
