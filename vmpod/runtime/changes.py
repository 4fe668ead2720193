"""How what a manifest says differs from the pods that are there."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from vmpod.plan.forward import pod_key
from vmpod.runtime.context import Runtime
from vmpod.runtime.documents import config_maps, config_names
from vmpod.spec.machine import OWNER
from vmpod.spec.model import Manifest, Pod
from vmpod.state.store import PodEntry

Json = dict[str, Any]


def existing(runtime: Runtime, pod: Pod) -> PodEntry | None:
    """The pod of that name, if there is one."""
    return runtime.pods.lookup(pod_key(pod.namespace, pod.name))


def surplus(runtime: Runtime, manifest: Manifest) -> list[str]:
    """Pods that a workload of the manifest has made, and would no longer make, as 'NAMESPACE/NAME'."""
    wanted = {(pod.namespace, pod.name) for pod in manifest.pods}
    found = []
    for entry in runtime.pods.list(problems=[]):
        record = entry.record
        owner = ((record.document.get("metadata") or {}).get("annotations") or {}).get(OWNER)
        if (record.namespace, owner) in manifest.owners and (record.namespace, record.name) not in wanted:
            found.append(f"{record.namespace}/{record.name}")
    return found


def same_pod(entry: PodEntry, pod: Pod) -> bool:
    """Whether the pod itself is as its manifest says, whatever its ConfigMaps hold."""
    return _shown(entry.record.document) == _shown(pod.document)


def differences(entry: PodEntry, pod: Pod, manifest: Manifest) -> list[str]:
    """The lines of a unified diff from the pod that is there to the manifest's; none if they are the same.

    Secrets are kept nowhere, so they are not compared.
    """
    used = config_names(pod)
    before = _texts(entry.record.document, entry.record.config, used)
    after = _texts(pod.document, config_maps(manifest, pod.namespace), used)
    name = f"pod/{pod.name}"
    return list(
        difflib.unified_diff(before, after, f"{name} (as it is)", f"{name} ({pod.source})", lineterm="")
    )


def _texts(document: Mapping[str, Any], config: tuple[Mapping[str, Any], ...], used: set[str]) -> list[str]:
    import yaml  # noqa: PLC0415 - slow to import

    documents = [_shown(document), *(each for each in config if each["metadata"]["name"] in used)]
    text = "---\n".join(yaml.safe_dump(dict(each), allow_unicode=True) for each in documents)
    return text.splitlines()


def _shown(document: Mapping[str, Any]) -> Json:
    """What a user wrote, without what says nothing: the order of keys, and a status that was copied along."""
    return {name: value for name, value in document.items() if name != "status"}
