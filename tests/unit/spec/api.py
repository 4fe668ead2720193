"""The Kubernetes API's own types, as its schemas have them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate

_DIRECTORY = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"


def _version(path: Path) -> list[int]:
    return [int(number) for number in path.name[1:].partition("-")[0].split(".")]


NEWEST = max(_DIRECTORY.glob("v*-local"), key=_version)


@cache
def definitions() -> dict[str, Any]:
    """Every type of the newest version, by its name."""
    found: dict[str, Any] = json.loads((NEWEST / "_definitions.json").read_bytes())["$defs"]
    return found


def type_of(schema: dict[str, Any]) -> str:
    """The name of the type that a property holds, or that its items are; '' for plain values."""
    inner = schema.get("items", schema)
    return str(inner.get("$ref", "")).rpartition("/")[2]
