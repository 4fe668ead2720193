"""Volumes and their sources."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable

from vmpod.spec import names
from vmpod.spec.claimfields import CLAIM_AMOUNTS, CLAIM_RESOURCES, CLAIM_VOLUME
from vmpod.spec.claims import BLOCK, VOLUME_MODES
from vmpod.spec.containers import read_pull_policy
from vmpod.spec.env import check_one, read_field_ref, read_resource_ref
from vmpod.spec.facts import FIXED, WHOLE
from vmpod.spec.reader import Place, Record
from vmpod.spec.references import References
from vmpod.spec.resources import read_bytes
from vmpod.spec.security import MAX_ID
from vmpod.spec.volumefields import (
    CLAIM,
    CLAIM_META,
    CLAIM_TEMPLATE,
    CONFIG_MAP_VOLUME,
    DOWNWARD,
    DOWNWARD_ITEM,
    DOWNWARD_SOURCE,
    EMPTY_DIR,
    EPHEMERAL,
    HOST_PATH,
    IMAGE,
    ITEM,
    PROJECTED,
    PROJECTED_OBJECT,
    PROJECTED_SOURCE,
    SECRET_VOLUME,
    VOLUME,
)
from vmpod.spec.volumemodel import (
    ClaimVolume,
    ConfigMapVolume,
    DownwardItem,
    DownwardVolume,
    EmptyDir,
    HostPath,
    ImageVolume,
    KeyToPath,
    ProjectedVolume,
    SecretVolume,
    Volume,
    VolumeSource,
)
from vmpod.spec.words import shown

HOST_PATH_TYPES = (
    "",
    "DirectoryOrCreate",
    "Directory",
    "FileOrCreate",
    "File",
    "Socket",
    "CharDevice",
    "BlockDevice",
)

_SOCKET = (
    "a socket leads into the kernel that made it, and the pod has one of its own: reach what listens by TCP, "
    "at host.containers.internal"
)
_DEVICE = "a device belongs to the machine that has it, and the pod's is another"
NOT_SHARED = {"Socket": _SOCKET, "CharDevice": _DEVICE, "BlockDevice": _DEVICE}
"""Types of hostPath that cannot be shared with a machine, and why."""

_API_ACCESS = re.compile("kube-api-access-[a-z0-9]{5}")
_DEFAULT_MODE = 0o644
_MAX_MODE = 0o777
_MAX_DIRECTORY_MODE = 0o1777


def read_volume(place: Place, references: References) -> Volume | None:
    """A volume; None where the entry is no mapping."""
    record = place.record(VOLUME)
    if record is None:
        return None
    given = [name for name in _SOURCES if record.get(name)]
    if given:
        check_one(record, *_SOURCES)
    # The API's default for a volume that names no source.
    source = _SOURCES[given[0]](record, references) if given else EmptyDir()
    return Volume(record.text("name", names.dns_label, required=True), source)


def _empty_dir(volume: Record, _references: References) -> VolumeSource:
    record = volume.record("emptyDir", EMPTY_DIR)
    if record is None:
        return EmptyDir()
    medium = record.choice("medium", ("", "Memory", "HugePages", "HugePages-2Mi"), "").partition("-")[0]
    size = record.get("sizeLimit")
    # The API: zero is no limit.
    limit = (read_bytes(size) if size else None) or None
    mode = record.integer("mode", 0, _MAX_DIRECTORY_MODE, words="between 0 and 01777 (octal begins with 0)")
    return EmptyDir(medium=medium, size_limit=limit, mode=mode)


def _host_path(volume: Record, _references: References) -> VolumeSource:
    record = volume.record("hostPath", HOST_PATH)
    if record is None:
        return EmptyDir()
    kind = record.choice("type", HOST_PATH_TYPES, "")
    if kind in NOT_SHARED:
        record.wrong("type", NOT_SHARED[kind])
    return HostPath(path=record.text("path", names.absolute_path, required=True), type=kind)


def _config_map(volume: Record, references: References) -> VolumeSource:
    record = volume.record("configMap", CONFIG_MAP_VOLUME)
    return ConfigMapVolume(*_files(record, references, "ConfigMap", "name")) if record else EmptyDir()


def _secret(volume: Record, references: References) -> VolumeSource:
    record = volume.record("secret", SECRET_VOLUME)
    return SecretVolume(*_files(record, references, "Secret", "secretName")) if record else EmptyDir()


def _files(
    record: Record, references: References, kind: str, field: str, taken: _Paths | None = None
) -> tuple[str, tuple[KeyToPath, ...], int, bool, int | None]:
    """What a ConfigMap's and a Secret's volume have in common: name, items, mode, optional, owner."""
    name = record.text(field, names.dns_subdomain, required=True)
    optional = record.boolean("optional")
    references.check_object(record, kind, name, optional=optional, field=field)
    items: list[KeyToPath] = []
    taken = taken or _Paths()
    for entry in record.records("items", ITEM):
        item = _item(entry)
        references.check_file(entry, kind, name, item.key, optional=optional)
        if item.path and not taken.add(item.path):
            entry.wrong("path", f"{shown(item.path)} stands in the way of another item's path")
        items.append(item)
    mode = _mode(record, "defaultMode")
    # A source of a projected volume has neither mode nor owner of its own.
    user = _user(record, "defaultUser") if "defaultUser" in record.fields else None
    return name, tuple(items), _DEFAULT_MODE if mode is None else mode, optional, user


def _downward(volume: Record, _references: References) -> VolumeSource:
    record = volume.record("downwardAPI", DOWNWARD)
    if record is None:
        return EmptyDir()
    mode = _mode(record, "defaultMode")
    items = _downward_items(record, _Paths())
    return DownwardVolume(items, _DEFAULT_MODE if mode is None else mode, _user(record, "defaultUser"))


def _downward_items(record: Record, taken: _Paths) -> tuple[DownwardItem, ...]:
    return tuple(_downward_item(entry, taken) for entry in record.records("items", DOWNWARD_ITEM))


def _downward_item(record: Record, taken: _Paths) -> DownwardItem:
    check_one(record, "fieldRef", "resourceFieldRef")
    path = record.text("path", names.file_path, required=True)
    if path and not taken.add(path):
        record.wrong("path", f"{shown(path)} stands in the way of another item's path")
    ref = read_resource_ref(record)
    if ref and not ref.container:
        record.wrong("resourceFieldRef", "needs a containerName: a volume belongs to no container")
    field = read_field_ref(record, (*FIXED, *WHOLE))
    return DownwardItem(path, field, ref, _mode(record, "mode"), _user(record, "user"))


def _projected(volume: Record, references: References) -> VolumeSource:
    name, given = volume.get("name"), volume.get("projected")
    if name and given and _API_ACCESS.fullmatch(str(name.node.value)):
        # An API server adds it to every pod, so it is in what a cluster shows.
        given.context.notes.append(f"{given.path}: only the namespace is in it, as there is no API server")
        return DownwardVolume((DownwardItem("namespace", "metadata.namespace"),))
    record = volume.record("projected", PROJECTED)
    if record is None:
        return EmptyDir()
    taken = _Paths()
    sources: list[ConfigMapVolume | SecretVolume | DownwardVolume] = []
    for entry in record.records("sources", PROJECTED_SOURCE):
        check_one(entry, "configMap", "secret", "downwardAPI")
        if source := entry.record("configMap", PROJECTED_OBJECT):
            sources.append(ConfigMapVolume(*_files(source, references, "ConfigMap", "name", taken)))
        if source := entry.record("secret", PROJECTED_OBJECT):
            sources.append(SecretVolume(*_files(source, references, "Secret", "name", taken)))
        if source := entry.record("downwardAPI", DOWNWARD_SOURCE):
            sources.append(DownwardVolume(_downward_items(source, taken)))
    mode = _mode(record, "defaultMode")
    user = _user(record, "defaultUser")
    return ProjectedVolume(tuple(sources), _DEFAULT_MODE if mode is None else mode, user)


def _image(volume: Record, _references: References) -> VolumeSource:
    record = volume.record("image", IMAGE)
    if record is None:
        return EmptyDir()
    reference = record.text("reference", names.image, required=True)
    return ImageVolume(reference, read_pull_policy(record, "pullPolicy", reference))


def _ephemeral(volume: Record, _references: References) -> VolumeSource:
    """A claim of the pod alone is a directory that ends with the pod, as large as is asked for."""
    record = volume.record("ephemeral", EPHEMERAL)
    place = record.require("volumeClaimTemplate") if record else None
    template = place.record(CLAIM_TEMPLATE) if place else None
    if template is None:
        return EmptyDir()
    template.record("metadata", CLAIM_META)
    given = template.require("spec")
    claim = given.record(CLAIM) if given else None
    if claim is None:
        return EmptyDir()
    if claim.choice("volumeMode", VOLUME_MODES, VOLUME_MODES[0]) == BLOCK:
        told = "a claim of the pod alone is a directory: use a persistentVolumeClaim for a device"
        claim.wrong("volumeMode", told)
    wanted = claim.require("resources")
    resources = wanted.record(CLAIM_RESOURCES) if wanted else None
    amounts = resources.record("requests", CLAIM_AMOUNTS) if resources else None
    if resources:
        resources.record("limits", CLAIM_AMOUNTS)
    size = amounts.require("storage") if amounts else None
    if resources and amounts is None:
        resources.wrong("requests", "is required")
    return EmptyDir(size_limit=(read_bytes(size) if size else None) or None)


def _claim(volume: Record, _references: References) -> VolumeSource:
    record = volume.record("persistentVolumeClaim", CLAIM_VOLUME)
    if record is None:
        return EmptyDir()
    claim = record.text("claimName", names.dns_subdomain, required=True)
    return ClaimVolume(claim, record.boolean("readOnly"))


def check_host_path(holder: Record) -> None:
    """Report what is wrong with a hostPath that is no pod's volume."""
    _host_path(holder, References({}, {}))


_SOURCES: dict[str, Callable[[Record, References], VolumeSource]] = {
    "emptyDir": _empty_dir,
    "hostPath": _host_path,
    "configMap": _config_map,
    "secret": _secret,
    "downwardAPI": _downward,
    "projected": _projected,
    "image": _image,
    "ephemeral": _ephemeral,
    "persistentVolumeClaim": _claim,
}


def _item(record: Record) -> KeyToPath:
    return KeyToPath(
        key=record.text("key", names.data_key, required=True),
        path=record.text("path", names.file_path, required=True),
        mode=_mode(record, "mode"),
        user=_user(record, "user"),
    )


def _mode(record: Record, name: str) -> int | None:
    return record.integer(name, 0, _MAX_MODE, words="between 0 and 0777 (octal begins with 0)")


def _user(record: Record, name: str) -> int | None:
    return record.integer(name, 0, MAX_ID)


class _Paths:
    """The files of one volume, none of which may be another's directory."""

    def __init__(self) -> None:
        self.files: set[str] = set()
        self.directories: set[str] = set()

    def add(self, path: str) -> bool:
        """Take a path, if it is free."""
        clean = posixpath.normpath(path)
        parts = clean.split("/")
        above = {"/".join(parts[:count]) for count in range(1, len(parts))}
        if clean in self.files or clean in self.directories or above & self.files:
            return False
        self.files.add(clean)
        self.directories |= above
        return True
