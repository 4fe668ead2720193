"""What a manifest would change: whose pods are one too many, and whose are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.unit.spec.manifests import container, read
from tests.unit.state.records import keep, record
from vmpod.paths import Paths
from vmpod.runtime.changes import surplus
from vmpod.runtime.context import Runtime
from vmpod.runtime.copies import _renamed
from vmpod.spec.machine import OWNER


def deployment(replicas: int) -> dict[str, Any]:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container()]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}


def test_only_what_the_workload_itself_has_made_is_too_much(tmp_path: Path) -> None:
    runtime = Runtime(Paths(data=tmp_path / "data", state=tmp_path / "state", runtime=tmp_path / "run"))
    for pod in read(deployment(3)).pods:
        keep(runtime.pods, record(pod.name, document=pod.document))
    # Of that name, but somebody else's.
    keep(runtime.pods, record("web-7"))
    first = runtime.pods.find("web-0").record
    # A copy is its user's.
    keep(runtime.pods, _renamed(runtime, first, "web-0-1", ()))
    assert surplus(runtime, read(deployment(3))) == []
    assert surplus(runtime, read(deployment(1))) == ["default/web-1", "default/web-2"]
    assert surplus(runtime, read(deployment(0))) == ["default/web-0", "default/web-1", "default/web-2"]


def test_a_copy_under_its_own_name_is_still_its_owners(tmp_path: Path) -> None:
    runtime = Runtime(Paths(data=tmp_path / "data", state=tmp_path / "state", runtime=tmp_path / "run"))
    (pod,) = read(deployment(1)).pods
    old = record(pod.name, document=pod.document)
    assert _renamed(runtime, old, "web-0", ()).document["metadata"]["annotations"] == {
        OWNER: "Deployment/web"
    }
    assert _renamed(runtime, old, "other", ()).document["metadata"]["annotations"] == {}
