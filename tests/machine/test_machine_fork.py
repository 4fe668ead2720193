"""Pods that are paused, kept as snapshots, restored and forked: each goes on as itself."""

from __future__ import annotations

import json
import os
import socket
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.machine.harness import Vmpod, eventually, free_port
from tests.machine.manifests import Json, container, mount, pod
from tests.machine.pods import Pods

COUNT = 3
# A server whose answer is what is on the disk. It counts the seconds that it runs.
_SEED = "echo seeded > /data/index.html; head -c 5000000 /dev/urandom > /data/blob"
# Who reads the number never finds it half written.
_COUNT = "n=$((n + 1)); echo $n > /tmp/next; mv /tmp/next /tmp/ticks"
_SERVE = f"httpd -p 80 -h /data; n=0; while :; do {_COUNT}; sleep 1; done"


def _server(name: str) -> Json:
    data = [mount("data", "/data")]
    seed = container("seed", _SEED, volumeMounts=data)
    return pod(
        name,
        container("main", _SERVE, volumeMounts=data, ports=[{"containerPort": 80, "hostPort": free_port()}]),
        initContainers=[seed],
        volumes=[{"name": "data", "emptyDir": {}}],
    )


@pytest.fixture(scope="module")
def server(module_pods: Pods) -> str:
    return module_pods.start(_server("server"))


def _get(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as answer:
        text: str = answer.read().decode()
        return text


def _fork(vmpod: Vmpod, pods: Pods, name: str, *options: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(vmpod("fork", name, *options, "-o", "json").out)["items"]
    for each in found:
        pods.adopt(each["name"])
    return found


def _ticks(vmpod: Vmpod, name: str) -> int:
    return int(vmpod.exec(name, "cat", "/tmp/ticks").text)


def test_forks_answer_on_ports_of_their_own_and_see_nothing_of_each_other(
    vmpod: Vmpod, pods: Pods, server: str
) -> None:
    blob = vmpod.exec(server, "md5sum", "/data/blob").text
    before = _ticks(vmpod, server)
    copies = _fork(vmpod, pods, server, "--count", str(COUNT))
    assert [each["name"] for each in copies] == [f"server-{number}" for number in range(1, COUNT + 1)]
    ports = [each["ports"][0]["hostPort"] for each in copies]
    assert len(set(ports)) == COUNT
    for each, port in zip(copies, ports, strict=True):
        name = each["name"]
        assert _get(port) == "seeded\n"
        # Its process is the very one, and its disk was copied whole.
        assert _ticks(vmpod, name) >= before
        assert vmpod.exec(name, "md5sum", "/data/blob").text == blob
        assert (
            vmpod.exec(name, "cat", "/etc/hostname", "/proc/sys/kernel/hostname").text == f"{name}\n{name}\n"
        )
        vmpod.exec(name, "sh", "-c", f"echo {name} > /data/index.html")
    assert [_get(port) for port in ports] == [f"{each['name']}\n" for each in copies]
    assert vmpod.exec(server, "cat", "/data/index.html").text == "seeded\n"
    statuses = [vmpod.pod(name)["status"]["phase"] for name in (server, *(each["name"] for each in copies))]
    assert set(statuses) == {"Running"}


def test_forks_are_nobodys_doubles(vmpod: Vmpod, pods: Pods, server: str) -> None:
    """Random numbers, addresses and times, also of a fork of a fork."""
    (one,) = _fork(vmpod, pods, server, "--name-template", "one")
    (two,) = _fork(vmpod, pods, one["name"], "--name-template", "two")
    look = "cat /proc/sys/kernel/random/uuid /sys/class/net/eth0/address; head -c 64 /dev/urandom | md5sum"
    told = [vmpod.exec(name, "sh", "-c", look).lines for name in (server, one["name"], two["name"])]
    for lines in zip(*told, strict=True):
        assert len(set(lines)) == len(told)
    assert len({vmpod.record(name)["uid"] for name in ("server", "one", "two")}) == 3
    now = int(vmpod.exec("two", "date", "+%s").text)
    assert abs(now - time.time()) < 2
    assert vmpod("events", "two").text.count("Forked") == 2


def test_a_copy_is_told_what_it_is_called(vmpod: Vmpod, pods: Pods) -> None:
    """By files of the downward API, and what is executed in it by HOSTNAME."""
    items = [{"path": each, "fieldRef": {"fieldPath": f"metadata.{each}"}} for each in ("name", "uid")]
    name = pods.start(
        pod(
            "told",
            container("main", "sleep 9999", volumeMounts=[mount("me", "/me")]),
            volumes=[{"name": "me", "downwardAPI": {"items": items}}],
        )
    )
    (copy,) = _fork(vmpod, pods, name)
    for each, uid in ((copy["name"], copy["uid"]), (name, vmpod.record(name)["uid"])):
        look = "cat /me/name; echo; cat /me/uid; echo; echo $HOSTNAME"
        assert vmpod.exec(each, "sh", "-c", look).lines == [each, uid, each]


def test_a_hook_knows_the_name(vmpod: Vmpod, pods: Pods, server: str) -> None:
    _fork(vmpod, pods, server, "--name-template", "hooked", "--hook", "echo $VMPOD_POD > /data/index.html")
    assert vmpod.exec("hooked", "cat", "/data/index.html").text == "hooked\n"


def test_a_snapshot_can_be_gone_on_from(vmpod: Vmpod, pods: Pods, server: str) -> None:
    vmpod("snapshot", server, "kept")
    try:
        before = _ticks(vmpod, server)
        vmpod("snapshot", server, "kept", status=125)
        (listed,) = json.loads(vmpod("snapshot", "ls", "-o", "json").out)["items"]
        assert (listed["name"], listed["pod"]) == ("kept", server)
        vmpod("restore", "kept", status=125)  # its name is taken
        # It stood still while the other went on.
        eventually(lambda: _ticks(vmpod, server) > before + 2, "the pod to go on")
        port = free_port()
        pods.adopt("again")
        vmpod("restore", "kept", "--name", "again", "--publish", f"127.0.0.1:{port}:80")
        assert _get(port) == "seeded\n"
        assert before <= _ticks(vmpod, "again") < _ticks(vmpod, server)
        # The image of a pod in a snapshot is in use.
        assert "image localhost/busybox" not in vmpod("prune", "--all", "--dry-run").text
    finally:
        vmpod("snapshot", "rm", "kept")
    assert vmpod.exec("again", "echo", "runs on").text == "runs on\n"
    vmpod("restore", "kept", status=125)


def test_a_damaged_snapshot_is_told_and_can_be_removed(vmpod: Vmpod, pods: Pods, server: str) -> None:
    kept = vmpod.home / "data/snapshots/harmed"
    port = f"127.0.0.1:{free_port()}:80"
    vmpod("snapshot", server, "harmed")
    try:
        whole = {name: (kept / name).read_bytes() for name in ("state", "machine.json", "pod.json")}
        for name, content in whole.items():
            for harm in (content[:-1], bytes(len(content)), None):
                (kept / name).unlink()
                if harm is not None:
                    (kept / name).write_bytes(harm)
                # The pod of that name is not removed for one that cannot take its place.
                told = vmpod("restore", "harmed", "--replace", "--publish", port, status=125)
                assert str(kept / name) in told.errors, harm
                assert "`vmpod snapshot rm harmed`" in told.errors
                (kept / name).write_bytes(content)
        os.truncate(kept / "memory", 4096)
        assert str(kept / "memory") in vmpod("restore", "harmed", "--replace", status=125).errors
        (kept / "pod.json").unlink()
        assert "harmed" in vmpod("snapshot", "ls", status=125).errors
        assert vmpod("snapshot", server, "harmed", status=125)
    finally:
        vmpod("snapshot", "rm", "harmed")
    assert not list(kept.parent.glob("*"))
    assert vmpod.exec(server, "echo", "unharmed").text == "unharmed\n"


def test_a_copy_is_called_as_a_pod_can_be(vmpod: Vmpod, pods: Pods) -> None:
    """So it is never a path; and what is long enough for a pod is so for its copy."""
    name = pods.start(pod("long." + "n" * 90, container("main", "sleep 9999")))
    vmpod("snapshot", name, "named")
    try:
        for wrong in ("", "..", "../x", "a/b", "a..b", "UPPER"):
            told = vmpod("restore", "named", "--replace", "--name", wrong, status=125)
            assert "cannot be the name of a pod" in told.errors
        vmpod("restore", "named", "--replace")
        assert vmpod.exec(name, "cat", "/etc/hostname").text == name[:63] + "\n"
    finally:
        vmpod("snapshot", "rm", "named")


def test_a_paused_pod_stands_still(vmpod: Vmpod, pods: Pods) -> None:
    name = pods.start(_server("still"))
    eventually(lambda: vmpod.exec(name, "cat", "/tmp/ticks", status=0).text, "a tick")
    vmpod("pause", name)
    vmpod("pause", name)
    status = vmpod.pod(name)["status"]
    assert (status["phase"], status["reason"]) == ("Running", "Paused")
    # Forks of one that is paused go on, however often it is forked; it itself does not.
    for fork in ("moving", "also-moving"):
        _fork(vmpod, pods, name, "--name-template", fork)
        assert vmpod.pod(fork)["status"]["phase"] == "Running"
        assert vmpod.exec(fork, "echo", "moves").text == "moves\n"
    assert "Paused" in vmpod("ps").text
    vmpod("resume", name)
    vmpod("resume", name)
    before = _ticks(vmpod, name)
    eventually(lambda: _ticks(vmpod, name) > before, "it to go on")


def test_who_asks_a_paused_pod_is_told_so(vmpod: Vmpod, pods: Pods) -> None:
    name = pods.start(pod("asked", container("main", "sleep 9999")))
    vmpod("pause", name)
    for command in (
        ("exec", name, "true"),
        ("cp", f"{name}:/etc/hostname", "-"),
        ("port-forward", name, ":80"),
        ("attach", name),
        ("ssh", name, "--", "true"),
        ("kill", name),
        ("stats", "--no-stream", name),
    ):
        assert b"`vmpod resume asked`" in vmpod(*command, status=125).err, command
    # It is none of those that run.
    assert name not in vmpod("stats", "--no-stream").text


def test_a_paused_pod_is_stopped_as_any(vmpod: Vmpod, pods: Pods) -> None:
    """It runs on to hear of it, and is not paused when it is started again."""
    script = "trap 'echo heard; exit 0' TERM; while :; do sleep 0.1; done"
    name = pods.start(pod("deaf", container("main", script)))
    vmpod("pause", name)
    vmpod("stop", name)
    assert vmpod("logs", name).text == "heard\n"
    assert vmpod.pod(name)["status"]["phase"] == "Succeeded"
    vmpod("start", name)
    vmpod("pause", name)
    vmpod("restart", name)
    assert vmpod.pod(name)["status"].get("reason") is None
    assert vmpod.exec(name, "echo", "runs").text == "runs\n"


def test_a_machine_that_was_stopped_without_a_note_is_resumed(vmpod: Vmpod, pods: Pods) -> None:
    """As by a command that was killed before libvirt had written that down."""
    name = pods.start(pod("stopped", container("main", "sleep 9999")))
    (path,) = Path(vmpod.record(name)["sockets"]).glob("v/lib/qemu/*/monitor.sock")
    with socket.socket(socket.AF_UNIX) as monitor, monitor.makefile("rw") as lines:
        monitor.connect(str(path))
        for command in ("qmp_capabilities", "stop"):
            lines.write(json.dumps({"execute": command}) + "\n")
            lines.flush()
            while "return" not in json.loads(lines.readline()):
                pass
    vmpod("resume", name)
    assert vmpod.exec(name, "echo", "runs").text == "runs\n"


def test_what_cannot_be_forked_is_told(vmpod: Vmpod, pods: Pods, server: str, tmp_path: Any) -> None:
    booted = pods.start(pod("b", container("m", "sleep 99")), options=("--no-template",))
    assert b"--no-template" in vmpod("fork", booted, status=125).err
    volumes = [{"name": "v", "hostPath": {"path": str(tmp_path)}}]
    shared = pod("s", container("m", "sleep 99", volumeMounts=[mount("v", "/v")]), volumes=volumes)
    assert b"hostPath" in vmpod("fork", pods.start(shared), status=125).err
    vmpod("fork", "nobody", status=125)
    twice = vmpod("fork", server, "--count", "2", "--name-template", "same", status=125)
    assert b"twice" in twice.err
    vmpod("fork", server, "--name-template", "UPPER", status=125)
    vmpod("fork", server, "--name-template", "b", status=125)
    assert not list((vmpod.home / "data/snapshots").glob("*"))
    assert vmpod.exec(server, "echo", "unharmed").text == "unharmed\n"
