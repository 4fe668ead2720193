"""Checks what commands print against docs/schemas, and v1 objects against Kubernetes' own schemas."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate

SCHEMAS = Path(__file__).parents[1] / "docs" / "schemas"
KUBERNETES = kubernetes_validate.latest_version()


def check(data: Any) -> None:
    """Raise AssertionError if an object, or an element of an array, is not what its kind says."""
    if isinstance(data, list):
        for each in data:
            check(each)
        return
    assert set(data) >= {"apiVersion", "kind"}, "every JSON output says what it is"
    if data["apiVersion"] not in {"v1", "batch/v1"}:
        _check_ours(data)
    elif data["kind"] == "List":
        for each in data["items"]:
            check(each)
    else:
        # strict: an attribute that the API does not know is an error.
        kubernetes_validate.validate(data, KUBERNETES, strict=True)


def _check_ours(data: Any) -> None:
    assert data["apiVersion"] == "vmpod/v1"
    path = SCHEMAS / f"{data['kind']}.json"
    assert path.exists(), f"{path} is missing: it says what a {data['kind']} is (JSON Schema 2020-12)"
    jsonschema.Draft202012Validator(json.loads(path.read_bytes())).validate(data)
