"""The tables of PersistentVolumes: directories of the host for claims."""

from __future__ import annotations

from vmpod.spec.apishapes import NAME, TEXT, TEXTS, VOLUME_AFFINITY
from vmpod.spec.fields import Table, noted, refused, silent, table, works
from vmpod.spec.podfields import EMPTY
from vmpod.spec.shapes import Text
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
        shape=Text(("Retain", "Delete", "Recycle")),
    ),
    noted(
        "nodeAffinity",
        why="the pod runs on this one host, so there is nothing to choose",
        shape=VOLUME_AFFINITY,
    ),
    noted("volumeAttributesClassName", why="it is a directory of the host", shape=NAME),
    noted("mountOptions", why="it is mounted already", absent=EMPTY, shape=TEXTS),
    refused("nfs", why="the guest cannot mount it; mount it on the host, and use hostPath"),
    refused("awsElasticBlockStore", "azureDisk", "azureFile", "cephfs", "cinder", "csi", why=CLOUD),
    refused("fc", "flexVolume", "flocker", "gcePersistentDisk", "glusterfs", "iscsi", why=CLOUD),
    refused("photonPersistentDisk", "portworxVolume", "quobyte", "rbd", "scaleIO", why=CLOUD),
    refused("storageos", "vsphereVolume", why=CLOUD),
)
CAPACITY = table("capacity", works("storage"))
LOCAL = table("local", works("path"), noted("fsType", why="it is a directory", shape=TEXT))
CLAIM_REF = table(
    "claimRef",
    works("name", "namespace"),
    silent("apiVersion", "kind", "uid", "resourceVersion", "fieldPath", why="the name tells"),
)

TABLES: tuple[Table, ...] = (PERSISTENT_VOLUME, VOLUME_SPEC, CAPACITY, LOCAL, CLAIM_REF)
