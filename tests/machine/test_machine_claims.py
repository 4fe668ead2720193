"""PersistentVolumeClaims: disks that outlive pods, and are one pod's at a time."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.machine import manifests
from tests.machine.harness import Vmpod, eventually, kill
from tests.machine.manifests import Json, container, mount, pod
from tests.machine.pods import Pods

IDLE = "trap 'exit 0' TERM; while :; do sleep 60 & wait $!; done"


@pytest.fixture
def name(request: pytest.FixtureRequest, vmpod: Vmpod, pods: Pods) -> Iterator[str]:
    """Of a claim of the test's own, which goes once its pods have gone."""
    found = request.node.name.removeprefix("test_").replace("_", "-")
    yield found
    pods.close()
    if (vmpod.home / "data/claims" / found).exists():
        vmpod("volume", "rm", found)


def claim(name: str, storage: str = "64Mi", *modes: str) -> Json:
    spec = {
        "accessModes": list(modes) or ["ReadWriteOnce"],
        "resources": {"requests": {"storage": storage}},
    }
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": spec,
    }


def user(name: str, of: str, *, read_only: bool = False, script: str = IDLE, **spec: Any) -> Json:
    """A pod with a claim at /data."""
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": of, "readOnly": read_only}}
    main = container("main", script, volumeMounts=[mount("data", "/data")])
    return pod(name, main, volumes=[volume], **spec)


def test_data_outlives_pods_and_their_machines(vmpod: Vmpod, pods: Pods, name: str) -> None:
    """From a machine that began as a copy to one that boots, and to the same pod's next one."""
    first = pods.start(user("first", name), claim(name))
    assert vmpod.exec(first, "sh", "-c", "ls -a /data; stat -c %a /data").lines == [".", "..", "777"]
    vmpod.exec(first, "sh", "-c", "echo kept > /data/file")
    vmpod("rm", "--force", first)
    second = pods.start(user("second", name), options=("--no-template",))
    assert vmpod.exec(second, "cat", "/data/file").text == "kept\n"
    vmpod.exec(second, "sh", "-c", "echo more >> /data/file")
    vmpod("restart", second)
    assert vmpod.exec(second, "cat", "/data/file").text == "kept\nmore\n"
    vmpod("stop", second)
    (listed,) = json.loads(vmpod("volume", "ls", "--filter", f"name={name}", "-o", "json").out)["items"]
    assert listed["pods"] == [{"name": "second", "readOnly": False, "running": False}]
    assert listed["used"] < listed["size"] == 64 * 1024 * 1024
    # It was closed well, and is as sound as it was.
    subprocess.run(["e2fsck", "-fn", listed["disk"]], check=True, capture_output=True)
    assert b"the pod second names the claim" in vmpod("volume", "rm", name, status=125).err
    vmpod("rm", second)
    assert b"claim" not in vmpod("prune").out
    assert Path(listed["disk"]).exists()
    assert f"claim {name}:" in vmpod("prune", "--volumes").text
    assert not Path(listed["disk"]).exists()
    gone = vmpod("run", "-", input=pods.expect(user("late", name)), status=125)
    assert "spec.volumes[0].persistentVolumeClaim.claimName: there is no claim" in gone.errors


def test_a_directory_of_the_host(vmpod: Vmpod, pods: Pods, name: str, tmp_path: Path) -> None:
    """A PersistentVolume that a claim fits takes the place of a disk, for several pods at once."""
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce", "ReadWriteMany"],
            "hostPath": {"path": str(tmp_path)},
        },
    }
    (tmp_path / "page").write_text("of the host\n")
    wanted = claim(name, "64Mi", "ReadWriteMany")
    first = pods.start(user("first", name), wanted, volume)
    second = pods.start(user("second", name, read_only=True), wanted, volume)
    assert vmpod.exec(first, "sh", "-c", "cat /data/page; echo written > /data/file").text == "of the host\n"
    assert vmpod.exec(second, "cat", "/data/file").text == (tmp_path / "file").read_text() == "written\n"
    assert b"Read-only" in vmpod.exec(second, "touch", "/data/file", status=1).err
    vmpod("restart", first)
    assert vmpod.exec(first, "cat", "/data/file").text == "written\n"
    assert not (vmpod.home / "data/claims" / name).exists()


def test_a_claim_is_one_pods_at_a_time(vmpod: Vmpod, pods: Pods, name: str) -> None:
    """Also of pods that are started at the same moment."""
    vmpod("apply", "-f", "-", input=manifests.text(claim(name)))
    with ExitStack() as both:
        texts = [pods.expect(user(each, name)) for each in ("one", "two")]
        files = [vmpod.home / f"contend-{number}.json" for number in range(2)]
        for file, text in zip(files, texts, strict=True):
            file.write_text(text)
        running = [both.enter_context(vmpod.started("run", "-d", "-q", str(file))) for file in files]
        ended = [each.end() for each in running]
    assert sorted(each.status for each in ended) == [0, 125], ended
    winner = next(each for each in ended if each.status == 0).text.strip()
    (told,) = (each.errors for each in ended if each.status)
    assert f"the claim {name} is in use by the pod {winner} [conflict]" in told
    assert vmpod("ps", "-aq").lines.count("one") + vmpod("ps", "-aq").lines.count("two") == 1
    for words in (("fork", winner), ("snapshot", winner, "never")):
        assert f"the pod {winner} has the claim {name}" in vmpod(*words, status=125).errors
    # Who holds it with nothing written down is not overlooked either: QEMU has the file locked.
    path = vmpod.pod_directory(winner) / "pod.json"
    record = path.read_text()
    path.write_text(record.replace(f'"claimName": "{name}"', '"claimName": "other"'))
    third = vmpod("run", "-q", "-", input=pods.expect(user("three", name)), status=125)
    path.write_text(record)
    assert f"the disk of the claim {name} is in use by another machine [conflict]" in third.errors
    assert not vmpod.pod_directory("three").exists()
    vmpod("stop", winner)
    pods.start(user("three", name))


def test_a_command_that_is_killed_keeps_no_claim(vmpod: Vmpod, pods: Pods, name: str) -> None:
    file = vmpod.home / "killed.json"
    file.write_text(pods.expect(user("killed", name), claim(name)))
    with vmpod.started("run", "-d", "-q", str(file)) as running:
        eventually((vmpod.pod_directory("killed") / "pod.json").exists, "the pod to be started")
        running.process.kill()
    # Its machine may run by now, and have the disk.
    vmpod("prune")
    after = pods.start(user("after", name))
    assert vmpod.exec(after, "ls", "/data").text == ""


def test_a_machine_that_is_killed_leaves_what_was_flushed(vmpod: Vmpod, pods: Pods, name: str) -> None:
    modes = ("ReadWriteOnce", "ReadOnlyMany")
    first = pods.start(user("first", name), claim(name, "64Mi", *modes))
    vmpod.exec(first, "sh", "-c", "echo flushed > /data/file; sync; echo lost > /data/later")
    kill(vmpod.qemu(first))
    reader = vmpod("run", "-", input=pods.expect(user("reader", name, read_only=True)), status=125)
    assert "was not closed by the last pod that wrote to it" in reader.errors
    vmpod("start", first)
    assert vmpod.exec(first, "cat", "/data/file").text == "flushed\n"
    vmpod("stop", first)
    assert (
        vmpod.exec(pods.start(user("reader", name, read_only=True)), "cat", "/data/file").text == "flushed\n"
    )


def test_several_pods_read(vmpod: Vmpod, pods: Pods, name: str) -> None:
    seed = user("seed", name, script="echo seeded > /data/file")
    pods.run(seed, claim(name, "64Mi", "ReadWriteOnce", "ReadOnlyMany"))
    readers = [pods.start(user(f"reader{number}", name, read_only=True)) for number in range(2)]
    for each in readers:
        assert vmpod.exec(each, "cat", "/data/file").text == "seeded\n"
        assert b"Read-only" in vmpod.exec(each, "touch", "/data/file", status=1).err
    told = vmpod("start", "seed", status=125).errors
    assert f"the claim {name} is in use by the pod reader0" in told


def test_a_claim_is_as_large_as_it_says_and_can_grow(vmpod: Vmpod, pods: Pods, name: str) -> None:
    writer = pods.start(user("writer", name), claim(name, "32Mi"))
    full = vmpod.exec(writer, "dd", "if=/dev/zero", "of=/data/big", "bs=1M", "count=64", status=1)
    assert b"No space left on device" in full.err
    size = "$(stat -f -c '%b * %S' /data)"
    before = int(vmpod.exec(writer, "sh", "-c", f"echo $(({size}))").text)
    assert 20 << 20 < before < 32 << 20

    def apply(storage: str, status: int = 0) -> str:
        done = vmpod("apply", "-f", "-", input=manifests.text(claim(name, storage)), status=status)
        return done.text + done.errors

    assert "cannot be changed while the pod writer uses it" in apply("128Mi", 125)
    vmpod("stop", writer)
    assert apply("128Mi") == f"persistentvolumeclaim/{name} configured\n"
    assert apply("128Mi") == f"persistentvolumeclaim/{name} unchanged\n"
    assert "it cannot shrink" in apply("64Mi", 125)
    vmpod("start", writer)
    after = int(vmpod.exec(writer, "sh", "-c", f"echo $(({size}))").text)
    assert 110 << 20 < after < 128 << 20
    vmpod.exec(writer, "dd", "if=/dev/zero", "of=/data/big", "bs=1M", "count=64")
    # What is deleted is given back to the host.
    (found,) = json.loads(vmpod("volume", "inspect", name).out)
    vmpod.exec(writer, "sh", "-c", "rm /data/big; sync")
    eventually(lambda: Path(found["disk"]).stat().st_blocks * 512 < 16 << 20, "the host to get it back")


def test_the_file_systems_group(vmpod: Vmpod, pods: Pods, name: str) -> None:
    """What is on a claim already is given to the group, once."""
    pods.run(user("seed", name, script="mkdir /data/d; umask 077; echo x > /data/d/f"), claim(name))
    look = "stat -c '%a %g' /data /data/d /data/d/f"
    security = {
        "fsGroup": 4242,
        "runAsUser": 1000,
        "runAsGroup": 1001,
        "fsGroupChangePolicy": "OnRootMismatch",
    }
    owned = pods.start(user("owned", name, securityContext=security))
    assert vmpod.exec(owned, "sh", "-c", look).lines == ["2777 4242", "2775 4242", "660 4242"]
    vmpod.exec(owned, "sh", "-c", "cat /data/d/f; echo y > /data/d/g; chmod 600 /data/d/g")
    vmpod("restart", owned)
    assert vmpod.exec(owned, "stat", "-c", "%a", "/data/d/g").text == "600\n"
    vmpod("rm", "--force", owned)
    # Without a policy each pod looks through all of it.
    del security["fsGroupChangePolicy"]
    again = user("again", name, script="stat -c %a /data/d/g", securityContext=security)
    assert pods.run(again).text == "main | 660\n"


def test_a_claim_as_a_device(vmpod: Vmpod, pods: Pods, name: str) -> None:
    """To write, only to read, and for a container of the same pod that was not given it, not at all."""
    block = claim(name)
    block["spec"]["volumeMode"] = "Block"
    sources = [
        {"name": "disk", "persistentVolumeClaim": {"claimName": name}},
        {"name": "look", "persistentVolumeClaim": {"claimName": name, "readOnly": True}},
    ]
    device = "/dev/of/mine"
    first = pods.start(
        pod(
            "first",
            container("main", IDLE, volumeDevices=[{"name": "disk", "devicePath": device}]),
            container("reader", IDLE, volumeDevices=[{"name": "look", "devicePath": "/disk"}]),
            container("other", IDLE, securityContext={"runAsUser": 0}),
            volumes=sources,
        ),
        block,
    )

    def sh(pod: str, where: str, script: str, status: int = 0) -> str:
        done = vmpod("exec", "-c", where, pod, "--", "sh", "-c", script, status=status)
        return done.text + done.errors

    look = f"stat -c '%F %a %u %g' {device}; wc -c < {device}"
    assert sh(first, "main", look).splitlines() == ["block special file 660 0 6", str(64 << 20)]
    sh(first, "main", f"echo written | dd of={device} conv=notrunc,fsync 2>&1")
    assert sh(first, "reader", "head -c 8 /disk") == "written\n"
    assert "Operation not permitted" in sh(first, "reader", "echo no > /disk", status=1)
    node = " ".join(str(int(each, 16)) for each in sh(first, "main", f"stat -c '%t %T' {device}").split())
    made = sh(first, "other", f"mknod /dev/mine b {node}; head -c 8 /dev/mine", status=1)
    assert "Operation not permitted" in made
    vmpod("rm", "--force", first)
    second = pod(
        "second",
        container("main", "head -c 8 /d", volumeDevices=[{"name": "disk", "devicePath": "/d"}]),
        volumes=sources[:1],
        securityContext={"runAsUser": 1000, "supplementalGroups": [6], "fsGroup": 7},
    )
    assert pods.run(second).text == "main | written\n"


def test_a_stateful_set_claims_for_each_pod(vmpod: Vmpod, pods: Pods, tmp_path: Path) -> None:
    path = tmp_path / "set.json"
    own = claim("store")
    template = {"metadata": own["metadata"], "spec": own["spec"]}
    main = container(
        "main", f"hostname >> /store/name; {IDLE}", volumeMounts=[mount("store", "/store", subPath="s")]
    )

    def write(replicas: int, **retention: str) -> None:
        spec = {
            "persistentVolumeClaimRetentionPolicy": retention,
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "db"}},
            "serviceName": "db",
            "template": {
                "metadata": {"labels": {"app": "db"}},
                "spec": {"containers": [main], "terminationGracePeriodSeconds": 5},
            },
            "volumeClaimTemplates": [template],
        }
        document = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db"}, "spec": spec}
        path.write_text(json.dumps(document))

    def names() -> list[str]:
        return vmpod("volume", "ls", "-q", "--filter", "name=store-db-0", "--filter", "name=store-db-1").lines

    for number in range(2):
        pods.adopt(f"db-{number}")
    try:
        write(2)
        assert vmpod("apply", "-f", str(path)).lines == ["pod/db-0 created", "pod/db-1 created"]
        write(1)
        assert vmpod("apply", "-f", str(path)).lines == ["pod/db-0 unchanged", "pod/db-1 deleted"]
        assert names() == ["store-db-0", "store-db-1"]
        write(2)
        vmpod("apply", "-f", str(path))
        assert vmpod.exec("db-1", "cat", "/store/name").lines == ["db-1", "db-1"]
        assert vmpod.exec("db-0", "cat", "/store/name").lines == ["db-0"]
        vmpod("delete", "-f", str(path))
        assert names() == ["store-db-0", "store-db-1"]
        # As its policy says, they go with the pod that has no place any more, and with the last one.
        write(2, whenScaled="Delete")
        vmpod("apply", "-f", str(path))
        write(1, whenScaled="Delete")
        gone = ["pod/db-1 deleted", "persistentvolumeclaim/store-db-1 deleted"]
        assert vmpod("apply", "-f", str(path)).lines == ["pod/db-0 unchanged", *gone]
        write(1, whenDeleted="Delete")
        gone = ["pod/db-0 deleted", "persistentvolumeclaim/store-db-0 deleted"]
        assert vmpod("delete", "-f", str(path)).lines == gone
        assert names() == []
    finally:
        pods.close()
        for each in names():
            vmpod("volume", "rm", each)
