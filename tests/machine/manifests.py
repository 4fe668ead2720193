"""Manifests for the tests, as Python data: JSON is YAML, too."""

from __future__ import annotations

import json
from typing import Any

Json = dict[str, Any]

IMAGE = "localhost/busybox:latest"


def container(name: str, script: str, **more: Any) -> Json:
    """A container that runs a shell script."""
    return {"name": name, "image": IMAGE, "command": ["sh", "-c", script], **more}


def pod(name: str, *containers: Json, **spec: Any) -> Json:
    """A pod that is not started again, unless the spec says so."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"restartPolicy": "Never", "containers": list(containers), **spec},
    }


def config_map(name: str, data: dict[str, str]) -> Json:
    """A ConfigMap."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def secret(name: str, data: dict[str, str]) -> Json:
    """A Secret, its values in plain text."""
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}


def text(*documents: Json) -> str:
    """The documents as one manifest."""
    return "\n---\n".join(json.dumps(document) for document in documents)


def mount(volume: str, path: str, **more: Any) -> Json:
    """A volume mount."""
    return {"name": volume, "mountPath": path, **more}
