"""`env` and `envFrom` as written; `environment.py` makes variables of them."""

from __future__ import annotations

from vmpod.spec import facts, names
from vmpod.spec.containerfields import (
    ENV,
    ENV_FROM,
    ENV_FROM_REF,
    ENV_SOURCE,
    FIELD_REF,
    FILE_KEY_REF,
    KEY_REF,
    RESOURCE_REF,
)
from vmpod.spec.containermodel import EnvFrom, EnvVar, FileKeyRef, KeyRef, ResourceRef
from vmpod.spec.reader import Record
from vmpod.spec.references import References


def read_env(container: Record, references: References) -> tuple[EnvVar, ...]:
    """The `env` of a container."""
    return tuple(_variable(record, references) for record in container.records("env", ENV))


def _variable(record: Record, references: References) -> EnvVar:
    name = record.text("name", names.env_name, required=True)
    value = record.text("value")
    source = record.record("valueFrom", ENV_SOURCE)
    if source is None:
        return EnvVar(name, value)
    if value:
        record.wrong("valueFrom", "must not be given together with value")
    check_one(source, "configMapKeyRef", "secretKeyRef", "fieldRef", "resourceFieldRef", "fileKeyRef")
    return EnvVar(
        name,
        value,
        field_ref=read_field_ref(source, (*facts.FIXED, *facts.VARIABLES)),
        resource_field_ref=read_resource_ref(source),
        file_key_ref=_file_key_ref(source),
        config_map_key_ref=_key_ref(source, "configMapKeyRef", "ConfigMap", references),
        secret_key_ref=_key_ref(source, "secretKeyRef", "Secret", references),
    )


def _key_ref(source: Record, field: str, kind: str, references: References) -> KeyRef | None:
    record = source.record(field, KEY_REF)
    if record is None:
        return None
    ref = KeyRef(
        name=record.text("name", names.dns_subdomain, required=True),
        key=record.text("key", names.data_key, required=True),
        optional=record.boolean("optional"),
    )
    references.check_variable(record, kind, ref)
    return ref


def read_field_ref(source: Record, known: tuple[str, ...]) -> str:
    """A fieldPath, '' where there is none. known: those that may be told."""
    record = source.record("fieldRef", FIELD_REF)
    if record is None:
        return ""
    record.choice("apiVersion", ("v1",), "v1")
    return record.text("fieldPath", lambda path: facts.path_fault(path, known), required=True)


def read_resource_ref(source: Record) -> ResourceRef | None:
    """A reference to an amount of a container."""
    record = source.record("resourceFieldRef", RESOURCE_REF)
    if record is None:
        return None
    record.require("resource")
    resource = record.choice("resource", facts.RESOURCES, "")
    place = record.get("divisor")
    divisor = "0" if place is None else str(place.node.value)
    if resource and place and (fault := facts.divisor_fault(resource, divisor)):
        place.wrong(fault)
        divisor = "0"
    container = record.text("containerName", names.dns_label)
    if container:
        record.place.context.containers_named.append(record.fields["containerName"])
    return ResourceRef(resource, container, divisor) if resource else None


def _file_key_ref(source: Record) -> FileKeyRef | None:
    record = source.record("fileKeyRef", FILE_KEY_REF)
    if record is None:
        return None
    return FileKeyRef(
        volume_name=record.text("volumeName", names.dns_label, required=True),
        path=record.text("path", names.file_path, required=True),
        key=record.text("key", names.env_name, required=True),
        optional=record.boolean("optional"),
    )


def read_env_from(container: Record, references: References) -> tuple[EnvFrom, ...]:
    """The `envFrom` of a container."""
    return tuple(_source(record, references) for record in container.records("envFrom", ENV_FROM))


def _source(record: Record, references: References) -> EnvFrom:
    check_one(record, "configMapRef", "secretRef")
    prefix = record.text("prefix", names.env_name)
    if secret := record.record("secretRef", ENV_FROM_REF):
        name, optional = _object(secret, "Secret", references)
        return EnvFrom(prefix, secret=name, optional=optional)
    if config_map := record.record("configMapRef", ENV_FROM_REF):
        name, optional = _object(config_map, "ConfigMap", references)
        return EnvFrom(prefix, config_map=name, optional=optional)
    return EnvFrom(prefix)


def _object(record: Record, kind: str, references: References) -> tuple[str, bool]:
    name = record.text("name", names.dns_subdomain, required=True)
    optional = record.boolean("optional")
    references.check_object(record, kind, name, optional=optional)
    return name, optional


def check_one(record: Record, *choices: str) -> None:
    """Report a record that does not have exactly one of the fields."""
    given = [name for name in choices if record.get(name)]
    # A refused source has been reported already.
    if not given and not record.partial:
        record.place.wrong(f"needs {' or '.join(choices)}")
    for name in given[1:]:
        record.wrong(name, f"must not be given together with {given[0]}")
