"""PersistentVolumeClaims: documents of their own, and those that a StatefulSet makes."""

from __future__ import annotations

from vmpod.spec import names
from vmpod.spec.claimfields import CLAIM_AMOUNTS, CLAIM_RESOURCES, CLAIM_SPEC, CLAIM_TEMPLATE, ONE_CLASS
from vmpod.spec.metadata import Metadata, read_metadata
from vmpod.spec.model import Claim
from vmpod.spec.reader import Record
from vmpod.spec.resources import read_bytes

BLOCK = "Block"
VOLUME_MODES = ("Filesystem", BLOCK)
MIB = 1024 * 1024
LEAST = 16 * MIB
"""Bytes of the smallest disk: less has no room for a journal."""

_MOST = 15 << 40  # bytes; ext4 of the host has no larger files
ACCESS_MODES = ("ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod")
_MANY = "one pod at a time may write, as several machines cannot write to one file system; many may read"


def read_claim(document: Record, *, bound: bool = False) -> Claim:
    """A claim. What is wrong with it is reported. bound: to a PersistentVolume, so it needs no disk."""
    return _claim(document, read_metadata(document), bound=bound)


def read_claim_templates(spec: Record, owner: Metadata) -> list[Claim]:
    """What a StatefulSet claims for each of its pods, under the names of volumes."""
    found: list[Claim] = []
    for record in spec.records("volumeClaimTemplates", CLAIM_TEMPLATE):
        own = read_metadata(record)
        if own.name and own.name in [each.name for each in found]:
            record.place.child("metadata").child("name").wrong(f"another template is {own.name!r} already")
        found.append(_claim(record, Metadata(own.name, owner.namespace, own.labels, own.annotations)))
    return found


def _claim(document: Record, metadata: Metadata, *, bound: bool = False) -> Claim:
    place = document.require("spec")
    spec = place.record(CLAIM_SPEC) if place else None
    if spec and not bound:
        _check_unbound(spec)
    return Claim(
        name=metadata.name,
        namespace=metadata.namespace,
        size=_size(spec) if spec else LEAST,
        modes=_modes(spec, bound=bound) if spec else (),
        block=spec is not None and spec.choice("volumeMode", VOLUME_MODES, VOLUME_MODES[0]) == BLOCK,
        labels=metadata.labels,
        document=document.place.node.plain(),
        source=document.place.context.source,
    )


def _check_unbound(spec: Record) -> None:
    """Say of what only means something to a claim with a PersistentVolume that there is none."""
    given = spec.get("storageClassName")
    if given and given.node.value != "" and given.text(names.dns_subdomain):
        given.note(ONE_CLASS)
    if spec.text("volumeName"):
        spec.wrong("volumeName", "no PersistentVolume of this manifest has this name and fits the claim")


def _modes(spec: Record, *, bound: bool) -> tuple[str, ...]:
    given = spec.require("accessModes")
    found: list[str] = []
    for place in given.items() if given else ():
        mode = place.text()
        if mode not in ACCESS_MODES:
            place.wrong(f"must be one of {', '.join(ACCESS_MODES)}")
        elif mode == "ReadWriteMany" and not bound:
            place.context.notes.append(f"{place.path}: {_MANY}")
        found.append(mode)
    if given and not found:
        given.wrong("needs at least one mode")
    if "ReadWriteOncePod" in found and found[1:] and given:
        given.wrong("ReadWriteOncePod must stand alone")
    return tuple(found)


def _size(spec: Record) -> int:
    """Bytes of the disk: what is asked for, in whole mebibytes."""
    wanted = spec.require("resources")
    resources = wanted.record(CLAIM_RESOURCES) if wanted else None
    given = resources.require("requests") if resources else None
    requests = given.record(CLAIM_AMOUNTS) if given else None
    limits = resources.record("limits", CLAIM_AMOUNTS) if resources else None
    place = requests.require("storage") if requests else None
    size = read_bytes(place) if place else None
    if place is None or size is None:
        return LEAST
    if not 0 < size <= _MOST:
        place.wrong("must be more than nothing, and at most 15Ti")
    most = limits.get("storage") if limits else None
    if most and (limit := read_bytes(most)) is not None and limit < size:
        most.wrong("must not be less than the request")
    return max(LEAST, -(-size // MIB) * MIB)
