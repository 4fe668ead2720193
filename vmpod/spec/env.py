"""`env` and `envFrom` as written; `environment.py` makes variables of them."""

from __future__ import annotations

from vmpod.spec import names
from vmpod.spec.containerfields import ENV, ENV_FROM, ENV_FROM_REF, ENV_SOURCE, KEY_REF
from vmpod.spec.model import EnvFrom, EnvVar, KeyRef
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
    check_one(source, "configMapKeyRef", "secretKeyRef")
    return EnvVar(
        name,
        value,
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
