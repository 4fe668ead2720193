"""Containers that are added to a pod that runs, to look around in it."""

from __future__ import annotations

import signal
import subprocess
import time

import pytest

from tests.machine.harness import Vmpod, eventually
from tests.machine.manifests import IMAGE, Json, container, pod
from tests.machine.pods import Pods
from tests.machine.screen import terminal

BUSY = "echo secret > /inside; trap 'exit 0' TERM; while :; do sleep 0.2; done"
OURS = ("--image", IMAGE, "--image-pull-policy", "IfNotPresent", "-q")
TILL_TOLD = "echo begun; until [ -e /end ]; do sleep 0.1; done; exit 4"


@pytest.fixture(scope="module")
def subject(module_pods: Pods) -> str:
    return module_pods.start(
        pod("subject", container("main", BUSY), container("other", f": elsewhere; {BUSY}"))
    )


def _added(vmpod: Vmpod, name: str, of: str) -> Json:
    """The status of a container that was added."""
    found: list[Json] = vmpod.pod(of)["status"].get("ephemeralContainerStatuses", [])
    return next(each for each in found if each["name"] == name)


def test_a_debugger_looks_into_a_container(vmpod: Vmpod, subject: str) -> None:
    """Its processes and files, and the pod's network; told in the pod's status, and logged."""
    script = (
        # Its own command line is among them, and does not have the word.
        "ps -o pid,args > /list; sed -n 2p /list; grep -c 'else''where' /list; "
        "cat /proc/1/root/inside; hostname; echo $COLOUR; cat; echo oops >&2; exit 7"
    )
    words = ("debug", subject, *OURS, "-c", "look", "-i", "--target", "main", "--env", "COLOUR=red")
    done = vmpod(*words, "--", "sh", "-c", script, input="from here\n", status=7)
    assert done.lines[0].split()[:3] == ["1", "sh", "-c"]
    assert BUSY[:20] in done.lines[0]
    assert done.lines[1:] == ["0", "secret", "subject", "red", "from here"]
    assert done.errors == "oops\n"
    told = _added(vmpod, "look", subject)
    assert told["state"]["terminated"]["exitCode"] == 7
    assert (told["ready"], told["restartCount"]) == (False, 0)
    (spec,) = (each for each in vmpod.pod(subject)["spec"]["ephemeralContainers"] if each["name"] == "look")
    assert (spec["image"], spec["targetContainerName"]) == (IMAGE, "main")
    assert vmpod("logs", subject, "-c", "look").lines == done.lines
    assert vmpod.record(subject)["ephemeral"][0]["attached"] is False
    assert vmpod.pod(subject)["status"]["phase"] == "Running"


def test_without_a_target_it_is_alone(vmpod: Vmpod, subject: str) -> None:
    done = vmpod("debug", subject, *OURS, "--attach", "--", "ps")
    assert "sleep 0.2" not in done.text
    assert len(done.lines) == 2


def test_in_a_terminal(vmpod: Vmpod, subject: str) -> None:
    words = ("debug", subject, *OURS, "-c", "shell", "-it", "--target", "main", "--", "sh")
    with terminal(vmpod, 40, 132, *words) as screen:
        screen.type("\rstty size\r")
        screen.until("40 132\r\n")
        screen.type("echo $((6*7)); exit 5\r")
        screen.until("42\r\n")
        assert screen.running.end().status == 5
    assert _added(vmpod, "shell", subject)["state"]["terminated"]["exitCode"] == 5


def test_it_may_run_on_by_itself(vmpod: Vmpod, pods: Pods) -> None:
    """Then its name is printed; the pod ends without waiting for it, and is not copied meanwhile."""
    name = pods.start(pod("alone", container("main", BUSY)))
    added = vmpod("debug", name, *OURS, "--", "sh", "-c", TILL_TOLD).text.strip()
    assert added.startswith("debugger-")
    eventually(lambda: vmpod("logs", name, "-c", added).lines == ["begun"], "its first word")
    assert vmpod.exec(name, "echo", "hi").text == "hi\n"
    assert "is being debugged" in vmpod("fork", name, status=125).errors
    vmpod("exec", name, "-c", added, "--", "touch", "/end")
    eventually(lambda: "terminated" in _added(vmpod, added, name)["state"], "its end")
    pods.adopt("alone-1")
    vmpod("fork", name)
    assert vmpod("debug", "alone-1", *OURS, "--attach", "--", "echo", "copied").text == "copied\n"
    # It hears no SIGTERM; the pod has a grace period of 30 seconds.
    vmpod("debug", name, *OURS, "-c", "deaf", "--", "sh", "-c", "while :; do sleep 1; done")
    begun = time.monotonic()
    vmpod("stop", name)
    assert time.monotonic() - begun < 20
    assert _added(vmpod, "deaf", name)["state"]["terminated"]["exitCode"] == 137
    vmpod("start", name)
    assert "ephemeralContainers" not in vmpod.pod(name)["spec"]


def test_the_toolbox_sees_the_machine(vmpod: Vmpod, subject: str) -> None:
    """Its processes, its network, and what a container sees from where that is."""
    script = "; ".join(
        (
            "ip -br link show eth0",
            "ss -Htln | wc -l",
            "cat /proc/1/comm",
            "pid=$(pgrep -o -f 'trap .exit 0')",
            "nsenter -t $pid -m /bin/cat /inside",
            "strace -V | head -1",
            "timeout -s INT 20 strace -qq -c -p $pid 2>&1 | grep -c total",
            "tcpdump --count -c 1 -i lo -w /dev/null 2>&1 & watching=$!",
            "while kill -0 $watching; do (echo > /dev/tcp/127.0.0.1/9); sleep 0.1; done 2> /dev/null",
        )
    )
    words = ("debug", subject, "--toolbox", "-q", "-c", "tools", "--attach", "--", "bash", "-c", script)
    done = vmpod(*words, timeout=1200)
    link, listening, first, inside, strace, traced, *captured = done.lines
    assert link.split()[:2] in (["eth0", "UP"], ["eth0", "UNKNOWN"])
    assert (listening, inside, traced) == ("0", "secret", "1")
    assert first.startswith("python")
    assert strace.startswith("strace -- version")
    assert any("1 packet captured" in line for line in captured), captured
    assert "image: vmpod-toolbox" in vmpod("get", subject, "-o", "yaml").text
    for wrong in (("--toolbox", "--image", IMAGE), ("--toolbox", "--target", "main"), ()):
        vmpod("debug", subject, *wrong, status=125)


def test_who_is_killed_takes_his_debugger_along(vmpod: Vmpod, pods: Pods) -> None:
    """It ends at the end of its input; the next command gives its disk back."""
    name = pods.start(pod("left", container("main", BUSY)), options=("--no-template",))
    words = ("debug", name, *OURS, "-c", "first", "-i", "--", "sh", "-c", "echo begun; cat")
    with vmpod.started(*words, stdin=subprocess.PIPE) as running:
        running.until(b"begun\n")
        running.signal(signal.SIGKILL)
        running.process.wait()
    eventually(lambda: "terminated" in _added(vmpod, "first", name)["state"], "its end")
    assert vmpod.record(name)["ephemeral"][0]["attached"] is True
    for number in range(10):
        done = vmpod("debug", name, *OURS, "--attach", "--", "echo", str(number))
        assert done.text == f"{number}\n"
    found = vmpod.record(name)["ephemeral"]
    assert len(found) == 8, "the oldest have made room"
    assert not any(each["attached"] for each in found)
    assert vmpod("logs", name, "-c", found[0]["document"]["name"]).text == "7\n"


def test_what_cannot_be_added_is_told(vmpod: Vmpod, pods: Pods, subject: str) -> None:
    before = vmpod.record(subject)["ephemeral"]

    def refused(*words: str) -> str:
        return vmpod("debug", *words, status=125).errors

    assert "no container 'nobody'" in refused(subject, *OURS, "--target", "nobody")
    assert "has a container 'main' already" in refused(subject, *OURS, "-c", "main")
    assert "name: 'No'" in refused(subject, *OURS, "-c", "No")
    assert "executable file not found" in refused(subject, *OURS, "--", "nosuch")
    assert "localhost/absent" in refused(
        subject, "--image", "localhost/absent", "--image-pull-policy", "Never"
    )
    assert "NAME=VALUE" in refused(subject, *OURS, "--env", "x")
    assert "there is no pod" in refused("nobody", *OURS)
    assert vmpod.record(subject)["ephemeral"] == before
    security = {"runAsNonRoot": True, "runAsUser": 1000}
    bound = pods.start(
        pod("bound", container("main", BUSY.replace("/inside", "/tmp/x")), securityContext=security)
    )
    assert vmpod("debug", bound, *OURS, "--attach", "--", "id", "-u").text == "1000\n"
    vmpod("pause", bound)
    assert "is paused" in refused(bound, *OURS)
    vmpod("resume", bound)
    vmpod("stop", bound)
    assert "is not running" in refused(bound, *OURS)
