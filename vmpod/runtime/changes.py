"""How what a manifest says differs from the pods that are there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from vmpod.plan.forward import pod_key
from vmpod.runtime.context import Runtime
from vmpod.runtime.difference import difference, without_status
from vmpod.runtime.documents import (
    config_maps,
    config_names,
    immutable_secrets,
    secret_names,
    without_values,
)
from vmpod.spec.machine import OWNER, machine_of
from vmpod.spec.model import Manifest, Pod
from vmpod.state.store import PodEntry

Json = dict[str, Any]

_IN_PLACE = ("labels", "annotations")


def existing(runtime: Runtime, pod: Pod) -> PodEntry | None:
    """The pod of that name, if there is one."""
    return runtime.pods.lookup(pod_key(pod.namespace, pod.name))


def surplus(runtime: Runtime, manifest: Manifest) -> list[str]:
    """Pods that a workload of the manifest has made, and would no longer make, as 'NAMESPACE/NAME'."""
    if not manifest.owners:
        return []  # there is no need to read the records of all pods
    wanted = {(pod.namespace, pod.name) for pod in manifest.pods}
    found = []
    for entry in runtime.pods.list(problems=[]):
        record = entry.record
        owner = record.metadata("annotations").get(OWNER)
        if (record.namespace, owner) in manifest.owners and (record.namespace, record.name) not in wanted:
            found.append(f"{record.namespace}/{record.name}")
    return found


def changeable(entry: PodEntry, pod: Pod) -> bool:
    """Whether the pod can be as its manifest says without being made anew, whatever its ConfigMaps hold.

    Its labels and annotations change in place. Those of a workload's template would make other pods.
    """
    before, after = without_status(entry.record.document), without_status(pod.document)
    owned = OWNER in _annotations(before) or OWNER in _annotations(after)
    return before == after or (not owned and _fixed(before) == _fixed(after))


def differences(entry: PodEntry, pod: Pod, manifest: Manifest) -> list[str]:
    """The lines of a unified diff from the pod that is there to the manifest's; none if they are the same.

    Secrets are kept nowhere, so they are not compared, but for whether they are immutable.
    """
    record, configs, secrets = entry.record, config_names(pod), secret_names(pod)

    def used(config: Iterable[Json], immutable: Iterable[str]) -> list[Json]:
        found = [each for each in config if each["metadata"]["name"] in configs]
        return found + [without_values(name, pod.namespace) for name in immutable if name in secrets]

    here = used(map(dict, record.config), record.immutable_secrets)
    there = used(config_maps(manifest, pod.namespace), immutable_secrets(manifest))
    before, after = without_status(record.document), without_status(pod.document)
    return difference(f"pod/{pod.name}", [before, *here], [after, *there], pod.source)


def _fixed(document: Json) -> Json:
    """What of it cannot change in place: all but labels and annotations, except the machine's."""
    metadata = document.get("metadata") or {}
    kept = {name: value for name, value in metadata.items() if name not in _IN_PLACE}
    return document | {"metadata": kept | {"annotations": machine_of(_annotations(document))}}


def _annotations(document: Mapping[str, Any]) -> Mapping[str, Any]:
    return (document.get("metadata") or {}).get("annotations") or {}
