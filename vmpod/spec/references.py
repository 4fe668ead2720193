"""Do the ConfigMaps and Secrets that a pod names stand in the same manifest?"""

from __future__ import annotations

from collections.abc import Mapping

from vmpod.dataclass import dataclass
from vmpod.spec.containermodel import KeyRef
from vmpod.spec.model import ConfigMap, Secret
from vmpod.spec.reader import Record
from vmpod.spec.words import nearest, shown


@dataclass(frozen=True)
class References:
    """The ConfigMaps and Secrets that a pod of one namespace can see, by name."""

    config_maps: Mapping[str, ConfigMap]
    secrets: Mapping[str, Secret]

    def find(self, kind: str, name: str) -> ConfigMap | Secret | None:
        """The object of a kind, 'ConfigMap' or 'Secret'."""
        return self.config_maps.get(name) if kind == "ConfigMap" else self.secrets.get(name)

    def check_object(
        self, record: Record, kind: str, name: str, *, optional: bool, field: str = "name"
    ) -> None:
        """Report an object that is not there and not optional. field: the one that names it."""
        if name and not optional and self.find(kind, name) is None:
            known = self.config_maps if kind == "ConfigMap" else self.secrets
            near = nearest(name, known)
            record.wrong(field, f"no {kind} {shown(name)} in this manifest, in the pod's namespace{near}")

    def check_variable(self, record: Record, kind: str, ref: KeyRef) -> None:
        """Report a key that is not there and not optional, or that cannot be an environment variable."""
        self.check_object(record, kind, ref.name, optional=ref.optional)
        found = self.find(kind, ref.name)
        if found is None or not ref.key:
            return
        if ref.key not in found.data or ref.key in binary_keys(found):
            if not ref.optional:
                record.wrong("key", _no_key(found, ref.key))
        elif fault := unfit(found.data[ref.key]):
            record.wrong("key", f"the value of {ref.key!r} {fault}")

    def check_file(self, record: Record, kind: str, name: str, key: str, *, optional: bool) -> None:
        """Report a key for a file that is not there and not optional."""
        found = self.find(kind, name)
        if found and key and key not in found.data and not optional:
            record.wrong("key", _no_key(found, key))


def binary_keys(found: ConfigMap | Secret) -> frozenset[str]:
    """The keys that only files can be made of."""
    return found.binary_keys if isinstance(found, ConfigMap) else frozenset()


def unfit(value: bytes) -> str | None:
    """Why a value cannot be an environment variable, or None."""
    if b"\0" in value:
        return "holds a NUL byte, so it cannot be an environment variable"
    try:
        value.decode()
    except UnicodeDecodeError:
        return "is not UTF-8 text, so it cannot be an environment variable"
    return None


def _no_key(found: ConfigMap | Secret, key: str) -> str:
    kind = type(found).__name__
    return f"{kind} {shown(found.name)} has no key {shown(key)}{nearest(key, found.data)}"
