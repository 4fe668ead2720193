"""ConfigMaps and Secrets that are immutable: a pod that has one never sees another under its name.

An API server refuses to change their values, and to make them changeable again. Here there is no such object
but in the pods that have it. Source: Kubernetes, ConfigMaps, "Immutable ConfigMaps".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from vmpod.errors import ConflictError
from vmpod.runtime.documents import config_map, config_names, secret_names
from vmpod.spec.model import ConfigMap, Manifest, Pod


def check_immutable(
    whose: str,
    pod: Pod,
    manifest: Manifest,
    *,
    config: Iterable[Mapping[str, Any]],
    secrets: Iterable[str] = (),
) -> None:
    """See to it that nothing immutable that the pod uses would change.

    whose: what the pod is called. config: the ConfigMaps that it has; secrets: names of its Secrets that are
    immutable, of which nothing else is known. Raises ConflictError.
    """
    faults = []
    for old in config:
        name = old["metadata"]["name"]
        new = manifest.config_maps.get(name)
        if new and old.get("immutable") and name in config_names(pod) and (changed := _changed(old, new)):
            faults.append(_fault(new.source, f"ConfigMap {name}", whose, changed))
    for name in secrets:
        found = manifest.secrets.get(name)
        if found and not found.immutable and name in secret_names(pod):
            faults.append(_fault(found.source, f"Secret {name}", whose, ["immutable"]))
    if faults:
        raise ConflictError(
            "\n".join(faults),
            hint="write one of another name, and name that in the pod; or --replace, to make the pod anew",
        )


def _fault(source: str, what: str, whose: str, changed: Iterable[str]) -> str:
    return f"{source}: the {what} is immutable, and would change for {whose}: {', '.join(changed)}"


def _changed(old: Mapping[str, Any], new: ConfigMap) -> list[str]:
    """The paths of what is not as before."""
    found = [] if new.immutable else ["immutable"]
    now = config_map(new, "")
    for part in ("data", "binaryData"):
        before, after = old.get(part) or {}, now[part]
        keys = sorted(before.keys() | after.keys())
        found += [f"{part}.{key}" for key in keys if before.get(key) != after.get(key)]
    return found
