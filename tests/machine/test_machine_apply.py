"""From a directory of manifests to pods, again without a change, with one, and away."""

from __future__ import annotations

import json
from pathlib import Path

from tests.machine import manifests
from tests.machine.harness import Vmpod, eventually, free_port, kill
from tests.machine.manifests import config_map, container, mount, pod, secret
from tests.machine.pods import Pods


def test_apply(vmpod: Vmpod, pods: Pods, tmp_path: Path) -> None:
    script = "echo $COLOUR $0; trap 'exit 0' TERM; while :; do sleep 60 & wait $!; done"
    env = [
        {"name": "COLOUR", "valueFrom": {"configMapKeyRef": {"name": "paint", "key": "colour"}}},
        {"name": "TIER", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['tier']"}}},
    ]
    fields = [
        {"path": name, "fieldRef": {"fieldPath": f"metadata.{name}"}} for name in ("labels", "annotations")
    ]
    volumes = [
        {"name": "told", "downwardAPI": {"items": fields[:1]}},
        {"name": "all", "projected": {"sources": [{"downwardAPI": {"items": fields}}]}},
    ]
    manifest = tmp_path / "pod.yaml"
    mounts = [mount("told", "/told"), mount("all", "/all")]
    painted = container("main", script, args=["($(COLOUR))"], env=env, volumeMounts=mounts)
    document = pod("painted", painted, restartPolicy="Always", volumes=volumes)
    document["metadata"]["labels"] = {"tier": "front"}
    manifest.write_text(json.dumps(document))
    paint = tmp_path / "paint.yaml"
    paint.write_text(json.dumps(config_map("paint", {"colour": "red"})))
    pods.adopt("painted")

    assert vmpod("apply", "-f", str(tmp_path)).lines == ["pod/painted created"]
    eventually(lambda: vmpod("logs", "painted").lines == ["red (red)"], "its first word")
    uid = vmpod.record("painted")["uid"]
    assert vmpod("apply", "-f", str(tmp_path)).lines == ["pod/painted unchanged"]

    # Labels and annotations: files tell of them at once, variables from the next run on.
    document["metadata"] |= {"labels": {"tier": "back"}, "annotations": {"by": "hand"}}
    manifest.write_text(json.dumps(document))
    done = vmpod("diff", "-f", str(tmp_path), status=1)
    assert {"-    tier: front", "+    tier: back", "+    by: hand"} < set(done.lines)
    done = vmpod("apply", "-f", str(tmp_path))
    assert done.lines == ["pod/painted configured"]
    assert "variables have changed, which main of painted will see when started again" in done.errors
    assert vmpod("apply", "-f", str(tmp_path)).lines == ["pod/painted unchanged"]
    assert vmpod("diff", "-f", str(tmp_path)).lines == []
    show = "cat /told/labels; echo; cat /all/labels; echo; cat /all/annotations; echo; echo $TIER"
    told = ['tier="back"', 'tier="back"', 'by="hand"', "front"]
    assert vmpod.exec("painted", "sh", "-c", show).lines == told
    assert vmpod("ps", "-l", "tier=back", "-q").lines == ["painted"]
    assert vmpod("get", "-l", "tier=front", "-q").lines == []
    assert vmpod.pod("painted")["metadata"]["annotations"] == {"by": "hand"}

    paint.write_text(json.dumps(config_map("paint", {"colour": "blue"})))
    done = vmpod("diff", "-f", str(tmp_path), status=1)
    assert {"-  colour: red", "+  colour: blue"} < set(done.lines)
    done = vmpod("apply", "-f", str(tmp_path))
    assert done.lines == ["pod/painted configured"]
    assert "variables have changed, which main of painted will see when started again" in done.errors
    assert vmpod("apply", "-f", str(tmp_path)).lines == ["pod/painted unchanged"]
    # What runs keeps what it has; the next run has the new.
    assert vmpod.exec("painted", "sh", "-c", "echo $COLOUR").lines == ["red"]
    vmpod("kill", "painted", "-c", "main")
    eventually(lambda: vmpod("logs", "painted").lines == ["blue (blue)"], "its first word")
    assert vmpod.exec("painted", "sh", "-c", "echo $TIER").lines == ["back"]
    assert vmpod.record("painted")["uid"] == uid
    manifest.write_text(manifest.read_text().replace("60", "61"))
    done = vmpod("apply", "-f", str(tmp_path), status=125)
    assert "+    - echo $COLOUR" in done.errors
    assert "--replace" in done.errors
    assert vmpod.record("painted")["uid"] == uid

    assert vmpod("apply", "--replace", "-f", str(tmp_path)).lines == ["pod/painted replaced"]
    eventually(lambda: vmpod("logs", "painted").lines == ["blue (blue)"], "its first word")
    assert vmpod.record("painted")["uid"] != uid
    assert vmpod("diff", "-f", str(tmp_path)).lines == []

    assert vmpod("delete", "-f", str(tmp_path)).lines == ["pod/painted deleted"]
    assert not vmpod.pod_directory("painted").exists()


# It tells when any of the files is not of the same version as the others.
WATCH = (
    "cd /conf; while :; do d=$(readlink ..data); a=$(cat $d/a 2>/dev/null) && b=$(cat $d/b 2>/dev/null) && "
    '[ "$a" != "$b" ] && echo torn; sleep 0.02; done'
)


def test_what_configmaps_and_secrets_say_reaches_a_pod_that_runs(
    vmpod: Vmpod, pods: Pods, tmp_path: Path
) -> None:
    """All files of a volume at once, as a kubelet would bring them."""
    sources = [{"configMap": {"name": "conf"}}, {"secret": {"name": "keys"}}]
    volumes = [
        {"name": "conf", "configMap": {"name": "conf", "optional": True}},
        {"name": "all", "projected": {"sources": sources}},
    ]
    mounts = [mount("conf", "/conf"), mount("all", "/all"), mount("conf", "/one", subPath="a")]
    path = tmp_path / "all.json"

    def write(version: str, *, password: str = "one", immutable: bool = False, **more: str) -> None:
        config = config_map("conf", {"a": version, "b": version} | more) | {"immutable": immutable}
        keys = secret("keys", {"password": password})
        fed = pod("fed", container("main", WATCH, volumeMounts=mounts), volumes=volumes)
        path.write_text(manifests.text(fed, config, keys))

    def shown(*files: str) -> list[str]:
        return vmpod.exec("fed", "sh", "-c", f"for f in {' '.join(files)}; do cat $f; echo; done").lines

    pods.adopt("fed")
    write("first")
    vmpod("apply", "-f", str(path))
    assert shown("/conf/a", "/all/b", "/all/password", "/one") == ["first", "first", "one", "first"]
    for number in range(5):
        write(f"next{number}", password="two", c="new")
        assert vmpod("apply", "-f", str(path)).lines == ["pod/fed configured"]
    # What is mounted by itself stays as it was, as in Kubernetes.
    assert shown("/conf/a", "/conf/c", "/all/b", "/all/password", "/one") == [
        "next4",
        "new",
        "next4",
        "two",
        "first",
    ]
    write("next4", password="two")
    vmpod("apply", "-f", str(path))
    assert vmpod.exec("fed", "ls", "/conf").lines == ["a", "b"]
    assert vmpod("apply", "-f", str(path)).lines == ["pod/fed unchanged"]
    for password, options in (("three", ()), ("four", ("--replace",))):
        write("next4", password=password)
        assert vmpod("apply", *options, "-f", str(path)).lines == ["pod/fed configured"], "a Secret alone"
        assert shown("/all/password") == [password]
    write("next4", password="three", immutable=True)
    assert vmpod("apply", "-f", str(path)).lines == ["pod/fed configured"]
    assert vmpod("apply", "-f", str(path)).lines == ["pod/fed unchanged"]
    write("last", password="four", immutable=True)
    done = vmpod("apply", "-f", str(path), status=125)
    told = "all.json: the ConfigMap conf is immutable, and would change for the pod fed: data.a, data.b"
    assert told in done.errors
    assert shown("/conf/a", "/all/a", "/all/password") == ["next4", "next4", "three"]
    assert vmpod("logs", "fed").lines == []


def test_replicas_are_machines(vmpod: Vmpod, pods: Pods, tmp_path: Path) -> None:
    script = "hostname; trap 'exit 0' TERM; while :; do sleep 60 & wait $!; done"
    template = {
        "metadata": {"labels": {"app": "many"}},
        "spec": {"containers": [container("main", script)], "terminationGracePeriodSeconds": 1},
    }
    path = tmp_path / "many.json"

    def write(replicas: int) -> None:
        spec = {"replicas": replicas, "selector": {"matchLabels": {"app": "many"}}, "template": template}
        metadata = {"name": "many"}
        document = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}
        path.write_text(json.dumps(document))

    for number in range(3):
        pods.adopt(f"many-{number}")
    write(2)
    assert vmpod("apply", "-f", str(path)).lines == ["pod/many-0 created", "pod/many-1 created"]
    assert [vmpod.exec(f"many-{n}", "hostname").text.strip() for n in range(2)] == ["many-0", "many-1"]
    assert vmpod("ps", "-l", "app=many", "-q").lines == ["many-0", "many-1"]
    write(3)
    assert vmpod("apply", "-f", str(path)).lines[2:] == ["pod/many-2 created"]
    # A machine that has died is started by the next apply.
    kill(vmpod.qemu("many-0"))
    assert vmpod("apply", "-f", str(path)).lines == [
        "pod/many-1 unchanged",
        "pod/many-2 unchanged",
        "pod/many-0 replaced",
    ]
    write(1)
    assert vmpod("apply", "-f", str(path)).lines == [
        "pod/many-0 unchanged",
        "pod/many-1 deleted",
        "pod/many-2 deleted",
    ]
    write(0)
    assert vmpod("delete", "-f", str(path)).lines == ["pod/many-0 deleted"]


def test_a_service_is_a_name(vmpod: Vmpod, pods: Pods) -> None:
    """It leads to the pod that binds its port on the host; a pod of another manifest needs hostAliases."""
    port = free_port()
    serve = container("db", "httpd -f -p 80 -h /etc", ports=[{"containerPort": 80, "hostPort": port}])
    spec = {"selector": {"app": "db"}, "ports": [{"port": port, "targetPort": 80}]}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "db"}, "spec": spec}
    serving = pod("serving", serve, terminationGracePeriodSeconds=0)
    serving["metadata"]["labels"] = {"app": "db"}
    ask = container("ask", f"until wget -qO - db.default:{port}/hostname; do sleep 1; done; sleep 1000")
    beside = pod("beside", ask, terminationGracePeriodSeconds=0)
    pods.start(service, serving, beside)
    eventually(lambda: vmpod("logs", "beside").lines == ["serving"], "an answer")
    asking = pod("asking", ask | {"command": ["wget", "-q", "-O", "-", f"http://db:{port}/hostname"]})
    asking["spec"]["hostAliases"] = [{"ip": "10.0.2.2", "hostnames": ["db"]}]
    done = pods.run(service, asking)
    assert done.lines == ["ask | serving"]
    assert "speaks of" not in done.errors
