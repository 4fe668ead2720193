"""`vmpod run` in the foreground: output, exit status, and all the ways to end it early."""

from __future__ import annotations

import json
import re
import signal

import pytest

from tests.machine.harness import Vmpod
from tests.machine.manifests import container, mount, pod, text
from tests.machine.pods import Pods

WORK = [mount("work", "/work")]
WORK_VOLUME = [{"name": "work", "emptyDir": {}}]

# `sleep` as a child of the shell would keep the trap from running: wait() is interruptible.
TRAP = "trap 'echo said goodbye; exit 0' TERM; echo up; while :; do sleep 60 & wait $!; done"
STUBBORN = "trap '' TERM INT; echo up; while :; do sleep 1; done"


def test_init_steps_outputs_and_the_first_failure(vmpod: Vmpod, pods: Pods) -> None:
    """Two steps in order hand a file on; the exit status is the container's that failed first."""
    manifest = pods.expect(
        pod(
            "story",
            container("web", "cat /work/file; echo complaint >&2; sleep 1; exit 3", volumeMounts=WORK),
            container("late", "sleep 5; exit 4"),
            container("fine", "printf unended"),
            initContainers=[
                container("one", "echo first > /work/file; echo begun", volumeMounts=WORK),
                container("two", "sed -i s/first/second/ /work/file; ls /work", volumeMounts=WORK),
            ],
            volumes=WORK_VOLUME,
        )
    )
    done = vmpod("run", "-", input=manifest, status=3)
    assert done.lines[:2] == ["one | begun", "two | file"]
    assert sorted(done.lines[2:]) == ["fine | unended", "web | second"]
    assert "web | complaint" in done.errors.splitlines()

    # What is kept says the same, after the end.
    assert [vmpod.status("story", name)["state"]["terminated"]["exitCode"] for name in ("web", "late")] == [
        3,
        4,
    ]
    kept = vmpod("logs", "story")
    assert sorted(kept.lines) == sorted(done.lines)
    assert kept.errors == "web | complaint\n"
    assert vmpod("logs", "story", "-c", "web").out == b"second\n"
    assert vmpod("logs", "story", "-c", "fine").out == b"unended"
    assert vmpod("logs", "-f", "story", "-c", "two").out == b"file\n"
    assert "no container 'nobody'" in vmpod("logs", "story", "-c", "nobody", status=125).errors
    found = vmpod.pod("story")
    assert (found["apiVersion"], found["kind"], found["status"]["phase"]) == ("v1", "Pod", "Failed")
    assert found["spec"]["containers"][1]["name"] == "late"
    assert vmpod.status("story", "one")["state"]["terminated"]["reason"] == "Completed"
    assert "story" not in vmpod("ps").text
    assert "story" in vmpod("ps", "--all").text
    assert "is not running" in vmpod("exec", "story", "--", "true", status=125).errors


def test_success_is_0_and_rm_leaves_nothing(vmpod: Vmpod, pods: Pods) -> None:
    """A pod that ends well, called by another name, removed at once."""
    pods.expect(pod("renamed"))
    manifest = text(pod("plain", container("main", "hostname; exit 0")))
    done = vmpod("run", "--rm", "--name", "renamed", "-", input=manifest)
    assert done.out == b"main | renamed\n"
    assert vmpod.leftovers() == []
    assert "no pod 'renamed'" in vmpod("get", "renamed", status=125).errors


def test_a_failing_init_step_ends_the_pod(vmpod: Vmpod, pods: Pods) -> None:
    """Its exit code is the pod's, and no container has run."""
    failing = container("bad", "echo no >&2; exit 7")
    never = container("never", "echo no")
    done = pods.run(pod("broken", never, initContainers=[failing, never | {"name": "after"}]), status=7)
    assert done.out == b""
    assert "bad | no" in done.errors
    assert vmpod.status("broken", "bad")["state"]["terminated"]["exitCode"] == 7
    assert vmpod.pod("broken")["status"]["phase"] == "Failed"
    for name in ("after", "never"):
        assert "startedAt" not in (vmpod.status("broken", name)["state"].get("running") or {})
        assert vmpod.status("broken", name)["ready"] is False


def test_interrupt_stops_gracefully(vmpod: Vmpod, pods: Pods) -> None:
    """Ctrl-C sends TERM, what the containers say then is shown, and the status is 130."""
    manifest = vmpod.home / "trap.yaml"
    manifest.write_text(pods.expect(pod("trap", container("main", TRAP))))
    with vmpod.started("run", "--quiet", str(manifest)) as running:
        running.until(b"up\n")
        running.signal(signal.SIGINT)
        done = running.end()
    assert done.status == 130
    assert done.lines == ["main | up", "main | said goodbye"]
    assert vmpod.status("trap", "main")["state"]["terminated"]["exitCode"] == 0
    assert vmpod.pod("trap")["status"]["phase"] == "Succeeded"


def test_a_second_interrupt_forces(vmpod: Vmpod, pods: Pods) -> None:
    """It does not wait for a grace period of ten minutes."""
    manifest = vmpod.home / "stubborn.yaml"
    manifest.write_text(
        pods.expect(pod("stubborn", container("main", STUBBORN), terminationGracePeriodSeconds=600))
    )
    with vmpod.started("run", str(manifest)) as running:
        running.until(b"up\n")
        running.signal(signal.SIGINT)
        running.until_error(b"Ctrl-C again")
        running.signal(signal.SIGINT)
        done = running.end()
    assert done.status == 130
    assert vmpod.pod("stubborn")["status"]["phase"] == "Failed"
    assert vmpod.status("stubborn", "main")["state"]["terminated"]["exitCode"] == 137


def test_timeout_is_124(vmpod: Vmpod, pods: Pods) -> None:
    """The pod is stopped; one that does not want to is killed after its grace period."""
    endless = pod("endless", container("main", STUBBORN), terminationGracePeriodSeconds=1)
    done = pods.run(endless, options=("--timeout", "12"), status=124)
    assert "time is up" in done.errors
    ended = vmpod.status("endless", "main")["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (137, "Error")


def test_names_that_are_made_up(vmpod: Vmpod, pods: Pods) -> None:
    """Another one each time; a Job that has one goes by it, too."""
    document = pod("", container("main", "hostname"))
    document["metadata"] = {"generateName": "step-"}
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"generateName": "sum-"},
        "spec": {"template": {"spec": document["spec"]}},
    }
    (told,) = vmpod("run", "--rm", "-", input=text(document)).lines
    assert re.fullmatch(r"main \| step-[a-z0-9]{5}", told)
    name = vmpod("run", "-d", "--quiet", "-", input=text(document)).text.strip()
    pods.adopt(name)
    assert re.fullmatch(r"step-[a-z0-9]{5}", name)
    assert name not in told
    # It can be started again as what it is.
    vmpod("wait", name, "--for=phase=Succeeded")
    vmpod("start", name)
    vmpod("wait", name, "--for=phase=Succeeded")
    assert vmpod("logs", name).lines == [name]
    (told,) = vmpod("run", "--rm", "-", input=text(job)).lines
    assert re.fullmatch(r"sum-[a-z0-9]{5}-[a-z0-9]{5}/main \| sum-[a-z0-9]{5}-[a-z0-9]{5}", told)


def test_two_pods_of_one_manifest(vmpod: Vmpod, pods: Pods) -> None:
    """Each has a machine; lines say which pod they are from. One name may be in several namespaces."""
    space = {"name": "SPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}
    other = pod("left", container("main", "echo $SPACE; exit 9", env=[space]))
    other["metadata"]["namespace"] = "shop"
    done = pods.run(pod("left", container("main", "hostname")), other, options=("--rm",), status=9)
    assert sorted(done.lines) == ["left/main | left", "shop/left/main | shop"]


def test_out_of_memory(vmpod: Vmpod, pods: Pods) -> None:
    """A limit holds, its breach is told by name, and a failed container is started again."""
    script = (
        "cat /sys/fs/cgroup/memory.max; "
        "if [ -e /work/again ]; then exit 0; fi; touch /work/again; tail -c 100m /dev/zero"
    )
    greedy = container(
        "greedy", script, resources={"limits": {"memory": "24Mi", "cpu": "500m"}}, volumeMounts=WORK
    )
    done = pods.run(pod("oom", greedy, restartPolicy="OnFailure", volumes=WORK_VOLUME))
    assert done.lines == ["greedy | 25165824"] * 2
    status = vmpod.status("oom", "greedy")
    assert status["restartCount"] == 1
    assert status["state"]["terminated"]["exitCode"] == 0
    last = status["lastState"]["terminated"]
    assert (last["exitCode"], last["reason"]) == (137, "OOMKilled")


@pytest.mark.parametrize("script", ["tail -c 100m /dev/zero", "dd if=/dev/zero of=/dev/null bs=1G count=1"])
def test_out_of_memory_is_the_pods_exit_status(pods: Pods, script: str) -> None:
    """137, as for every process that SIGKILL ended, also if it asks at once for more than the machine has."""
    greedy = container("greedy", script, resources={"limits": {"memory": "24Mi"}})
    pods.run(pod("oom-once", greedy), status=137)


@pytest.mark.parametrize("command", ["nonsense", "/etc/passwd"])
def test_a_command_that_cannot_start(vmpod: Vmpod, pods: Pods, command: str) -> None:
    """The pod fails with the shell's code for it, and says why."""
    impossible = container("main", "") | {"command": [command]}
    done = pods.run(pod("impossible", impossible), status=127 if command == "nonsense" else 126)
    assert command in done.errors
    assert vmpod.status("impossible", "main")["state"]["terminated"]["reason"] == "StartError"


def test_json_of_several_pods_is_a_list(vmpod: Vmpod) -> None:
    """As `kubectl get pods -o json`."""
    found = json.loads(vmpod("ps", "--all", "-o", "json").out)
    assert (found["apiVersion"], found["kind"], type(found["items"])) == ("v1", "List", list)
