"""The tables of volumes."""

from __future__ import annotations

from vmpod.spec.fields import refused, table, works

CLOUD = "it is storage of a cloud or a cluster"

VOLUME = table(
    "volumes",
    works("name"),
    works("emptyDir", text="also what a volume without a source is"),
    works("hostPath", "configMap", "secret"),
    refused("downwardAPI", "projected", "persistentVolumeClaim", "image", "ephemeral", "nfs"),
    refused("awsElasticBlockStore", "azureDisk", "azureFile", "cephfs", "cinder", "csi", why=CLOUD),
    refused("fc", "flexVolume", "flocker", "gcePersistentDisk", "glusterfs", "iscsi", why=CLOUD),
    refused("photonPersistentDisk", "portworxVolume", "quobyte", "rbd", "scaleIO", why=CLOUD),
    refused("storageos", "vsphereVolume", why=CLOUD),
    refused("gitRepo", why="Kubernetes has given it up; clone in an init container"),
)

EMPTY_DIR = table(
    "emptyDir",
    works("medium", text="'' (a disk) or `Memory`; huge pages are refused"),
    works("sizeLimit", text="of a directory in memory; refused for one on disk"),
)
HOST_PATH = table(
    "hostPath",
    works("path", text="an absolute path without `..`"),
    works("type", text="directories: `Directory`, `DirectoryOrCreate` or none; the rest is refused"),
)
CONFIG_MAP_VOLUME = table("configMap", works("name", "items", "defaultMode", "optional"))
SECRET_VOLUME = table("secret", works("secretName", "items", "defaultMode", "optional"))
ITEM = table(
    "items of configMap, secret",
    works("key", "mode"),
    works("path", text="a relative path without `..`"),
)

TABLES = (VOLUME, EMPTY_DIR, HOST_PATH, CONFIG_MAP_VOLUME, SECRET_VOLUME, ITEM)
