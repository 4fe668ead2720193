"""Several pods of one manifest, which are started at once."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.machine import manifests
from tests.machine.harness import Vmpod, eventually, free_port, kill, processes
from tests.machine.manifests import Json, container, pod
from tests.machine.pods import Pods

IDLE = "trap 'exit 0' TERM; while :; do sleep 60 & wait $!; done"
HOST = "10.0.2.2"
"""The host's loopback, as a pod sees it."""


def idle(name: str, **main: object) -> Json:
    return pod(name, container("main", IDLE, **main), terminationGracePeriodSeconds=1)


def test_each_is_told_in_the_order_of_the_file(vmpod: Vmpod, pods: Pods) -> None:
    names = ["three", "one", "two"]
    manifest = pods.expect(*(idle(name) for name in names))
    done = vmpod("run", "--detach", "-", input=manifest)
    assert done.lines == names
    assert "Starting 3 pods" in done.errors
    for name in names:
        steps = json.loads(vmpod("timeline", name, "-o", "json").out)["steps"]
        assert steps[0]["name"] == "command"


def test_where_they_could_not_boot_side_by_side_a_template_comes_first(vmpod: Vmpod, pods: Pods) -> None:
    """Two pods and one processor; no other test has pods of that size."""
    both = [idle("first"), idle("second")]
    for each in both:
        each["metadata"]["annotations"] = {"vmpod/machine-memory": "900Mi"}
    vmpod.behind("taskset", "-c", "0")("run", "-d", "-", input=pods.expect(*both))
    for name in ("first", "second"):
        assert b"-incoming" in Path(f"/proc/{vmpod.qemu(name)}/cmdline").read_bytes().split(b"\0")


@pytest.mark.parametrize("template", [(), ("--no-template",)], ids=["copied", "booted"])
def test_all_or_none(vmpod: Vmpod, pods: Pods, template: tuple[str, ...]) -> None:
    """Two want the same port of the host: neither is left, whichever of them got it."""
    ports = [{"containerPort": 80, "hostPort": free_port()}]
    manifest = pods.expect(idle("fine"), idle("left", ports=ports), idle("right", ports=ports))
    done = vmpod("run", "-d", *template, "-", input=manifest, status=125)
    assert "port" in done.errors
    assert done.lines == []
    assert vmpod.leftovers() == []


def test_interrupted_it_leaves_nothing(vmpod: Vmpod, pods: Pods, tmp_path: Path) -> None:
    path = tmp_path / "pods.yaml"
    path.write_text(pods.expect(idle("a"), idle("b"), idle("c")))
    with vmpod.started("run", "-d", "--no-template", str(path)) as running:
        eventually(lambda: len(processes(str(vmpod.home))) > 1, "machines that boot")
        running.signal(signal.SIGINT)
        assert running.end().status == 130
    assert vmpod.leftovers() == []


def test_a_process_that_starts_one_is_killed(vmpod: Vmpod, pods: Pods, tmp_path: Path) -> None:
    path = tmp_path / "pods.yaml"
    path.write_text(pods.expect(idle("a"), idle("b")))
    with vmpod.started("run", "-d", "--no-template", str(path)) as running:
        eventually(lambda: len(processes(str(vmpod.home))) > 1, "machines that boot")
        pid = running.process.pid
        first, _ = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        kill(int(first))
        done = running.end()
    assert done.status == 125
    assert "the process that started the pod" in done.errors
    assert vmpod.leftovers() == []


def test_those_of_a_command_that_was_killed_are_ended(vmpod: Vmpod, pods: Pods, tmp_path: Path) -> None:
    """They were started by other processes, and end with the command all the same."""
    path = tmp_path / "pods.yaml"
    up = container("main", f"echo up; {IDLE}")
    path.write_text(pods.expect(pod("a", up), pod("b", up)))
    with vmpod.started("run", "--rm", str(path)) as running:
        running.until(b"a/main | up\n")
        running.until(b"b/main | up\n")
        before = vmpod("prune", "--dry-run")
        kill(running.process.pid)
    assert "pod" not in before.text, "watched until then"
    done = vmpod("prune")
    assert {line.partition(":")[0] for line in done.lines} >= {"pod a", "pod b"}, done.lines
    assert vmpod.leftovers() == []


def test_pods_that_need_each_other_are_applied(vmpod: Vmpod, pods: Pods, tmp_path: Path) -> None:
    """The first of the file is ready when the second is; so it is when they are started again."""
    port = free_port()
    probe = {"tcpSocket": {"host": HOST, "port": port}, "periodSeconds": 1, "failureThreshold": 600}
    front = idle("front", readinessProbe=probe)
    back = pod("back", container("main", "httpd -f -p 80 -h /etc"), terminationGracePeriodSeconds=0)
    back["spec"]["containers"][0]["ports"] = [{"containerPort": 80, "hostPort": port}]
    path = tmp_path / "all.json"
    path.write_text(manifests.text(front, back))
    pods.adopt("front")
    pods.adopt("back")
    done = vmpod("apply", "--timeout", "2m", "-f", str(path))
    assert sorted(done.lines) == ["pod/back created", "pod/front created"]
    assert vmpod("apply", "-f", str(path)).lines == ["pod/front unchanged", "pod/back unchanged"]
    vmpod("stop", "front", "back")
    assert vmpod("start", "--timeout", "2m", "front", "back").lines == ["front", "back"]


def test_those_that_come_after_one_that_fails_are_not_started(
    vmpod: Vmpod, pods: Pods, tmp_path: Path
) -> None:
    """A StatefulSet's pods wait for each other; others do not wait for them."""
    never = container("main", IDLE, readinessProbe={"exec": {"command": ["false"]}, "periodSeconds": 1})
    template = {
        "metadata": {"labels": {"app": "set"}},
        "spec": {"containers": [never], "terminationGracePeriodSeconds": 1},
    }
    spec = {"replicas": 3, "selector": {"matchLabels": {"app": "set"}}, "template": template}
    stateful = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "set"}, "spec": spec}
    path = tmp_path / "all.json"
    path.write_text(manifests.text(stateful, idle("beside")))
    for name in ("set-0", "set-1", "set-2", "beside"):
        pods.adopt(name)
    done = vmpod("apply", "--timeout", "6s", "-f", str(path), status=125)
    assert done.lines == ["pod/beside created"]
    assert "the pod set-0 is not ready in time" in done.errors
    assert f"{path}: not started, as set-0 comes before them: set-1, set-2" in done.errors
    assert sorted(vmpod("ps", "-a", "-q").lines) == ["beside", "set-0"]
