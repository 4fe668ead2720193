"""What every document has: apiVersion, kind, metadata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from vmpod.dataclass import dataclass
from vmpod.errors import Problem
from vmpod.spec import names
from vmpod.spec.machine import read_machine
from vmpod.spec.model import MachineSize
from vmpod.spec.podfields import METADATA
from vmpod.spec.reader import Place, Record, Rule
from vmpod.spec.security import check_annotations
from vmpod.spec.words import shown

DEFAULT_NAMESPACE = "default"

# apiserver: maxGeneratedNameLength, what is left of 63 by five letters.
_MAX_PREFIX = 58
# apimachinery: TotalAnnotationSizeLimitB.
_MAX_ANNOTATIONS = 256 * 1024


@dataclass(frozen=True)
class Metadata:
    """The name is '' where it is missing or wrong."""

    name: str = ""
    namespace: str = DEFAULT_NAMESPACE
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    machine: MachineSize = field(default_factory=MachineSize)


def read_metadata(document: Record, *, generates: bool = False) -> Metadata:
    """The metadata of a document. generates: whether it may leave the end of its name to us."""
    place = document.require("metadata")
    record = place.record(METADATA) if place else None
    if record is None:
        return Metadata()
    annotations = _entries(record, "annotations")
    return Metadata(
        name=_generated(record, generates=generates)
        or record.text("name", names.dns_subdomain, required=True),
        namespace=record.text("namespace", names.dns_label, default=DEFAULT_NAMESPACE),
        labels=_texts(_entries(record, "labels"), names.label_value),
        annotations=_annotations(record, annotations),
        machine=read_machine(annotations),
    )


def _generated(record: Record, *, generates: bool) -> str:
    """A name with an end of its own; '' where the document has a name, or none at all."""
    prefix = record.text("generateName")
    name = record.get("name")
    if not prefix or (name and name.node.value != ""):
        return ""
    place = record.fields["generateName"]
    if not generates:
        place.wrong("is for Pods and Jobs: others are spoken of by their names; write metadata.name")
        return ""
    context = place.context
    made = prefix[:_MAX_PREFIX] + context.suffix()
    if fault := names.dns_subdomain(made):
        place.wrong(f"{shown(prefix)} begins a name, which {fault}")
    told = "makes another name each time, by which nothing is found again: use `vmpod run`, or metadata.name"
    context.unnamed.append(Problem(context.source, place.node.line, place.path, told))
    return made


def with_name(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A document that says the name that was made for it, as an API server's does."""
    return {**document, "metadata": {**document["metadata"], "name": name}}


def read_template_metadata(template: Record, owner: Metadata) -> Metadata:
    """The metadata of a pod's template: labels and annotations, the rest being its owner's."""
    record = template.record("metadata", METADATA)
    if record is None:
        return Metadata(owner.name, owner.namespace)
    annotations = _entries(record, "annotations")
    return Metadata(
        name=owner.name,
        namespace=owner.namespace,
        labels=_texts(_entries(record, "labels"), names.label_value),
        annotations=_annotations(record, annotations),
        machine=read_machine(annotations),
    )


def _annotations(record: Record, entries: Mapping[str, Place]) -> dict[str, str]:
    check_annotations(entries)
    annotations = _texts(entries)
    if sum(len(key) + len(value.encode()) for key, value in annotations.items()) > _MAX_ANNOTATIONS:
        record.wrong("annotations", f"must be at most {_MAX_ANNOTATIONS // 1024} KiB in all")
    return annotations


def _entries(record: Record, name: str) -> dict[str, Place]:
    place = record.get(name)
    return dict(place.entries()) if place else {}


def _texts(entries: Mapping[str, Place], rule: Rule | None = None) -> dict[str, str]:
    found = {}
    for key, value in entries.items():
        if fault := names.qualified_name(key):
            value.wrong(f"the key {fault}")
        # The API takes null for an empty string here.
        found[key] = "" if value.node.value is None else value.text(rule)
    return found
