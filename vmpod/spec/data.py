"""ConfigMap and Secret documents."""

from __future__ import annotations

import base64
import binascii

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


def read_config_map(document: Record, name: str) -> ConfigMap:
    """A ConfigMap; the name comes from its metadata."""
    text = _texts(document, "data", secret=False)
    binary = _decoded(document, "binaryData")
    for key in sorted(text.keys() & binary.keys()):
        document.wrong("binaryData", f"the key {key!r} is in data as well")
    _check_size(document, text | binary)
    return ConfigMap(name, text | binary, binary_keys=frozenset(binary))


def read_secret(document: Record, name: str) -> Secret:
    """A Secret; `stringData` wins over `data`, as the API has it."""
    data = _decoded(document, "data") | _texts(document, "stringData", secret=True)
    _check_size(document, data)
    for key in _REQUIRED_KEYS.get(document.text("type"), ()):
        if key not in data:
            document.wrong("data", f"a Secret of its type needs the key {key!r}")
    return Secret(name, data)


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
