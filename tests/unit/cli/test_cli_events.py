"""What happened in pods: lists of events, descriptions, inspections."""

from __future__ import annotations

import json
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.schemas import check
from tests.unit.cli.conftest import Vmpod
from tests.unit.cli.test_cli_pods import ourselves
from tests.unit.state.records import RUNNING, agent, ended, event_line, keep, one, record, whole, written
from tests.unit.state.test_state_status import EVENTS
from vmpod.paths import Paths
from vmpod.plan.model import JOURNAL
from vmpod.process import Process
from vmpod.runtime.context import Runtime
from vmpod.runtime.events import all_events
from vmpod.state.store import PodStore
from vmpod.wire.logdisk import EVENTS as EVENT_STREAM

GONE = Process(1, 1)
LIFE = [
    agent("Booted"),
    agent("Prepared"),
    one("i", {"waiting": {"reason": "PodInitializing"}}),
    one("i", {"waiting": {"reason": "ContainerCreating"}}),
    one("i", RUNNING),
    one("i", ended(0, "Completed")),
    one("a", RUNNING),
    one("a", RUNNING),
    one("b", {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}, restarts=1),
    one("b", ended(137, "OOMKilled", signal=9)),
    whole("Running", ready=True),
    agent("Stopping"),
    whole("Failed"),
    agent("Stopped"),
]


def test_an_end_is_told_once(vmpod: Vmpod, pods: PodStore) -> None:
    """Also of what waited to be started again when the pod was stopped: that end is its last state."""
    end = ended(3, "Error", finishedAt="2026-01-31T12:00:05Z")
    waits = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}
    last = {"last": end["terminated"]}
    stopped = [
        one("a", end),
        one("a", waits) | last,
        agent("Stopping"),
        one("a", end) | last,
        whole("Failed"),
    ]
    keep(pods, record(qemu=GONE), *stopped)
    assert [line.split()[2] for line in vmpod("events", "web").out.splitlines()[1:]] == [
        "Error",
        "BackOff",
        "Killing",
        "PodFailed",
    ]
    shown = json.loads(vmpod("get", "web", "-o", "json").out)["status"]["containerStatuses"][0]
    assert (shown["state"]["terminated"]["exitCode"], shown["lastState"]) == (3, {})


def test_the_life_of_a_pod(vmpod: Vmpod, pods: PodStore) -> None:
    keep(pods, record(qemu=GONE), *LIFE)
    result = vmpod("events", "web")
    header, *lines = result.out.splitlines()
    assert header.split() == ["LAST", "SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
    assert [line.split()[2] for line in lines] == [
        "Booted",
        "SandboxReady",
        "Created",
        "Started",
        "Completed",
        "Started",
        "BackOff",
        "OOMKilled",
        "Ready",
        "Killing",
        "PodFailed",
        "Stopped",
    ]
    assert "pod/web/b" in lines[7]
    assert lines[7].endswith("Container b ended with exit code 137, signal 9")


def test_as_objects(vmpod: Vmpod, pods: PodStore) -> None:
    keep(pods, record(qemu=GONE), *LIFE)
    listed = json.loads(vmpod("events", "-o", "json").out)
    check(listed)
    assert (listed["apiVersion"], listed["kind"]) == ("v1", "EventList")
    event = next(each for each in listed["items"] if each["reason"] == "OOMKilled")
    assert (event["apiVersion"], event["kind"], event["type"]) == ("v1", "Event", "Warning")
    assert event["involvedObject"]["fieldPath"] == "spec.containers{b}"
    assert event["lastTimestamp"] == "2026-01-31T12:00:00Z"
    reasons = "jsonpath={.items[*].reason}"
    assert vmpod("events", "--filter", "type=warning", "-o", reasons).out.split() == [
        "BackOff",
        "OOMKilled",
        "PodFailed",
    ]
    assert vmpod("events", "-l", "x=z", "-q").out == ""


def test_what_a_machine_could_not_tell(vmpod: Vmpod, pods: PodStore) -> None:
    keep(pods, record(qemu=GONE), *LIFE[:3])
    assert "MachineDied" in vmpod("events", "web").out.splitlines()[-1]


def test_one_that_is_not_there(vmpod: Vmpod, pods: PodStore) -> None:
    keep(pods, record(qemu=GONE), *LIFE)
    result = vmpod("events", "nope", "web")
    assert result.status == 125
    assert len(result.out.splitlines()) == 13


def test_watching_shows_each_once_and_ends_with_the_pod(
    vmpod: Vmpod, pods: PodStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = keep(pods, record(qemu=GONE), *LIFE[:4])
    alive = [True]
    monkeypatch.setattr("vmpod.state.store.PodEntry.alive", lambda _entry: alive[0])

    def go_on() -> None:
        for event in LIFE[4:]:
            time.sleep(0.02)
            with written(entry.directory / JOURNAL) as disk:
                disk.append(EVENT_STREAM, event_line(event))
        alive[0] = False

    thread = threading.Thread(target=go_on)
    thread.start()
    result = vmpod("events", "-w", "web")
    thread.join()
    assert result.status == 0
    assert len(result.out.splitlines()) == 13


@given(st.lists(EVENTS.flatmap(lambda events: st.sampled_from(events or [{}])), max_size=10))
def test_hostile_events_break_nothing(
    tmp_path_factory: pytest.TempPathFactory, events: list[dict[str, object]]
) -> None:
    top = tmp_path_factory.mktemp("home")
    runtime = Runtime(Paths(data=top / "data", state=top / "state", runtime=top / "run"))
    entry = keep(runtime.pods, record(qemu=GONE), *events)
    for each in all_events(runtime, entry):
        assert each.message.isprintable()
        assert each.reason.isprintable()


def test_a_description(vmpod: Vmpod, pods: PodStore) -> None:
    env = [
        {"name": "PLAIN", "value": "text"},
        {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "token"}}},
        {"name": "ME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
        {"name": "FILE", "valueFrom": {"fileKeyRef": {"volumeName": "v", "path": "env", "key": "K"}}},
    ]
    spec = {
        "containers": [
            {
                "name": "a",
                "image": "nginx",
                "command": ["serve"],
                "env": env,
                "ports": [{"containerPort": 80}],
                "resources": {"limits": {"memory": "64Mi"}},
                "volumeMounts": [{"name": "v", "mountPath": "/v", "readOnly": True}],
                "livenessProbe": {"httpGet": {"port": 80, "path": "/ok"}, "periodSeconds": 5},
                "readinessProbe": {"exec": {"command": ["test", "-e", "/up"]}, "failureThreshold": 1},
                "startupProbe": {"grpc": {"port": 81, "service": "web"}, "initialDelaySeconds": 2},
                "lifecycle": {"postStart": {"sleep": {"seconds": 3}}, "preStop": {"httpGet": {"port": "x"}}},
            }
        ],
        "volumes": [{"name": "v", "hostPath": {"path": "/srv"}}],
    }
    document = {"metadata": {"name": "web", "labels": {"x": "y"}}, "spec": spec}
    kept = record(
        qemu=ourselves(), containers=("a",), init_containers=(), document=document, addresses=("10.0.2.15",)
    )
    keep(pods, kept, agent(), one("a", RUNNING, restarts=2, last=ended(1)["terminated"]), whole("Running"))
    told = vmpod("describe", "web").out
    for line in (
        "Name:            web",
        "Labels:          x=y",
        "Annotations:     <none>",
        "Status:          Running",
        "IP:              10.0.2.15",
        "    Image:           nginx",
        "    Ports:           80/TCP",
        "    State:           Running",
        "    Last State:      Terminated",
        "      Exit Code:     1",
        "    Restart Count:   2",
        "      PLAIN:  text",
        "      KEY:  <set to the key 'token' of secret 'keys'>",
        "      ME:  (metadata.name)",
        "      CPU:  (limits.cpu of this container)",
        "      FILE:  <set to the key 'K' of the file env of volume v>",
        "    Liveness:        http-get http://:80/ok delay=0s timeout=1s period=5s #success=1 #failure=3",
        "    Readiness:       exec [test -e /up] delay=0s timeout=1s period=10s #success=1 #failure=1",
        "    Startup:         grpc <pod>:81 web delay=2s timeout=1s period=10s #success=1 #failure=3",
        "    Post Start:      sleep 3s",
        "    Pre Stop:        http-get http://:x/",
        "      /v from v (ro)",
        "    Type:            hostPath",
        "  Accelerator:     tcg",
        "Events:",
    ):
        assert line in told.splitlines(), told


def test_descriptions_of_several(vmpod: Vmpod, pods: PodStore) -> None:
    keep(pods, record(), agent())
    keep(pods, record("other"), agent())
    result = vmpod("describe", "web", "nope", "other")
    assert result.status == 125
    assert result.out.count("Name:") == 2
    assert "there is no pod 'nope'" in result.err


def test_an_inspection(vmpod: Vmpod, pods: PodStore) -> None:
    entry = keep(pods, record(qemu=ourselves()), *LIFE[:8])
    (found,) = json.loads(vmpod("inspect", "web").out)
    assert (found["apiVersion"], found["kind"]) == ("vmpod/v1", "PodInspection")
    assert found["machine"]["pid"] == ourselves().pid
    assert found["files"]["record"]["path"] == str(entry.directory / "pod.json")
    assert found["files"]["journal"]["bytes"] > 0
    assert found["pod"]["kind"] == "Pod"
    assert vmpod("inspect", "web", "-o", "jsonpath={[0].machine.domain}").out == "vmpod-web"
    result = vmpod("inspect", "nope", "web")
    assert result.status == 125
    assert len(json.loads(result.out)) == 1
