"""A kubelet's care inside the machine: sidecars, probes, hooks, restart rules, deadlines, last words.

Order is read from the events and the logs, never from the clock.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.machine.harness import Vmpod, eventually
from tests.machine.manifests import Json, container, pod
from tests.machine.pods import Pods

# A container's main program: serves pages, and says when it is asked to end.
SERVE = (
    "mkdir -p /www; echo fine >/www/ok; trap 'echo $HOSTNAME is asked; exit 0' TERM; "
    "httpd -p {port} -h /www; while :; do sleep 60 & wait $!; done"
)
# What a server does first that tells of a request.
MARK = (
    "mkdir -p /www/cgi-bin; "
    "printf '#!/bin/sh\\necho a page is asked for >/proc/1/fd/1; echo\\n' >/www/cgi-bin/mark; "
    "chmod +x /www/cgi-bin/mark; httpd"
)
IDLE = "trap 'echo asked; exit 0' TERM; while :; do sleep 60 & wait $!; done"


def events(vmpod: Vmpod, name: str) -> list[Json]:
    found: list[Json] = json.loads(vmpod("events", name, "-o", "json").out)["items"]
    return found


def told(vmpod: Vmpod, name: str) -> list[tuple[str, str]]:
    """(reason, container) of every event, in order."""
    found = []
    for each in events(vmpod, name):
        where = each["involvedObject"].get("fieldPath", "")
        found.append((each["reason"], where.partition("{")[2].rstrip("}")))
    return found


@pytest.fixture(scope="module")
def served(module_pods: Pods) -> str:
    """A pod with a sidecar, an init container, a server with all kinds of probes, and hooks."""
    side = container(
        "side",
        f"sleep 1; touch /tmp/up; {IDLE}",
        restartPolicy="Always",
        startupProbe={
            "exec": {"command": ["test", "-e", "/tmp/up"]},
            "periodSeconds": 1,
            "failureThreshold": 60,
        },
    )
    first = container("first", "true")
    web = container(
        "web",
        SERVE.format(port=80),
        env=[{"name": "PAGE", "value": "ok"}],
        ports=[{"name": "http", "containerPort": 80}],
        readinessProbe={
            "httpGet": {"port": "http", "path": "/ok", "httpHeaders": [{"name": "X-Probe", "value": "a b"}]},
            "periodSeconds": 1,
            "failureThreshold": 1,
        },
        livenessProbe={"tcpSocket": {"port": "http"}, "periodSeconds": 1},
        startupProbe={"exec": {"command": ["test", "-e", "/www/$(PAGE)"]}, "periodSeconds": 1},
        lifecycle={
            "postStart": {"exec": {"command": ["sh", "-c", "echo begun >/proc/1/fd/1; sleep 1"]}},
            "preStop": {"exec": {"command": ["sh", "-c", "echo the hook >/proc/1/fd/1"]}},
        },
    )
    last = container(
        "last",
        SERVE.format(port=81).replace("TERM", "USR1").replace("httpd", MARK),
        lifecycle={
            "preStop": {"httpGet": {"host": "127.0.0.1", "port": 81, "path": "/cgi-bin/mark"}},
            "stopSignal": "SIGUSR1",
        },
    )
    slow = container("slow", IDLE, lifecycle={"preStop": {"sleep": {"seconds": 2}}})
    spec = {"initContainers": [side, first], "restartPolicy": "Always", "terminationGracePeriodSeconds": 20}
    return module_pods.start(pod("served", web, last, slow, os={"name": "linux"}, **spec))


def test_everything_starts_in_order(vmpod: Vmpod, served: str) -> None:
    """The sidecar's startup probe is waited for, and the first container's postStart hook."""
    found = told(vmpod, served)
    order = [found.index((reason, name)) for reason, name in (
        ("Started", "side"),
        ("Unhealthy", "side"),
        ("Created", "first"),
        ("Completed", "first"),
        ("Created", "web"),
        ("Started", "web"),
        ("Created", "last"),
        ("Started", "last"),
        ("Ready", ""),
    )]  # fmt: skip
    assert order == sorted(order)


def test_the_status_is_kubernetes_own(vmpod: Vmpod, served: str) -> None:
    status = vmpod.pod(served)["status"]
    shown = {
        each["name"]: (each["started"], each["ready"], *each["state"])
        for each in status["initContainerStatuses"] + status["containerStatuses"]
    }
    assert shown == {
        "side": (True, True, "running"),
        "first": (False, True, "terminated"),
        "web": (True, True, "running"),
        "last": (True, True, "running"),
        "slow": (True, True, "running"),
    }
    assert vmpod("ps").lines[1].split()[1] == "4/4"


def test_readiness_follows_what_the_server_says(vmpod: Vmpod, served: str) -> None:
    """By the agent's own question: nothing in the image asks."""

    def ready() -> bool:
        conditions = vmpod.pod(served)["status"]["conditions"]
        return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)

    vmpod.exec(served, "mv", "/www/ok", "/www/away")
    eventually(lambda: not ready(), "the pod to be not ready")
    assert vmpod.status(served, "web")["state"].keys() == {"running"}
    vmpod.exec(served, "mv", "/www/away", "/www/ok")
    eventually(ready, "the pod to be ready again")
    why = [each["message"] for each in events(vmpod, served) if each["reason"] == "Unhealthy"]
    assert "Readiness probe failed: HTTP probe failed with statuscode: 404" in why


def test_at_the_end_the_hook_comes_first_and_the_sidecar_last(vmpod: Vmpod, served: str) -> None:
    vmpod("stop", served)
    assert vmpod("logs", served, "-c", "web").lines == ["begun", "the hook", "served is asked"]
    assert vmpod("logs", served, "-c", "last").lines == ["a page is asked for", "served is asked"]
    assert [vmpod("logs", served, "-c", name).lines for name in ("side", "slow")] == [["asked"], ["asked"]]
    ends = [name for reason, name in told(vmpod, served) if reason == "Completed"]
    assert ends[0] == "first"
    # Their hooks begin together, and the one that sleeps takes longest.
    assert set(ends[1:3]) == {"web", "last"}
    assert ends[3:] == ["slow", "side"]


def test_containers_that_are_not_well_are_started_again(vmpod: Vmpod, pods: Pods, tmp_path: Path) -> None:
    hang = {"exec": {"command": ["sh", "-c", "echo $$ >/tmp/hung; sleep 100"]}}
    quick: Any = {"periodSeconds": 1, "failureThreshold": 1}
    restarts = {"terminationGracePeriodSeconds": 1}
    # What answers is told by its answer, on a busy host as well.
    patient = quick | restarts | {"timeoutSeconds": 20}
    manifest = pods.expect(
        pod(
            "unwell",
            container("hung", IDLE, livenessProbe=hang | quick | restarts | {"initialDelaySeconds": 2}),
            container(
                "slow",
                IDLE,
                readinessProbe={"exec": {"command": ["sleep", "1000"]}, "timeoutSeconds": 2} | quick,
            ),
            container("cold", "sleep 600", startupProbe={"tcpSocket": {"port": 9}} | patient),
            container("hooked", IDLE, lifecycle={"postStart": {"exec": {"command": ["false"]}}}),
            container("grpc", SERVE.format(port=81), livenessProbe={"grpc": {"port": 81}} | patient),
            container(
                "tls",
                SERVE.format(port=82),
                livenessProbe={"httpGet": {"port": 82, "scheme": "HTTPS"}} | patient,
            ),
            restartPolicy="Always",
            terminationGracePeriodSeconds=1,
        )
    )
    (tmp_path / "pod.yaml").write_text(manifest)

    def again() -> bool:
        status = vmpod.pod("unwell")["status"]["containerStatuses"]
        return all(each["restartCount"] > 0 for each in status if each["name"] != "slow")

    with vmpod.started("run", str(tmp_path / "pod.yaml")):
        eventually(vmpod.pod_directory("unwell").joinpath("pod.json").exists, "the pod to be there")
        eventually(again, "every container to be started again")
        asked = "Readiness probe failed: timed out after 2s"
        eventually(lambda: asked in vmpod("events", "unwell").text, "a probe to take too long")
        processes = vmpod("exec", "unwell", "-c", "slow", "--", "ps", "-o", "args").lines
    # Each question is killed before the next.
    assert processes.count("sleep 1000") <= 1
    said = {(each["reason"], each["message"]) for each in events(vmpod, "unwell")}
    assert ("Unhealthy", "Liveness probe failed: timed out after 1s") in said
    assert ("Unhealthy", "Startup probe failed: Connection refused") in said
    assert ("FailedPostStartHook", "PostStartHook failed: ") in {(one, two[:22]) for one, two in said}
    assert {
        ("Killing", f"Container {each} failed liveness probe, will be restarted")
        for each in ("hung", "grpc", "tls")
    } < said
    assert any("TLS" in message for _, message in said)


def test_rules_deadlines_and_last_words(vmpod: Vmpod, pods: Pods) -> None:
    count = "echo run >>/data/runs; n=$(wc -l </data/runs);"
    rule = {"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}
    name = pods.expect(
        pod(
            "rules",
            container(
                "again",
                f"{count} echo words $n >/dev/termination-log; test $n -gt 1 || exit 42; exit 7",
                restartPolicy="Never",
                restartPolicyRules=[rule],
                volumeMounts=[{"name": "data", "mountPath": "/data"}],
            ),
            container("logs", "seq 1 100; exit 3", terminationMessagePolicy="FallbackToLogsOnError"),
            container("elsewhere", "echo there >/run/why", terminationMessagePath="/run/why"),
            container("long", "sleep 600"),
            volumes=[{"name": "data", "emptyDir": {}}],
            activeDeadlineSeconds=8,
            terminationGracePeriodSeconds=0,
        )
    )
    done = vmpod("run", "-", input=name, status=3)
    assert "Pod was active on the node longer than the specified deadline" in done.errors
    status = vmpod.pod("rules")["status"]
    assert (status["phase"], status["reason"]) == ("Failed", "DeadlineExceeded")
    shown = {each["name"]: each for each in status["containerStatuses"]}
    ends = {name: each["state"]["terminated"] for name, each in shown.items()}
    assert shown["again"]["restartCount"] == 1
    assert shown["again"]["lastState"]["terminated"]["message"] == "words 1\n"
    assert (ends["again"]["exitCode"], ends["again"]["message"]) == (7, "words 2\n")
    assert ends["logs"]["message"].splitlines() == [str(number) for number in range(21, 101)]
    assert ends["elsewhere"]["message"] == "there\n"
    assert ends["long"]["exitCode"] == 137


def test_all_containers_may_be_started_again(vmpod: Vmpod, pods: Pods) -> None:
    mounts = [{"name": "data", "mountPath": "/data"}]
    everything = {"action": "RestartAllContainers", "exitCodes": {"operator": "In", "values": [88]}}
    first = container("first", "echo first >>/data/seen", volumeMounts=mounts)
    main = container(
        "main",
        "echo main >>/data/seen; test $(grep -c main /data/seen) -gt 1 || exit 88; cat /data/seen",
        volumeMounts=mounts,
        restartPolicy="Never",
        restartPolicyRules=[everything],
    )
    volumes = [{"name": "data", "emptyDir": {}}]
    done = pods.run(pod("anew", main, initContainers=[first], volumes=volumes))
    assert done.lines == [f"main | {each}" for each in ("first", "main", "first", "main")]
    assert vmpod.status("anew", "first")["restartCount"] == 1
