"""Claims that go with the pods of a StatefulSet, where its persistentVolumeClaimRetentionPolicy says so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from vmpod.runtime.context import Runtime
from vmpod.spec.machine import OWNER
from vmpod.spec.model import Manifest, Retention


def claims_of_the_deleted(runtime: Runtime, manifest: Manifest, surplus: Iterable[str]) -> list[str]:
    """The claims that go when all that a manifest makes does, as 'NAMESPACE/NAME'.

    surplus: pods that its workloads have made beside those of the manifest.
    """
    found = []
    for pod in manifest.pods:
        retention = _retention(manifest, pod.namespace, pod.annotations)
        if retention and retention.when_deleted:
            found += [f"{pod.namespace}/{name}" for name in retention.claims(pod.name)]
    for key in surplus:
        retention = _of_a_pod(runtime, manifest, key)
        if retention and retention.when_deleted:
            found += _claims(retention, key)
    return found


def claims_of_the_surplus(runtime: Runtime, manifest: Manifest, key: str) -> list[str]:
    """The claims that go with a pod that its StatefulSet has no place for any more."""
    retention = _of_a_pod(runtime, manifest, key)
    return _claims(retention, key) if retention and retention.when_scaled else []


def _of_a_pod(runtime: Runtime, manifest: Manifest, key: str) -> Retention | None:
    record = runtime.pods.find(key).record
    return _retention(manifest, record.namespace, record.metadata("annotations"))


def _retention(manifest: Manifest, namespace: str, annotations: Mapping[str, Any]) -> Retention | None:
    return manifest.retentions.get((namespace, annotations.get(OWNER, "")))


def _claims(retention: Retention, key: str) -> list[str]:
    namespace, _, name = key.rpartition("/")
    return [f"{namespace}/{claim}" for claim in retention.claims(name)]
