"""Small manifests for tests."""

from __future__ import annotations

import json
from typing import Any

from vmpod.errors import ManifestError
from vmpod.spec.load import load
from vmpod.spec.model import Manifest, Pod


def container(**fields: Any) -> dict[str, Any]:
    return {"name": "c", "image": "i"} | fields


def pod(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": {"containers": list(containers) or [container()]} | spec,
    }


def config_map(name: str = "m", **fields: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}} | fields


def secret(name: str = "s", **fields: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}} | fields


def read(*documents: dict[str, Any]) -> Manifest:
    return load("\n---\n".join(json.dumps(document) for document in documents), source="f.yaml")


def read_pod(*documents: dict[str, Any]) -> Pod:
    (found,) = read(*documents).pods
    return found


def faults(*documents: dict[str, Any]) -> list[str]:
    """'path: message' of every fault."""
    try:
        read(*documents)
    except ManifestError as error:
        return [f"{problem.path}: {problem.message}" for problem in error.problems]
    return []


def only_fault(*documents: dict[str, Any]) -> str:
    """'path: message' of the one fault that there is."""
    (fault,) = faults(*documents)
    return fault
