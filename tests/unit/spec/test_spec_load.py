"""What works, with its defaults; and whole files."""

from __future__ import annotations

import base64
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.spec.manifests import config_map, container, faults, pod, read, read_pod, secret
from vmpod.errors import ManifestError
from vmpod.spec.containermodel import (
    Container,
    EnvFrom,
    EnvVar,
    KeyRef,
    Port,
    PullPolicy,
    Resources,
    RestartPolicy,
    Security,
    VolumeMount,
)
from vmpod.spec.load import load
from vmpod.spec.model import ConfigMap
from vmpod.spec.volumemodel import (
    ConfigMapVolume,
    DownwardItem,
    DownwardVolume,
    EmptyDir,
    HostPath,
    KeyToPath,
    SecretVolume,
    Volume,
)

GOLDEN = Path(__file__).parent / "golden"


def test_smallest_pod() -> None:
    text = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, image: i}]}"
    (found,) = load(text, source="f").pods
    assert found.containers == (Container("c", "i", PullPolicy.ALWAYS),)
    assert (found.name, found.namespace, found.hostname) == ("p", "default", "p")
    assert (found.restart_policy, found.termination_grace_period_seconds) == (RestartPolicy.ALWAYS, 30)
    assert found.notes == ()
    assert found.document["spec"] == {"containers": [{"name": "c", "image": "i"}]}


CONTAINERS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        {"command": ["a"], "args": ["b", ""], "workingDir": "/w"},
        {"command": ("a",), "args": ("b", ""), "working_dir": "/w"},
    ),
    ({"env": [{"name": "A", "value": "$(B)"}, {"name": "B"}]}, {"env": (EnvVar("A", "$(B)"), EnvVar("B"))}),
    (
        {"env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "k"}}}]},
        {"env": (EnvVar("A", config_map_key_ref=KeyRef("m", "k")),)},
    ),
    (
        {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "x", "key": "k", "optional": True}}}]},
        {"env": (EnvVar("A", secret_key_ref=KeyRef("x", "k", optional=True)),)},
    ),
    (
        {
            "envFrom": [
                {"configMapRef": {"name": "m"}},
                {"prefix": "P_", "secretRef": {"name": "s", "optional": True}},
            ]
        },
        {"env_from": (EnvFrom(config_map="m"), EnvFrom("P_", secret="s", optional=True))},
    ),
    (
        {
            "ports": [
                {"containerPort": 80, "name": "http", "hostPort": 8080, "hostIP": "127.0.0.1"},
                {"containerPort": 53, "protocol": "UDP", "hostPort": 0},
            ]
        },
        {"ports": (Port(80, name="http", host_port=8080, host_ip="127.0.0.1"), Port(53, "UDP"))},
    ),
    (
        {
            "volumeMounts": [
                {
                    "name": "v",
                    "mountPath": "/a",
                    "readOnly": True,
                    "subPath": "x/y",
                    "mountPropagation": "None",
                }
            ]
        },
        {"volume_mounts": (VolumeMount("v", "/a", read_only=True, sub_path="x/y"),)},
    ),
    (
        {
            "resources": {
                "requests": {"cpu": "100m", "memory": "1Mi"},
                "limits": {"cpu": 1.5, "memory": 2097152},
            }
        },
        {"resources": Resources(100, 1500, 2**20, 2**21)},
    ),
    (
        {"resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "1000m"}}},
        {"resources": Resources(1000, 1000)},
    ),
    ({"resources": {"limits": {"cpu": "0.0001"}}}, {"resources": Resources(1, 1)}),
    ({"resources": {"limits": {"memory": 0}, "requests": None}}, {"resources": Resources(memory_request=0)}),
    (
        {"securityContext": {"runAsUser": 0, "runAsGroup": 5}},
        {"security": Security(run_as_user=0, run_as_group=5)},
    ),
    (
        {"securityContext": {"capabilities": {"add": ["CAP_NET_ADMIN", "KILL"], "drop": ["ALL", "KILL"]}}},
        {"security": Security(capabilities=1 << 12)},
    ),
    (
        {"securityContext": {"capabilities": {"add": ["ALL", "KILL", "CHOWN"], "drop": ["ALL", "CHOWN"]}}},
        {"security": Security(capabilities=1 << 5)},
    ),
    (
        {"securityContext": {"capabilities": {"add": ["ALL"], "drop": ["CHOWN"]}}},
        {"security": Security(capabilities=2**41 - 2)},
    ),
    ({"imagePullPolicy": "Never", "env": None, "ports": []}, {"image_pull_policy": PullPolicy.NEVER}),
]


@pytest.mark.parametrize(("fields", "expected"), CONTAINERS)
def test_container(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    documents = [config_map(data={"k": "v"}), secret(stringData={"k": "v"})]
    found = read_pod(pod(container(**fields), volumes=[{"name": "v"}]), *documents)
    assert found.containers == (replace(Container("c", "i", PullPolicy.ALWAYS), **expected),)


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("nginx", PullPolicy.ALWAYS),
        ("nginx:latest", PullPolicy.ALWAYS),
        ("host:5000/nginx", PullPolicy.ALWAYS),
        ("host:5000/nginx:1", PullPolicy.IF_NOT_PRESENT),
        ("nginx@sha256:" + "0" * 64, PullPolicy.IF_NOT_PRESENT),
        ("nginx:latest@sha256:" + "0" * 64, PullPolicy.ALWAYS),
    ],
)
def test_pull_policy_follows_the_tag(image: str, policy: PullPolicy) -> None:
    assert read_pod(pod(container(image=image))).containers[0].image_pull_policy is policy


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({}, EmptyDir()),
        ({"emptyDir": None}, EmptyDir()),
        ({"emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}}, EmptyDir("Memory", 2**30)),
        ({"emptyDir": {"sizeLimit": 0}}, EmptyDir()),
        ({"hostPath": {"path": "/srv"}}, HostPath("/srv")),
        ({"hostPath": {"path": "/srv", "type": "DirectoryOrCreate"}}, HostPath("/srv", "DirectoryOrCreate")),
        ({"configMap": {"name": "m"}}, ConfigMapVolume("m")),
        (
            {
                "configMap": {
                    "name": "m",
                    "defaultMode": 256,
                    "items": [{"key": "k", "path": "a/b", "mode": 0}],
                }
            },
            ConfigMapVolume("m", (KeyToPath("k", "a/b", 0),), 0o400),
        ),
        ({"configMap": {"name": "none", "optional": True}}, ConfigMapVolume("none", optional=True)),
        ({"secret": {"secretName": "none", "optional": True}}, SecretVolume("none", optional=True)),
        ({"nfs": None, "secret": {"secretName": "s"}}, SecretVolume("s")),
    ],
)
def test_volume(source: dict[str, Any], expected: object) -> None:
    found = read_pod(pod(volumes=[{"name": "v"} | source]), config_map(data={"k": "v"}), secret())
    assert found.volumes == (Volume("v", expected),)  # type: ignore[arg-type]


def test_pod_fields() -> None:
    found = read_pod(
        pod(
            container(securityContext={"runAsGroup": 7}),
            initContainers=[container(name="i", securityContext={"runAsUser": 0, "runAsNonRoot": False})],
            restartPolicy="OnFailure",
            terminationGracePeriodSeconds=0,
            hostname="h",
            securityContext={"runAsUser": 1, "runAsGroup": 2, "runAsNonRoot": True},
        )
    )
    assert (found.security.run_as_user, found.security.run_as_group) == (1, 2)
    every = [each.security for each in (*found.init_containers, *found.containers)]
    ids = [(each.run_as_user, each.run_as_group) for each in every]
    assert ids == [(0, 2), (1, 7)]
    assert [each.run_as_non_root for each in every] == [False, True]
    assert (found.hostname, found.restart_policy) == ("h", RestartPolicy.ON_FAILURE)
    assert found.termination_grace_period_seconds == 0


def test_hostname_is_a_name_cut_to_size() -> None:
    document = pod()
    document["metadata"]["name"] = "a" * 62 + ".b"
    assert read_pod(document).hostname == "a" * 62


def test_config_map_and_secret() -> None:
    encoded = base64.b64encode(b"\0\xff" * 40).decode()
    found = read(
        pod(),
        config_map(data={"a": "x", "n": None}, binaryData={"b": encoded[:50] + "\n" + encoded[50:]}),
        secret(data={"a": "b2xk", "b": "Yg=="}, stringData={"a": "new"}, type="Opaque", immutable=True),
    )
    data = {"a": b"x", "n": b"", "b": b"\0\xff" * 40}
    assert (found.config_maps["m"].immutable, found.secrets["s"].immutable) == (False, True)
    assert found.config_maps == {"m": ConfigMap("m", data, frozenset({"b"}))}
    assert found.secrets["s"].data == {"a": b"new", "b": b"b"}
    assert "new" not in repr(found)


def test_what_a_cluster_shows_can_be_run() -> None:
    (found,) = load((GOLDEN / "cluster.yaml").read_text(), source="cluster.yaml").pods
    assert (found.namespace, found.labels) == ("prod", {"app": "web"})
    assert [note.partition(" has no effect: ")[0] for note in found.notes] == [
        "items[0].metadata.creationTimestamp",
        "items[0].metadata.resourceVersion",
        "items[0].metadata.uid",
        "items[0].spec.nodeName",
        "items[0].spec.tolerations",
        "items[0].spec.volumes[0].projected: only the namespace is in it, as there is no API server",
        "items[0].spec.dnsPolicy",
    ]
    assert [each.source for each in found.volumes] == [
        DownwardVolume((DownwardItem("namespace", "metadata.namespace"),))
    ]


def test_a_token_that_a_user_asks_for_is_refused() -> None:
    """Unlike the one that a cluster adds to every pod."""
    source = {"sources": [{"serviceAccountToken": {"path": "token"}}]}
    (told,) = faults(pod(volumes=[{"name": "kube-api-access-mine", "projected": source}]))
    assert "serviceAccountToken: is not supported" in told


def test_selinux_options_are_noted() -> None:
    context = {"securityContext": {"seLinuxOptions": {"level": "s0:c1"}}}
    assert [note.partition(":")[0] for note in read_pod(pod(container(**context), **context)).notes] == [
        "spec.securityContext.seLinuxOptions has no effect",
        "spec.containers[0].securityContext.seLinuxOptions has no effect",
    ]


def test_notes_belong_to_their_pod() -> None:
    other = pod(dnsPolicy="Default")
    other["metadata"]["name"] = "q"
    first, second = read(pod(nodeSelector={"a": "b"}), other).pods
    assert first.notes == (
        "spec.nodeSelector has no effect: the pod runs on this one host, so there is nothing to choose",
    )
    assert second.notes == ()


def test_what_makes_no_variable_is_noted() -> None:
    found = read_pod(
        pod(container(envFrom=[{"secretRef": {"name": "s"}}])),
        secret(data={"k": "/w==", "fine": "YQ==", "nul": "AA=="}),
    )
    assert found.notes == (
        (
            "spec.containers[0].envFrom[0]: the key 'k' is not UTF-8 text, "
            "so it cannot be an environment variable; it is left out (and 1 more)"
        ),
    )


def test_objects_of_other_namespaces_are_not_seen() -> None:
    other = config_map(data={"k": "v"})
    other["metadata"]["namespace"] = "elsewhere"
    assert read(pod(), other).config_maps == {}


@pytest.mark.parametrize("loader", ["C", "Python"])
def test_terrible_manifest(loader: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every fault at once; after a change, look at each line of the new text before keeping it."""
    if loader == "Python":
        monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    with pytest.raises(ManifestError) as caught:
        load((GOLDEN / "terrible.yaml").read_text(), source="terrible.yaml")
    assert str(caught.value) + "\n" == (GOLDEN / "terrible.txt").read_text()
    assert "hunter2" not in str(caught.value)
    assert "1234" not in str(caught.value)


def test_a_thousand_pods_are_read_in_seconds() -> None:
    """1.2 s of a processor where it was measured: what looks through all of them for each takes minutes."""
    one = container(
        env=[{"name": "LEVEL", "value": "info"}, {"name": "AT", "value": "$(LEVEL)"}],
        ports=[{"name": "http", "containerPort": 80}],
        resources={"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": 1, "memory": "128Mi"}},
        readinessProbe={"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 5},
        volumeMounts=[{"name": "data", "mountPath": "/data"}, {"name": "tmp", "mountPath": "/tmp"}],
        securityContext={"runAsUser": 1000, "capabilities": {"drop": ["ALL"]}},
    )
    volumes = [{"name": "data", "emptyDir": {}}, {"name": "tmp", "emptyDir": {"medium": "Memory"}}]
    documents = [
        pod(one, one | {"name": "side"}, volumes=volumes) | {"metadata": {"name": f"p{number}"}}
        for number in range(1000)
    ]
    text = yaml.safe_dump_all(documents)
    began = time.process_time()
    assert len(load(text, source="f.yaml").pods) == 1000
    assert time.process_time() - began < 5
