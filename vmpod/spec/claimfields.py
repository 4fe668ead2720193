"""The tables of claims: storage that outlives pods."""

from __future__ import annotations

from vmpod.spec.apishapes import NAME
from vmpod.spec.fields import Table, differs, noted, refused, silent, table, works
from vmpod.spec.podfields import EMPTY

ONE_CLASS = "there is one class of storage: a disk file on this host"
_NOTHING_TO_CHOOSE = "a claim gets a new and empty disk: there is nothing to choose from"
_STATUS = silent("status", why="it says what was, not what is to be")

CLAIM = table("PersistentVolumeClaim", works("apiVersion", "kind", "metadata", "spec"), _STATUS)
CLAIM_TEMPLATE = table(
    "volumeClaimTemplates",
    silent("apiVersion", "kind", why="it is a claim anyway"),
    works("metadata", "spec"),
    _STATUS,
)
CLAIM_SPEC = table(
    "spec of a claim",
    differs(
        "accessModes",
        text="`ReadWriteOnce` and `ReadWriteOncePod`: one pod at a time, as each is a machine of its own; "
        "`ReadOnlyMany`: any number that only read; `ReadWriteMany`: one, or any number that only read; of a "
        "PersistentVolume any number",
    ),
    works("resources"),
    works("volumeMode", text="`Filesystem`: ext4; `Block`: nothing, for volumeDevices"),
    differs(
        "storageClassName",
        text="which PersistentVolume of the same manifest it fits; of disks there is one class",
    ),
    differs("volumeName", text="a PersistentVolume of the same manifest"),
    noted("volumeAttributesClassName", why=ONE_CLASS, absent=("",), shape=NAME),
    refused("selector", "dataSource", "dataSourceRef", why=_NOTHING_TO_CHOOSE, absent=EMPTY),
)
CLAIM_RESOURCES = table("resources of a claim", works("requests", "limits"))
CLAIM_AMOUNTS = table(
    "requests, limits of a claim",
    works("storage", text="the disk has this size, at least 16Mi; it can grow, and not shrink"),
)
CLAIM_VOLUME = table(
    "persistentVolumeClaim",
    works("claimName", text="a claim of the same file, or one that is there already"),
    works("readOnly"),
)

TABLES: tuple[Table, ...] = (CLAIM, CLAIM_TEMPLATE, CLAIM_SPEC, CLAIM_RESOURCES, CLAIM_AMOUNTS, CLAIM_VOLUME)
