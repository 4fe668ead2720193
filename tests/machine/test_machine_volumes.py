"""Volumes and variables that tell a pod about itself, and what else can be mounted."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from tests.machine.harness import Vmpod
from tests.machine.manifests import IMAGE, config_map, container, mount, pod, secret
from tests.machine.pods import Pods

IDLE = "trap 'exit 0' TERM; while :; do sleep 60 & wait $!; done"


def _field(name: str, path: str) -> dict[str, Any]:
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def _file(path: str) -> dict[str, Any]:
    return {"volumeName": "data", "path": path, "key": "COLOUR"}


@pytest.fixture(scope="module")
def subject(module_pods: Pods) -> str:
    """One pod with a volume of each kind."""
    uid = {"fieldRef": {"fieldPath": "metadata.uid"}}
    volumes = [
        {
            "name": "told",
            "downwardAPI": {
                "defaultMode": 0o440,
                "items": [
                    {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
                    {"path": "deep/name", "fieldRef": {"fieldPath": "metadata.name"}, "mode": 0o400},
                    {
                        "path": "memory",
                        "resourceFieldRef": {
                            "containerName": "main",
                            "resource": "limits.memory",
                            "divisor": "1Mi",
                        },
                    },
                ],
            },
        },
        {
            "name": "all",
            "projected": {
                "defaultMode": 0o444,
                "sources": [
                    {"configMap": {"name": "conf", "items": [{"key": "a", "path": "conf/a"}]}},
                    {"secret": {"name": "keys", "items": [{"key": "k", "path": "secret/k", "mode": 0o400}]}},
                    {"downwardAPI": {"items": [{"path": "uid", "fieldRef": {"fieldPath": "metadata.uid"}}]}},
                ],
            },
        },
        {"name": "image", "image": {"reference": IMAGE}},
        {
            "name": "claimed",
            "ephemeral": {
                "volumeClaimTemplate": {
                    "spec": {
                        "accessModes": ["ReadWriteOnce"],
                        "volumeMode": "Filesystem",
                        "resources": {"requests": {"storage": "64Mi"}},
                    }
                }
            },
        },
        {"name": "data", "emptyDir": {}},
        {
            "name": "owned",
            "projected": {
                "defaultUser": 1000,
                "sources": [
                    {"configMap": {"name": "conf", "items": [{"key": "a", "path": "conf/a"}]}},
                    {"secret": {"name": "keys", "items": [{"key": "k", "path": "secret/k", "user": 2000}]}},
                    {"downwardAPI": {"items": [{"path": "uid", "user": 3000} | uid]}},
                ],
            },
        },
        {"name": "secret", "secret": {"secretName": "keys", "defaultUser": 4000}},
        {"name": "opened", "emptyDir": {"mode": 0o1770}},
        {"name": "tighter", "emptyDir": {"medium": "Memory", "mode": 0o750}},
    ]
    first = container(
        "first", "echo \"COLOUR='deep blue'\" >/data/env", volumeMounts=[mount("data", "/data")]
    )
    main = container(
        "main",
        IDLE,
        env=[
            _field("MY_NAME", "metadata.name"),
            _field("MY_UID", "metadata.uid"),
            _field("MY_NODE", "spec.nodeName"),
            _field("MY_IP", "status.podIP"),
            _field("MY_HOST", "status.hostIP"),
            _field("MY_LABEL", "metadata.labels['app']"),
            {"name": "CORES", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
            {"name": "COLOUR", "valueFrom": {"fileKeyRef": _file("env")}},
            {"name": "SHAPE", "valueFrom": {"fileKeyRef": _file("none") | {"optional": True}}},
        ],
        resources={"limits": {"memory": "100Mi", "cpu": "300m"}},
        volumeMounts=[
            mount("told", "/told"),
            mount("all", "/all"),
            mount("image", "/image"),
            mount("image", "/tools", subPath="bin"),
            mount("claimed", "/claimed"),
            mount("data", "/mine", subPathExpr="$(MY_NAME)/$(MY_LABEL)"),
            mount("owned", "/owned"),
            mount("secret", "/secret"),
            mount("opened", "/opened"),
            mount("tighter", "/tighter"),
            mount("data", "/closed", bindMountOptions=["noexec", "nodev", "nosuid"]),
            mount("data", "/sealed", readOnly=True, recursiveReadOnly="Enabled"),
        ],
    )
    document = pod("volumes", main, initContainers=[first], volumes=volumes)
    document["metadata"]["labels"] = {"app": "web", "tier": "front"}
    return module_pods.start(config_map("conf", {"a": "b"}), secret("keys", {"k": "hidden"}), document)


def sh(vmpod: Vmpod, name: str, script: str) -> list[str]:
    done = vmpod("exec", name, "-c", "main", "--", "sh", "-c", f"{script}; true")
    return (done.text + done.errors).splitlines()


def test_variables_tell_a_pod_about_itself(vmpod: Vmpod, subject: str) -> None:
    record = vmpod.record(subject)
    names = "MY_NAME MY_UID MY_NODE MY_IP MY_HOST MY_LABEL CORES COLOUR"
    told = sh(vmpod, subject, f"for each in {names}; do eval echo \\$$each; done")
    node = socket.gethostname()
    assert told == ["volumes", record["uid"], node, "10.0.2.15", "10.0.2.2", "web", "1", "deep blue"]
    assert sh(vmpod, subject, "echo ${SHAPE-none}") == ["none"], "optional, and not there"
    # Whoever is at that address is the host.
    assert sh(vmpod, subject, "ping -c 1 -W 5 $MY_HOST >/dev/null && echo reached") == ["reached"]
    # Who asks on the host gets nowhere by that one, and the pod nowhere by this one.
    assert vmpod.pod(subject)["status"]["hostIPs"] == [{"ip": "127.0.0.1"}]


def test_files_tell_a_pod_about_itself(vmpod: Vmpod, subject: str) -> None:
    script = "cd /told; cat labels; echo; cat deep/name memory; echo; stat -L -c '%a %n' labels deep/name"
    assert sh(vmpod, subject, script) == [
        'app="web"',
        'tier="front"',
        "volumes100",
        "440 labels",
        "400 deep/name",
    ]


def test_several_sources_in_one_directory(vmpod: Vmpod, subject: str) -> None:
    script = "cd /all; cat conf/a secret/k uid; echo; stat -L -c '%a %n' conf/a secret/k uid; touch /all/new"
    told = sh(vmpod, subject, script)
    assert told[0] == f"bhidden{vmpod.record(subject)['uid']}"
    assert told[1:4] == ["444 conf/a", "400 secret/k", "444 uid"]
    assert "Read-only file system" in told[4]


def test_an_image_as_a_volume(vmpod: Vmpod, subject: str) -> None:
    """Its files can be read, neither written nor executed."""
    told = sh(vmpod, subject, "ls /image/bin/busybox /tools/busybox; touch /image/x; /tools/busybox true")
    assert told[:2] == ["/image/bin/busybox", "/tools/busybox"]
    assert "Read-only file system" in told[2]
    assert "Permission denied" in told[3]


def test_a_volume_of_the_pod_alone(vmpod: Vmpod, subject: str) -> None:
    assert sh(vmpod, subject, "echo x >/claimed/y && cat /claimed/y") == ["x"]


def test_a_sub_path_made_of_variables(vmpod: Vmpod, subject: str) -> None:
    assert sh(vmpod, subject, "echo here >/mine/f; cat /sealed/volumes/web/f") == ["here"]
    assert "Read-only file system" in sh(vmpod, subject, "touch /sealed/x")[0]


def test_owners_and_modes(vmpod: Vmpod, subject: str) -> None:
    files = "/owned/conf/a /owned/secret/k /owned/uid /opened /tighter"
    look = f"stat -L -c '%u %a %n' {files}; stat -L -c %u /secret/k"
    assert sh(vmpod, subject, look) == [
        "1000 644 /owned/conf/a",
        "2000 644 /owned/secret/k",
        "3000 644 /owned/uid",
        "0 1770 /opened",
        "0 750 /tighter",
        "4000",
    ]


def test_mounts_can_be_closed(vmpod: Vmpod, subject: str) -> None:
    script = "cp /bin/busybox /closed/ && grep ' /closed ' /proc/mounts; /closed/busybox true"
    mounted, refused = sh(vmpod, subject, script)
    assert "Permission denied" in refused
    assert {"noexec", "nosuid", "nodev"} < set(mounted.split()[3].split(","))


def test_a_sub_path_that_another_container_swaps_for_a_link(vmpod: Vmpod, pods: Pods) -> None:
    """The init container has put a link to the machine's own files where the sub path is."""
    trap = container(
        "trap", "ln -s /etc /data/x; ln -s ../../.. /data/y", volumeMounts=[mount("data", "/data")]
    )
    for number, path in enumerate(("x", "y/etc")):
        main = container("main", "ls /victim", volumeMounts=[mount("data", "/victim", subPath=path)])
        name = f"swapped-{number}"
        document = pod(name, main, initContainers=[trap], volumes=[{"name": "data", "emptyDir": {}}])
        pods.run(document, status=128)
        told = vmpod.status(name, "main")["state"]["terminated"]
        assert (told["reason"], told["exitCode"]) == ("StartError", 128)
        assert f"subPath '{path}' leads out of its volume" in told["message"]


@pytest.mark.parametrize("kind", ["emptyDir", "ephemeral-storage"])
def test_who_writes_too_much_is_evicted(kind: str, vmpod: Vmpod, pods: Pods) -> None:
    write = "dd if=/dev/zero of={} bs=1M count=8 2>/dev/null; sleep 600"
    if kind == "emptyDir":
        main = container("main", write.format("/data/big"), volumeMounts=[mount("data", "/data")])
        volumes = [{"name": "data", "emptyDir": {"sizeLimit": "4Mi"}}]
        told = f'Usage of EmptyDir volume "data" exceeds the limit of {4 * 2**20} bytes.'
    else:
        limits = {"limits": {"ephemeral-storage": "4Mi"}}
        main, volumes = container("main", write.format("/big"), resources=limits), []
        told = f"Container main exceeded its local ephemeral storage limit of {4 * 2**20} bytes."
    name = f"big-{kind.lower()}"
    done = pods.run(pod(name, main, volumes=volumes), status=137)
    assert told in done.errors
    status = vmpod.pod(name)["status"]
    assert (status["phase"], status["reason"], status["message"]) == ("Failed", "Evicted", told)


def test_the_secret_of_a_projection_is_on_no_disk(vmpod: Vmpod, subject: str) -> None:
    directory = vmpod.pod_directory(subject)
    found = [
        path.name
        for path in directory.rglob("*")
        if path.is_file() and path.stat().st_size < 2**28 and b"hidden" in path.read_bytes()
    ]
    assert found == []
