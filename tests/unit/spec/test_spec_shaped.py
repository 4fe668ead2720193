"""Manifests made from the API's own types, sound and damaged: a manifest, or faults with their lines.

VMPOD_TEST_EXAMPLES sets how many; 10,000 have been seen to pass.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.plan.requests import plans
from tests.unit.spec.api import definitions, type_of
from vmpod.errors import ConflictError, ManifestError, Problem
from vmpod.plan.host import Storage
from vmpod.spec.fields import Effect
from vmpod.spec.fieldsdoc import TABLES

EXAMPLES = int(os.environ.get("VMPOD_TEST_EXAMPLES", "200"))
CORE = "io.k8s.api.core.v1."
# What makes pods: its version, and the type of its spec.
MAKERS = {
    "Deployment": ("apps/v1", "io.k8s.api.apps.v1.DeploymentSpec"),
    "ReplicaSet": ("apps/v1", "io.k8s.api.apps.v1.ReplicaSetSpec"),
    "StatefulSet": ("apps/v1", "io.k8s.api.apps.v1.StatefulSetSpec"),
    "DaemonSet": ("apps/v1", "io.k8s.api.apps.v1.DaemonSetSpec"),
    "ReplicationController": ("v1", f"{CORE}ReplicationControllerSpec"),
    "Job": ("batch/v1", "io.k8s.api.batch.v1.JobSpec"),
}
LABELS = {"app": "a"}
CLAIMS = {"data": Storage(Path("/claims/data/disk.raw"), "claim-data", ("ReadWriteOnce",))}
MAX_DEPTH = 7

# Values that make sense somewhere, so that a good part of what is made can be run.
_WORDS = """
a b web conf keys data nginx /data /etc/x sub/dir http 80 Always Never In linux Memory metadata.name None
NET_ADMIN 1 100m 64Mi
"""
# By the name of a property; anything else now and then.
_USUAL = {
    "image": "nginx",
    "name": "a b conf keys data",
    "restartPolicy": "Always OnFailure Never",
    "imagePullPolicy": "Always IfNotPresent Never",
    "pullPolicy": "Always",
    "action": "Restart RestartAllContainers",
    "operator": "In NotIn",
    "terminationMessagePolicy": "File FallbackToLogsOnError",
    "terminationMessagePath": "/dev/x",
    "dnsPolicy": "Default ClusterFirst",
    "protocol": "TCP UDP",
    "scheme": "HTTP HTTPS",
    "mountPath": "/a /b /c/d",
    "workingDir": "/a",
    "subPath": "a b/c",
    "path": "a b/c",
    "ip": "10.0.0.1",
    "hostIP": "127.0.0.1",
    "hostname": "h",
    "subdomain": "s",
    "key": "a",
    "fieldPath": "metadata.name metadata.labels['app'] status.podIP",
    "resource": "limits.cpu requests.memory",
    "containerName": "a",
    "volumeName": "data",
    "claimName": "data",
    "secretName": "keys",
    "medium": "Memory",
    "type": "RuntimeDefault Unconfined",
    "procMount": "Default Unmasked",
    "sizeLimit": "1Mi",
    "cpu": "100m 1",
    "memory": "64Mi",
    "storage": "1Gi",
    "divisor": "0 1",
    "mode": "TLS",
}
USUAL = {name: st.sampled_from(words.split()) for name, words in _USUAL.items()}
WORDS = st.sampled_from(_WORDS.split())
NUMBERS = st.sampled_from([0, 1, 2, 5, 30, 80, 443, 0o644, 1000]) | st.integers(-5, 70_000)
_SEVERAL: dict[str, st.SearchStrategy[Any]] = {
    "array": st.lists(WORDS, max_size=2),
    "object": st.fixed_dictionaries({}, optional={"cpu": USUAL["cpu"], "memory": USUAL["memory"]}),
}
REFUSED = {field.name for table in TABLES for field in table.fields if field.effect is Effect.REFUSED}
# What goes deep and says nothing here.
DULL = {"affinity", "topologySpreadConstraints", "managedFields", "status"}
_PLAIN = {"boolean": st.booleans(), "integer": NUMBERS, "number": NUMBERS}
JUNK: st.SearchStrategy[Any] = st.sampled_from(
    [None, -1, 10**30, 1.5, "", "\0", "..", [], {}, [[]], {"x": {}}, True, "$(A)$(A)"]
)


def value(name: str, schema: dict[str, Any], draw: st.DrawFn, depth: int) -> Any:
    """Something of the type that a property has."""
    if reference := type_of(schema):
        if name in USUAL and not definitions()[reference].get("properties"):
            return draw(USUAL[name])
        made = of_type(reference, draw, depth)
        if "items" not in schema:
            return made
        return [made] * (draw(st.integers(0, 2)) if depth > 2 else 1)
    kinds = schema.get("type", "object")
    kind = kinds[0] if isinstance(kinds, list) else kinds
    if kind in _SEVERAL:
        return draw(_SEVERAL[kind])
    if kind == "string" and name in USUAL and draw(st.integers(0, 19)):
        return draw(USUAL[name])
    return draw(_PLAIN.get(kind, WORDS))


def of_type(name: str, draw: st.DrawFn, depth: int) -> Any:
    """An object of a type of the API: what it requires, and some of the rest."""
    schema = definitions()[name]
    properties = schema.get("properties")
    if not properties:
        return draw(NUMBERS | WORDS)
    wanted = set(schema.get("required", ())) | ({"image"} & set(properties))
    if depth < MAX_DEPTH:
        # Mostly of what works, or nearly all would be refused.
        rest = sorted(set(properties) - DULL - (REFUSED if draw(st.integers(0, 9)) else set()))
        wanted |= set(draw(st.lists(st.sampled_from(rest), max_size=3))) if rest else set()
    return {each: value(each, properties[each], draw, depth + 1) for each in sorted(wanted)}


def damaged(node: Any, draw: st.DrawFn) -> Any:
    """The same with one thing in it that does not belong there."""
    if isinstance(node, dict) and node and draw(st.booleans()):
        key = draw(st.sampled_from(sorted(node)))
        return node | {key: damaged(node[key], draw)}
    if isinstance(node, list) and node and draw(st.booleans()):
        return [damaged(node[0], draw), *node[1:]]
    return draw(JUNK)


def pod_or_maker(draw: st.DrawFn) -> dict[str, Any]:
    """A pod, or what makes pods."""
    metadata = {"name": "web", "labels": LABELS}
    spec = of_type(f"{CORE}PodSpec", draw, 1)
    if draw(st.integers(0, 2)):
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    kind = draw(st.sampled_from(sorted(MAKERS)))
    version, name = MAKERS[kind]
    made = of_type(name, draw, MAX_DEPTH - 2) | {"template": {"metadata": metadata, "spec": spec}}
    if kind == "Job":
        # Most that is made at random makes no sense of these.
        made.pop("selector", None)
        spec["restartPolicy"] = "Never"
    else:
        made["selector"] = LABELS if version == "v1" else {"matchLabels": LABELS}
        if "replicas" in made:
            made["replicas"] = draw(st.integers(-1, 3))
        spec.pop("restartPolicy", None)
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": made}


def claim(draw: st.DrawFn) -> dict[str, Any]:
    """A claim, with what nearly every one has."""
    spec = of_type(f"{CORE}PersistentVolumeClaimSpec", draw, MAX_DEPTH - 2)
    usual = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data"},
        "spec": spec | (usual if draw(st.integers(0, 4)) else {}),
    }


@st.composite
def manifests(draw: st.DrawFn) -> list[Any]:
    """A pod, or what makes pods, with what it may refer to."""
    pod = pod_or_maker(draw)
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "conf"}, "data": {"a": "b"}}
    keys = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "stringData": {"a": "b"}}
    documents = [pod, config, keys, *([claim(draw)] if draw(st.booleans()) else [])]
    if draw(st.booleans()):
        at = draw(st.sampled_from([0, 0, 0, *range(len(documents))]))
        documents[at] = damaged(documents[at], draw)
    return documents


def told(documents: list[Any]) -> list[Problem]:
    """What is wrong with a manifest, none if its pods can be planned."""
    text = "\n---\n".join(json.dumps(document) for document in documents)
    try:
        for each in plans(text, claims=CLAIMS):
            json.dumps(each.plan.boot)
    except ManifestError as error:
        return error.problems
    except ConflictError:
        pass  # the same port of the host twice
    return []


@settings(max_examples=EXAMPLES)
@given(manifests())
def test_manifests_in_the_shape_of_the_api(documents: list[Any]) -> None:
    """What is accepted can be planned; what is not is told with its place."""
    problems = told(documents)
    # A fault has a place: of the files as a whole there may be too little, and of a plan no line is known.
    assert all(
        each.line or "spec" in each.path or each.message.startswith("holds no Pod") for each in problems
    ), problems


def test_a_good_part_of_what_is_made_is_sound() -> None:
    """Or the test above would be one of refusals alone."""
    found: list[bool] = []

    @settings(max_examples=300, derandomize=True)
    @given(manifests())
    def look(documents: list[Any]) -> None:
        found.append(not told(documents))

    look()
    assert sum(found) > len(found) / 4
