"""What ConfigMaps and Secrets say now reaches a pod that runs, as a kubelet would bring it there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from vmpod.client.session import session
from vmpod.plan.make import facts_for
from vmpod.plan.volumes import boot_volumes
from vmpod.runtime.context import Runtime
from vmpod.runtime.documents import config_maps
from vmpod.runtime.facts import host_facts
from vmpod.spec.model import Manifest, Pod
from vmpod.state.store import PodEntry
from vmpod.wire import messages

_TIMEOUT = 60.0  # seconds


def update(runtime: Runtime, entry: PodEntry, pod: Pod, manifest: Manifest) -> list[str]:
    """Bring the pod's volumes of files up to date; the names of those that changed in its machine.

    Variables keep the values that they have, until the pod is started again. Raises VmpodError.
    """
    host = host_facts(entry.record.accelerator, manifest)
    secrets: dict[str, str] = {}
    facts = facts_for(pod, entry.record.uid, host)
    # Which image a volume shows is decided once.
    volumes = boot_volumes(pod, manifest, secrets, facts=facts, number=lambda _name: -1)
    told = [
        {"name": each["name"], "files": [_with_values(dict(file), secrets) for file in each["files"]]}
        for each in volumes
        if each["kind"] == "files"
    ]
    changed: list[str] = []
    if told and entry.alive():
        with session(entry.record.sockets) as found:
            body = messages.dump({"volumes": told})
            answer = found.request(messages.UPDATE, {}, body=body, timeout=_TIMEOUT)
            changed = messages.get_list(answer, "changed", str)
    runtime.pods.save(
        replace(entry, record=replace(entry.record, config=config_maps(manifest, pod.namespace)))
    )
    return changed


def _with_values(file: dict[str, Any], secrets: Mapping[str, str]) -> dict[str, Any]:
    content = file["base64"]
    return file if isinstance(content, str) else file | {"base64": secrets[content["secret"]]}
