"""PersistentVolumes: directories of the host, for the claims of the same manifest that they fit.

A claim that is bound to one is no disk of vmpod's: where a pod names it, the pod's document gets the volume's
hostPath in its place, before it is read. So nothing has to be kept beside the pod, as with a ConfigMap, and a
volume is given together with the pods that use it.

Source of the rules: Kubernetes' documentation of persistent volumes, "Binding" and "Reserving".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from vmpod.spec import names, quantity
from vmpod.spec.claims import ACCESS_MODES
from vmpod.spec.env import check_one
from vmpod.spec.metadata import DEFAULT_NAMESPACE, read_metadata
from vmpod.spec.persistentfields import CAPACITY, CLAIM_REF, LOCAL, VOLUME_SPEC
from vmpod.spec.reader import Place, Record
from vmpod.spec.resources import read_bytes
from vmpod.spec.tree import Node
from vmpod.spec.volumes import check_host_path
from vmpod.spec.words import either

Key = tuple[str, str]
"""Namespace and name."""


@dataclass(frozen=True)
class PersistentVolume:
    """A directory of the host. node: its hostPath, as a pod's volume has it. size: bytes.

    claim: the one that it is kept for, if any. place: where it stands.
    """

    name: str
    node: Node
    size: int
    modes: frozenset[str]
    storage_class: str
    claim: Key | None
    place: Place


def read_persistent_volume(document: Record) -> PersistentVolume | None:
    """A volume; None if it makes no sense, which is reported."""
    metadata = read_metadata(document)
    given = document.require("spec")
    spec = given.record(VOLUME_SPEC) if given else None
    if spec is None:
        return None
    spec.choice("volumeMode", ("Filesystem",), "Filesystem")
    capacity = spec.record("capacity", CAPACITY) if spec.require("capacity") else None
    storage = capacity.require("storage") if capacity else None
    modes = spec.require("accessModes")
    found = [_mode(place) for place in modes.items()] if modes else []
    reference = spec.record("claimRef", CLAIM_REF)
    return PersistentVolume(
        name=metadata.name,
        node=_host_path(spec),
        size=(read_bytes(storage) if storage else None) or 0,
        modes=frozenset(found),
        storage_class=spec.text("storageClassName"),
        claim=_claim_ref(reference) if reference else None,
        place=document.place,
    )


def _mode(place: Place) -> str:
    mode = place.text()
    if mode not in ACCESS_MODES:
        place.wrong(f"must be {either(ACCESS_MODES)}")
    return mode


def _claim_ref(reference: Record) -> Key:
    namespace = reference.text("namespace", names.dns_label, default=DEFAULT_NAMESPACE)
    return namespace, reference.text("name", names.dns_subdomain, required=True)


def _host_path(spec: Record) -> Node:
    """The volume's hostPath, checked."""
    check_one(spec, "hostPath", "local")
    if local := spec.record("local", LOCAL):
        path = local.text("path", names.absolute_path, required=True)
        fields: dict[str, Any] = {"path": path, "type": "Directory"}
        line = local.place.node.line
        return Node({name: Node(value, line, str(value)) for name, value in fields.items()}, line)
    check_host_path(spec)
    place = spec.get("hostPath")
    return place.node if place else Node({}, spec.place.node.line)


def bind(claims: Iterable[Record], volumes: Iterable[PersistentVolume]) -> dict[Key, PersistentVolume]:
    """Which claim gets which volume: the smallest that fits. A volume that nobody gets is noted."""
    left = sorted(volumes, key=lambda volume: (volume.size, volume.name))
    bound: dict[Key, PersistentVolume] = {}
    # Those that name a volume, or are named by one, go first.
    for chosen in (True, False):
        for claim in claims:
            document = _Claim.of(claim)
            if document.key in bound:
                continue
            fitting = (volume for volume in left if document.takes(volume, chosen=chosen))
            if volume := next(fitting, None):
                left.remove(volume)
                bound[document.key] = volume
    for volume in left:
        notes = volume.place.context.notes
        notes.append(f"the PersistentVolume {volume.name!r} has no effect: no claim of this manifest fits it")
    return bound


def key_of(document: Record) -> Key:
    """Namespace and name, as they are written."""
    metadata = _mapping(document.place.node.plain().get("metadata"))
    return str(metadata.get("namespace") or DEFAULT_NAMESPACE), str(metadata.get("name"))


@dataclass(frozen=True)
class _Claim:
    """What decides which volume a claim gets. What is wrong with it is reported where it is read."""

    key: Key
    volume: str
    storage_class: str
    modes: frozenset[str]
    size: int
    block: bool

    @classmethod
    def of(cls, claim: Record) -> _Claim:
        document = claim.place.node.plain()
        spec = _mapping(document.get("spec"))
        modes = spec.get("accessModes")
        requests = _mapping(_mapping(spec.get("resources")).get("requests"))
        try:
            size = int(quantity.parse(str(requests.get("storage", 0))))
        except ValueError:
            size = 0
        return cls(
            key_of(claim),
            str(spec.get("volumeName") or ""),
            str(spec.get("storageClassName") or ""),
            frozenset(map(str, modes)) if isinstance(modes, list) else frozenset(),
            size,
            spec.get("volumeMode") == "Block",
        )

    def takes(self, volume: PersistentVolume, *, chosen: bool) -> bool:
        """Whether the volume fits. chosen: only one that is named by the claim, or names it."""
        if (self.volume and self.volume != volume.name) or (volume.claim and volume.claim != self.key):
            return False
        if self.block:
            return False  # a directory is no device
        named = bool(self.volume or volume.claim)
        fits = self.storage_class == volume.storage_class and self.modes <= volume.modes
        return named is chosen and fits and self.size <= volume.size


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def in_place(document: Record, bound: Mapping[Key, PersistentVolume], *, template: bool) -> Node:
    """A pod's document, or that of what makes pods, with directories in place of bound claims."""
    node = document.place.node
    own = {name: volume for (where, name), volume in bound.items() if where == key_of(document)[0]}
    way = ("spec", "template", "spec") if template else ("spec",)
    return _changed(node, way, lambda spec: _with_directories(spec, own)) if own else node


def _with_directories(spec: Node, own: Mapping[str, PersistentVolume]) -> Node:
    read_only: set[str] = set()

    def volume(node: Node) -> Node:
        claim = _mapping(_mapping(node.plain()).get("persistentVolumeClaim"))
        found = own.get(str(claim.get("claimName")))
        if found is None or not isinstance(node.value, Mapping):
            return node
        if claim.get("readOnly") is True:
            read_only.add(str(node.plain().get("name")))
        others = {name: each for name, each in node.value.items() if name != "persistentVolumeClaim"}
        return replace(node, value=others | {"hostPath": found.node})

    def mount(node: Node) -> Node:
        if not isinstance(node.value, Mapping) or node.plain().get("name") not in read_only:
            return node
        return replace(node, value={**node.value, "readOnly": Node(True, node.line, "true")})

    spec = _changed(spec, ("volumes", "*"), volume)
    for containers in ("initContainers", "containers") if read_only else ():
        spec = _changed(spec, (containers, "*", "volumeMounts", "*"), mount)
    return spec


def _changed(node: Node, way: tuple[str, ...], change: Callable[[Node], Node]) -> Node:
    """A tree in which what stands at the end of the way is another; `*` is every entry of a list."""
    if not way:
        return change(node)
    name, *rest = way
    value = node.value
    if name == "*" and isinstance(value, tuple):
        return replace(node, value=tuple(_changed(each, tuple(rest), change) for each in value))
    if isinstance(value, Mapping) and name in value:
        return replace(node, value={**value, name: _changed(value[name], tuple(rest), change)})
    return node
