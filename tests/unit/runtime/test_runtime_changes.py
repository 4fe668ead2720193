"""What a manifest would change: whose pods are one too many, what needs no other pod, and what may not be."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.unit.spec.manifests import config_map, container, pod, read, read_pod, secret
from tests.unit.state.records import keep, record
from vmpod.errors import ConflictError
from vmpod.paths import Paths
from vmpod.process import Process
from vmpod.runtime.changes import changeable, surplus
from vmpod.runtime.context import Runtime
from vmpod.runtime.copies import _renamed
from vmpod.runtime.documents import config_maps, immutable_secrets
from vmpod.runtime.immutable import check_immutable
from vmpod.runtime.update import update
from vmpod.spec.machine import CPUS, MEMORY, OWNER
from vmpod.state.store import PodEntry


def deployment(replicas: int) -> dict[str, Any]:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container()]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}


def test_only_what_the_workload_itself_has_made_is_too_much(tmp_path: Path) -> None:
    runtime = Runtime(Paths(data=tmp_path / "data", state=tmp_path / "state", runtime=tmp_path / "run"))
    for made in read(deployment(3)).pods:
        keep(runtime.pods, record(made.name, document=made.document))
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
    (made,) = read(deployment(1)).pods
    old = record(made.name, document=made.document)
    assert _renamed(runtime, old, "web-0", ()).document["metadata"]["annotations"] == {
        OWNER: "Deployment/web"
    }
    assert _renamed(runtime, old, "other", ()).document["metadata"]["annotations"] == {}


def labelled(labels: Any = None, annotations: Any = None, **more: Any) -> dict[str, Any]:
    told = {"name": "p", "labels": labels, "annotations": annotations} | more
    return pod() | {"metadata": {name: value for name, value in told.items() if value is not None}}


OLD = labelled({"app": "web"}, {"note": "old", MEMORY: "1Gi", CPUS: "2"})


@pytest.mark.parametrize(
    ("document", "wanted"),
    [
        (OLD, True),
        (labelled({"app": "db", "tier": "back"}, {MEMORY: "1Gi", CPUS: "2"}), True),
        (labelled(None, {MEMORY: "1024Mi", CPUS: "2"}), True),
        (labelled({"app": "web"}, {"note": "old"}), False),
        (labelled({"app": "web"}, {MEMORY: "2Gi", CPUS: "2"}), False),
        (labelled({"app": "web"}, {MEMORY: "1Gi", CPUS: "4"}), False),
        (labelled({"app": "web"}, {MEMORY: "1Gi", CPUS: "2", OWNER: "Deployment/web"}), False),
        (labelled({"app": "db"}, {MEMORY: "1Gi", CPUS: "2"}, namespace="default"), False),
        (OLD | {"spec": {"containers": [container(image="other")]}}, False),
    ],
)
def test_labels_and_annotations_change_in_place_unless_the_machine_is_another(
    tmp_path: Path, document: dict[str, Any], wanted: bool
) -> None:
    assert changeable(PodEntry(record("p", document=OLD), tmp_path), read_pod(document)) is wanted


def test_what_another_command_does_meanwhile_is_not_undone(tmp_path: Path) -> None:
    runtime = Runtime(Paths(data=tmp_path / "data", state=tmp_path / "state", runtime=tmp_path / "run"))
    entry = keep(runtime.pods, record("p", document=OLD, config=()))
    manifest = read(labelled({"app": "db"}))
    (wanted,) = manifest.pods
    keep(runtime.pods, replace(entry.record, stopped=True))
    update(runtime, entry, wanted, manifest)
    found = runtime.pods.find("p").record
    assert (found.stopped, found.document) == (True, wanted.document)
    # As `vmpod resize` does.
    resized = dict(wanted.document) | {
        "spec": {"containers": [container(resources={"limits": {"cpu": "1"}})]}
    }
    keep(runtime.pods, replace(found, document=resized))
    with pytest.raises(ConflictError, match="another command has changed the pod p meanwhile"):
        update(runtime, entry, wanted, manifest)
    assert runtime.pods.find("p").record.document == resized
    runtime.pods.delete(found.key, None)
    with pytest.raises(ConflictError, match="meanwhile"):
        update(runtime, entry, wanted, manifest)


def test_a_paused_pod_is_not_waited_for(runtime: Runtime) -> None:
    manifest = read(OLD)
    (wanted,) = manifest.pods
    paused = record("p", document=wanted.document, qemu=Process.of(os.getpid()), paused=True)
    entry = keep(runtime.pods, paused)
    with pytest.raises(ConflictError, match="the pod p is paused"):
        update(runtime, entry, wanted, manifest)


def test_labels_of_a_template_are_other_pods(tmp_path: Path) -> None:
    (before,) = read(deployment(1)).pods
    changed = deployment(1)
    changed["spec"]["template"]["metadata"]["labels"]["tier"] = "front"
    (after,) = read(changed).pods
    entry = PodEntry(record("web-0", document=before.document), tmp_path)
    assert changeable(entry, before)
    assert not changeable(entry, after)


USING = pod(
    container(envFrom=[{"configMapRef": {"name": "m", "optional": True}}, {"secretRef": {"name": "s"}}]),
    volumes=[{"name": "v", "projected": {"sources": [{"configMap": {"name": "n"}}]}}],
)
BEFORE = (
    config_map(data={"a": "1", "b": "2"}, binaryData={"c": "AA=="}, immutable=True),
    config_map("n", data={"x": "y"}, immutable=True),
    config_map("changes", data={"x": "y"}),
    config_map("unused", data={"x": "y"}, immutable=True),
    secret(stringData={"k": "v"}, immutable=True),
)


def check(*after: dict[str, Any]) -> None:
    had, manifest = read(USING, *BEFORE), read(USING, *after)
    (found,) = manifest.pods
    config, secrets = config_maps(had, "default"), immutable_secrets(had)
    check_immutable("the pod p", found, manifest, config=config, secrets=secrets)


def refused(*after: dict[str, Any]) -> list[str]:
    with pytest.raises(ConflictError) as raised:
        check(*after)
    assert "one of another name" in str(raised.value.hint)
    assert "--replace" in str(raised.value.hint)
    return raised.value.message.splitlines()


def test_what_is_immutable_does_not_change_for_a_pod_that_has_it() -> None:
    _, n, changes, unused, keys = BEFORE
    check(*BEFORE)
    # What the pod does not use, or may change, or is given no more.
    check(n, changes | {"data": {"x": "z"}, "immutable": True}, unused | {"data": {}}, keys)
    other = config_map(data={"a": "3", "c": ""}, binaryData={"b": "Mg=="}, immutable=True)
    told = "f.yaml: the ConfigMap m is immutable, and would change for the pod p: "
    assert refused(other, n, keys) == [told + "data.a, data.b, data.c, binaryData.b, binaryData.c"]
    open_again = [each | {"immutable": False} for each in BEFORE]
    assert refused(*open_again) == [
        told + "immutable",
        "f.yaml: the ConfigMap n is immutable, and would change for the pod p: immutable",
        "f.yaml: the Secret s is immutable, and would change for the pod p: immutable",
    ]
