"""Checked reading of JSON that an image or a registry supplied: every fault names file and field."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from vmpod.errors import ImageError

MAX_DOCUMENT = 8 << 20
"""Bytes that a manifest, an index or a configuration may have (registries commonly stop at 4 MiB)."""


class Fields:
    """A JSON object with a name for error messages."""

    def __init__(self, values: Mapping[str, Any], where: str) -> None:
        self._values = values
        self.where = where

    def __contains__(self, key: str) -> bool:
        return self._values.get(key) is not None

    def text(self, key: str, default: str | None = None) -> str:
        """A string without NUL; raises ImageError if it is missing and there is no default."""
        value: str = self._get(key, str, default)
        if "\0" in value:
            raise self.wrong(key, "holds a NUL character")
        return value

    def number(self, key: str, default: int | None = None) -> int:
        """An integer from 0 to 2**63 - 1."""
        value: int = self._get(key, int, default)
        if isinstance(value, bool) or not 0 <= value < 1 << 63:
            raise self.wrong(key, "is not a size")
        return value

    def object(self, key: str) -> Fields:
        """An object; empty if it is missing or null."""
        return Fields(self._get(key, dict, {}), f"{self.where}: {key}")

    def objects(self, key: str) -> list[Fields]:
        """An array of objects; empty if it is missing or null."""
        found = []
        for number, item in enumerate(self._get(key, list, [])):
            if not isinstance(item, dict):
                raise self.wrong(f"{key}[{number}]", "is not an object")
            found.append(Fields(item, f"{self.where}: {key}[{number}]"))
        return found

    def texts(self, key: str) -> tuple[str, ...]:
        """An array of strings; empty if it is missing or null. Docker also allows one bare string."""
        value = self._values.get(key)
        items = [value] if isinstance(value, str) else self._get(key, list, [])
        if not all(isinstance(item, str) and "\0" not in item for item in items):
            raise self.wrong(key, "is not an array of strings without NUL")
        return tuple(items)

    def mapping(self, key: str) -> dict[str, str]:
        """An object of strings; empty if it is missing or null."""
        values = self._get(key, dict, {})
        if not all(isinstance(value, str) for value in values.values()):
            raise self.wrong(key, "is not an object of strings")
        return dict(values)

    def keys(self, key: str) -> tuple[str, ...]:
        """The keys of an object, sorted: how image configurations write sets."""
        return tuple(sorted(self._get(key, dict, {})))

    def wrong(self, key: str, why: str) -> ImageError:
        """The error for a field."""
        return ImageError(
            f"{self.where}: the field {key!r} {why}", hint="the image is damaged or not an image"
        )

    def _get(self, key: str, kind: type, default: Any) -> Any:
        value = self._values.get(key)
        if value is None:
            if default is None:
                raise self.wrong(key, "is missing")
            return default
        if not isinstance(value, kind):
            raise self.wrong(key, f"is not a JSON {_JSON_NAMES[kind]}")
        return value


_JSON_NAMES = {str: "string", int: "integer", dict: "object", list: "array"}


def parse(raw: bytes, where: str) -> Fields:
    """Read a JSON object. Raises ImageError if it is too big, not JSON, or not an object."""
    value = _load(raw, where)
    if not isinstance(value, dict):
        raise ImageError(f"{where}: is not a JSON object", hint="the image is damaged or not an image")
    return Fields(value, where)


def parse_list(raw: bytes, where: str) -> list[Fields]:
    """Read a JSON array of objects. Raises ImageError like parse()."""
    return Fields({"": _load(raw, where)}, where).objects("")


def _load(raw: bytes, where: str) -> Any:
    if len(raw) > MAX_DOCUMENT:
        raise ImageError(f"{where}: is larger than {MAX_DOCUMENT >> 20} MiB")
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise ImageError(
            f"{where}: is not JSON: {error}", hint="the image is damaged or not an image"
        ) from None
