"""ConfigMap and Secret documents."""

from __future__ import annotations

import base64
import binascii
import json

from vmpod.spec import names
from vmpod.spec.model import ConfigMap, Secret
from vmpod.spec.reader import Place, Record

MAX_DATA = 2**20
"""The most bytes that the values of one ConfigMap or Secret may have together (MaxSecretSize)."""

# What the API server requires of the well-known types.
_REQUIRED_KEYS = {
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/dockercfg": (".dockercfg",),
}

_BASIC_AUTH, _OF_BASIC_AUTH = "kubernetes.io/basic-auth", ("username", "password")
_ACCOUNT_TOKEN = "kubernetes.io/service-account-token"  # noqa: S105 - a type's name
_ACCOUNT_NAME = "kubernetes.io/service-account.name"


def read_config_map(document: Record, name: str) -> ConfigMap:
    """A ConfigMap; the name comes from its metadata."""
    text = _texts(document, "data", secret=False)
    binary = _decoded(document, "binaryData")
    for key in sorted(text.keys() & binary.keys()):
        document.wrong("binaryData", f"the key {key!r} is in data as well")
    _check_size(document, text | binary)
    return ConfigMap(
        name,
        text | binary,
        binary_keys=frozenset(binary),
        immutable=document.boolean("immutable"),
        source=document.place.context.source,
    )


def read_secret(document: Record, name: str) -> Secret:
    """A Secret; `stringData` wins over `data`, as the API has it."""
    data = _decoded(document, "data") | _texts(document, "stringData", secret=True)
    _check_size(document, data)
    _check_type(document, document.text("type"), data)
    immutable = document.boolean("immutable")
    return Secret(name, data, immutable=immutable, source=document.place.context.source)


def _check_type(document: Record, kind: str, data: dict[str, bytes]) -> None:
    """Report what the API server misses in a Secret of a type that it knows."""
    for key in _REQUIRED_KEYS.get(kind, ()):
        if key not in data:
            document.wrong("data", f"a Secret of its type needs the key {key!r}")
    if kind == _BASIC_AUTH and not data.keys() & set(_OF_BASIC_AUTH):
        document.wrong("data", f"a Secret of its type needs the key {' or '.join(map(repr, _OF_BASIC_AUTH))}")
    if kind == _ACCOUNT_TOKEN:
        annotations = document.place.child("metadata").child("annotations")
        if annotations.child(_ACCOUNT_NAME).node is annotations.node:
            document.wrong("type", f"a Secret of this type needs the annotation {_ACCOUNT_NAME}")
    login = next((key for key in _REQUIRED_KEYS.get(kind, ()) if "docker" in key and key in data), "")
    if login and not _is_json(data[login]):
        # Never the value: it is a secret.
        document.wrong("data", f"the value of {login!r} must be JSON")


def _is_json(value: bytes) -> bool:
    try:
        json.loads(value)
    except (ValueError, RecursionError):
        return False
    return True


def _texts(document: Record, field: str, *, secret: bool) -> dict[str, bytes]:
    found = {}
    for key, place in _entries(document, field):
        value = "" if place.node.value is None else place.string(secret=secret)
        found[key] = (value or "").encode()
    return found


def _decoded(document: Record, field: str) -> dict[str, bytes]:
    return {key: _decode(place) for key, place in _entries(document, field)}


def _decode(place: Place) -> bytes:
    """Base64 as Go's decoder takes it: standard alphabet, padded, line breaks anywhere."""
    value = "" if place.node.value is None else place.string(secret=True)
    try:
        return base64.b64decode((value or "").replace("\n", "").replace("\r", ""), validate=True)
    except (binascii.Error, ValueError):
        place.wrong("is not base64; plain text belongs into " + _plain_field(place.path))
        return b""


def _plain_field(path: str) -> str:
    return "data" if "binaryData" in path else "stringData"


def _entries(document: Record, field: str) -> list[tuple[str, Place]]:
    place = document.get(field)
    entries = list(place.entries()) if place else []
    for key, value in entries:
        if fault := names.data_key(key):
            value.wrong(f"the key {fault}")
    return entries


def _check_size(document: Record, data: dict[str, bytes]) -> None:
    size = sum(len(value) for value in data.values())
    if size > MAX_DATA:
        document.wrong("data", f"holds {size} bytes, more than the {MAX_DATA} that Kubernetes allows")
