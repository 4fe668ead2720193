"""How pods end: stopped, replaced, killed, cut off in the middle of their start."""

from __future__ import annotations

import signal

from tests.machine.harness import Vmpod, eventually, kill, processes
from tests.machine.manifests import container, pod
from tests.machine.pods import Pods

STUBBORN = "trap '' TERM; echo up; while :; do sleep 1; done"


def test_stop_waits_for_the_containers_and_replace_starts_anew(vmpod: Vmpod, pods: Pods) -> None:
    """What they do in their grace period counts; a stopped pod keeps name and logs until it is replaced."""
    slow = "trap 'sleep 2; echo last words; exit 5' TERM; echo up; while :; do sleep 60 & wait $!; done"
    name = pods.start(pod("graceful", container("main", slow), restartPolicy="Always"))
    first = vmpod.record(name)["uid"]
    vmpod("stop", name)
    assert vmpod("logs", name).lines == ["up", "last words"]
    assert vmpod.status(name, "main")["state"]["terminated"]["exitCode"] == 5
    assert vmpod.status(name, "main")["restartCount"] == 0
    assert processes(first) == []
    vmpod("stop", name)  # that it has ended is no error

    # The same name again, with a container that only a kill ends.
    stubborn = pod("graceful", container("main", STUBBORN), terminationGracePeriodSeconds=600)
    pods.start(stubborn, options=("--replace",))
    assert vmpod.record(name)["uid"] != first
    vmpod("stop", "--time", "0", name)
    assert vmpod.status(name, "main")["state"]["terminated"]["exitCode"] == 137
    assert processes(vmpod.record(name)["uid"]) == []
    vmpod("rm", name)
    assert vmpod.leftovers() == []


def test_a_detached_pod_that_ends_leaves_no_machine(vmpod: Vmpod, pods: Pods) -> None:
    """Nobody watches it, and still its QEMU ends, its end is known, and its disk space is given back."""
    script = "echo here; dd if=/dev/urandom of=/big bs=1M count=40 2> /dev/null; sync; sleep 3; exit 6"
    name = pods.start(pod("alone", container("main", script)))
    scratch = vmpod.pod_directory(name) / "scratch.raw"
    eventually(lambda: scratch.stat().st_blocks * 512 > 40 * 2**20, "the file on the host's disk")
    eventually(lambda: processes(vmpod.record(name)["uid"]) == [], "the machine's end")
    assert scratch.stat().st_blocks * 512 < 8 * 2**20
    assert vmpod("logs", "-f", name).text == "here\n"
    assert vmpod.pod(name)["status"]["phase"] == "Failed"
    assert vmpod.status(name, "main")["state"]["terminated"]["exitCode"] == 6
    vmpod("rm", name)
    assert vmpod.leftovers() == []


def test_a_killed_machine_is_a_failure(vmpod: Vmpod, pods: Pods) -> None:
    """Never a success, although the container would have ended well; logs stay."""
    manifest = vmpod.home / "victim.yaml"
    manifest.write_text(pods.expect(pod("victim", container("main", "echo up; sleep 3600"))))
    with vmpod.started("run", str(manifest)) as running:
        running.until(b"up\n")
        kill(vmpod.qemu("victim"))
        done = running.end()
    assert done.status not in (0, 125)
    assert "the machine ended" in done.errors
    status = vmpod.pod("victim")["status"]
    assert (status["phase"], status["reason"]) == ("Failed", "MachineDied")
    ended = vmpod.status("victim", "main")["state"]["terminated"]
    assert ended["exitCode"] != 0
    assert vmpod("logs", "victim").text == "up\n"
    assert "MachineDied" in vmpod("ps", "--all").text
    assert "not running" in vmpod("exec", "victim", "true", status=125).errors
    assert "not running" in vmpod("console", "victim", status=125).errors
    vmpod("rm", "victim")
    assert vmpod.leftovers() == []


def test_interrupted_while_it_starts(vmpod: Vmpod, pods: Pods) -> None:
    """130, and nothing is left."""
    manifest = vmpod.home / "early.yaml"
    manifest.write_text(pods.expect(pod("early", container("main", "true"))))
    with vmpod.started("run", str(manifest)) as running:
        eventually(lambda: processes(str(vmpod.home)), "QEMU to appear")
        running.signal(signal.SIGINT)
        done = running.end()
    assert done.status == 130
    assert vmpod.leftovers() == []


def test_killed_while_it_starts(vmpod: Vmpod, pods: Pods) -> None:
    """What a dead command left half done is shown for what it is, and can be removed."""
    manifest = vmpod.home / "half.yaml"
    manifest.write_text(pods.expect(pod("half", container("main", "sleep 3600"))))
    with vmpod.started("run", "-d", str(manifest)) as running:
        eventually(lambda: processes(str(vmpod.home)), "QEMU to appear")
        running.signal(signal.SIGKILL)
        running.process.wait()
    assert vmpod.pod("half")["status"]["phase"] in ("Pending", "Failed")
    again = pod("half", container("main", "true"))
    assert "there is a pod half already" in pods.run(again, status=125).errors
    vmpod("rm", "--force", "half")
    assert vmpod.leftovers() == []


def test_a_pod_that_does_not_become_ready_is_kept_for_what_it_says(vmpod: Vmpod, pods: Pods) -> None:
    """Detached, it would else be gone before anybody could look. 124 if it was only slow."""
    fails = pod("fails", container("main", "true"), initContainers=[container("i", "echo why >&2; exit 3")])
    done = pods.run(fails, options=("-d",), status=125)
    assert "the pod fails ended before it was ready: Failed" in done.errors
    assert "vmpod logs fails" in done.errors
    assert done.out == b""
    assert vmpod("logs", "fails").errors == "i | why\n"
    waits = pod(
        "waits",
        container("main", "true"),
        initContainers=[container("i", "echo on; sleep 3600")],
        terminationGracePeriodSeconds=1,
    )
    done = pods.run(waits, options=("-d", "--timeout", "15"), status=124)
    assert (
        "the pod waits is not ready in time; it waits for i (Running), main (PodInitializing)" in done.errors
    )
    assert vmpod.pod("waits")["status"]["phase"] == "Failed"
    assert vmpod("logs", "-c", "i", "waits").text == "on\n"
    assert processes(str(vmpod.home)) == []
