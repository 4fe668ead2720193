"""The tables of volumes."""

from __future__ import annotations

from vmpod.spec.apishapes import NAME, TEXTS
from vmpod.spec.fields import Table, differs, noted, refused, silent, table, works

BY_SERVER = "an API server sets this; vmpod sets its own"
CLOUD = "it is storage of a cloud or a cluster"

VOLUME = table(
    "volumes",
    works("name"),
    works("emptyDir", text="also what a volume without a source is"),
    works("hostPath", "configMap", "secret"),
    works("downwardAPI", "projected"),
    works("image", text="the image's files, read-only, and nothing of them can be executed"),
    differs("ephemeral", text="a directory on disk that is gone with the pod, as large as is asked for"),
    works("persistentVolumeClaim", text="a disk that outlives the pod: docs/volumes.md"),
    refused("nfs", why="the guest cannot mount it; mount it on the host, and use hostPath"),
    refused("awsElasticBlockStore", "azureDisk", "azureFile", "cephfs", "cinder", "csi", why=CLOUD),
    refused("fc", "flexVolume", "flocker", "gcePersistentDisk", "glusterfs", "iscsi", why=CLOUD),
    refused("photonPersistentDisk", "portworxVolume", "quobyte", "rbd", "scaleIO", why=CLOUD),
    refused("storageos", "vsphereVolume", why=CLOUD),
    refused("gitRepo", why="Kubernetes has given it up; clone in an init container"),
)

EMPTY_DIR = table(
    "emptyDir",
    works("medium", text="'' (a disk), `Memory`, or `HugePages` (of 2 MiB) that a container asks for"),
    works("mode", text="0777 if not given"),
    works("sizeLimit", text="in memory there is no more; a pod that has more on disk is Evicted"),
)
HOST_PATH = table(
    "hostPath",
    works("path", text="an absolute path without `..`"),
    differs(
        "type",
        text="`Socket`, `CharDevice` and `BlockDevice` are refused: they cannot work in another machine; "
        "what has no type must be there; a file must be on the file system of vmpod's pods, and the user's "
        "own or writable (docs/volumes.md)",
    ),
)
CONFIG_MAP_VOLUME = table("configMap", works("name", "items", "defaultMode", "defaultUser", "optional"))
SECRET_VOLUME = table("secret", works("secretName", "items", "defaultMode", "defaultUser", "optional"))
ITEM = table(
    "items of configMap, secret",
    works("key", "mode", "user"),
    works("path", text="a relative path without `..`"),
)

DOWNWARD = table("downwardAPI", works("items", "defaultMode", "defaultUser"))
DOWNWARD_SOURCE = table("downwardAPI of projected", works("items"))
DOWNWARD_ITEM = table("items of downwardAPI", works("path", "fieldRef", "resourceFieldRef", "mode", "user"))
PROJECTED = table("projected", works("sources", "defaultMode", "defaultUser"))
NO_TOKENS = (
    "there is no API server to give it; the volume that a cluster adds to each pod is taken without it"
)
PROJECTED_SOURCE = table(
    "sources of projected",
    works("configMap", "secret", "downwardAPI"),
    refused("serviceAccountToken", "clusterTrustBundle", "podCertificate", why=NO_TOKENS),
)
PROJECTED_OBJECT = table("configMap, secret of projected", works("name", "items", "optional"))
IMAGE = table("image", works("reference", "pullPolicy"))
EPHEMERAL = table("ephemeral", works("volumeClaimTemplate"))
CLAIM_TEMPLATE = table("volumeClaimTemplate", works("metadata", "spec"))
CLAIM_META = table(
    "metadata of volumeClaimTemplate",
    noted("labels", "annotations", "name", "namespace", "generateName", why="nothing looks for it"),
    noted("ownerReferences", "finalizers", why="there is no API server that would follow it", absent=([],)),
    silent("uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp", why=BY_SERVER),
    silent("deletionGracePeriodSeconds", "selfLink", "managedFields", why=BY_SERVER),
)
CLAIM = table(
    "spec of volumeClaimTemplate",
    works("resources", text="the storage that is asked for is all there is"),
    silent("accessModes", why="one pod uses it", shape=TEXTS),
    works("volumeMode", text="`Filesystem`"),
    noted(
        "storageClassName",
        "volumeAttributesClassName",
        why="there is one class: the host's disk",
        shape=NAME,
    ),
    refused(
        "selector",
        "volumeName",
        "dataSource",
        "dataSourceRef",
        why="there is nothing to choose from",
    ),
)

TABLES: tuple[Table, ...] = (VOLUME, EMPTY_DIR, HOST_PATH, CONFIG_MAP_VOLUME, SECRET_VOLUME, ITEM)
TABLES += (DOWNWARD, DOWNWARD_SOURCE, DOWNWARD_ITEM, PROJECTED, PROJECTED_SOURCE, PROJECTED_OBJECT, IMAGE)
TABLES += (EPHEMERAL, CLAIM_TEMPLATE, CLAIM_META, CLAIM)
