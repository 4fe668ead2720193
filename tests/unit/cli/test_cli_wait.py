"""Waiting for pods."""

from __future__ import annotations

import threading
import time

import pytest

from tests.unit.cli.conftest import Vmpod
from tests.unit.cli.test_cli_pods import UP, ourselves
from tests.unit.state.records import agent, ended, keep, one, record, whole
from vmpod.process import Process
from vmpod.runtime.goals import Goal, parse
from vmpod.state.store import PodStore

GONE = Process(1, 1)


@pytest.fixture
def web(pods: PodStore) -> None:
    """A pod that is ready, and one that has failed."""
    keep(pods, record(qemu=ourselves()), *UP, whole("Running", ready=True))
    failed = [one(name, ended(code)) for name, code in (("i", 0), ("a", 0), ("b", 7))]
    keep(pods, record("down", qemu=GONE), agent(), *failed, whole("Failed"))


@pytest.mark.parametrize(
    ("text", "goal"),
    [
        ("condition=Ready", Goal("condition", "Ready", "True")),
        ("condition=ready=false", Goal("condition", "Ready", "False")),
        ("phase=succeeded", Goal("phase", value="Succeeded")),
        ("exit", Goal("exit")),
        ("delete", Goal("delete")),
    ],
)
def test_goals(text: str, goal: Goal) -> None:
    assert parse(text) == goal


@pytest.mark.parametrize(
    "text",
    [
        *("", "ready", "condition=", "condition=Happy", "condition=Ready=Perhaps", "phase=", "exit=1"),
        *(
            "jsonpath",
            "jsonpath={.a}=",
            "jsonpath={.a}b",
            "jsonpath={.a",
            "jsonpath={.a[}=1",
            "jsonpath={a}{b}",
        ),
    ],
)
def test_goals_that_are_none(text: str, vmpod: Vmpod) -> None:
    result = vmpod("wait", "web", f"--for={text}")
    assert result.status == 125
    assert "Invalid value for '--for'" in result.err


def test_what_holds_is_not_waited_for(vmpod: Vmpod, web: None) -> None:
    result = vmpod("wait", "web", "--for=condition=Ready")
    assert (result.status, result.out) == (0, "pod/web condition met\n")
    assert vmpod("wait", "down", "--for=phase=Failed").status == 0
    assert vmpod("wait", "down", "--for=condition=Ready=False").status == 0


@pytest.mark.parametrize(
    "text",
    [
        "{.status.phase}=Running",
        "{status.phase}='Running'",
        "status.phase=Running",
        '.status.conditions[?(@.type=="Ready")].status=True',
        '{.status.conditions[?(@.type!="Ready")]}',
        "{.status.containerStatuses[0].restartCount}=0",
        "{.status.containerStatuses[0].ready}=true",
        "{.metadata.name}",
        "{.status}",
    ],
)
def test_what_kubectl_finds_by_a_path(vmpod: Vmpod, web: None, text: str) -> None:
    """As its own `wait` reads it. What only has to be there may be an object; a value is one value."""
    result = vmpod("wait", "web", f"--for=jsonpath={text}", "--timeout=0")
    several = "!=" in text
    assert (result.status, result.out) == ((125, "") if several else (0, "pod/web condition met\n"))
    assert ("leads to more than one value" in result.err) is several


def test_paths_that_lead_nowhere_yet(vmpod: Vmpod, web: None) -> None:
    for text in ("{.metadata.labels.none}", "{.status.phase}=running", "{.spec.nodeName}=a=b"):
        result = vmpod("wait", "web", f"--for=jsonpath={text}", "--timeout=0")
        assert result.status == 124
    assert "gave up waiting for {.spec.nodeName}=a=b of the pod web: it is Running" in result.err
    result = vmpod("wait", "down", "--for=jsonpath={.status.phase}=Running", "--timeout=1h")
    assert (result.status, "has ended (Failed), without {.status.phase}=Running" in result.err) == (125, True)
    result = vmpod("wait", "web", "--for=jsonpath={.status}=Running", "--timeout=1h")
    assert (result.status, "leads to an object or a list" in result.err) == (125, True)


def test_the_exit_status_is_the_pods(vmpod: Vmpod, web: None) -> None:
    assert vmpod("wait", "down").status == 7


def test_what_cannot_come_any_more_fails_at_once(vmpod: Vmpod, web: None) -> None:
    result = vmpod("wait", "down", "--for=condition=Ready", "--timeout=1h")
    assert result.status == 125
    assert "the pod down has ended (Failed), without condition Ready=True" in result.err


def test_time_runs_out(vmpod: Vmpod, web: None) -> None:
    result = vmpod("wait", "web", "--for=phase=Succeeded", "--timeout=100ms")
    assert result.status == 124
    assert "gave up waiting for phase Succeeded of the pod web: it is Running" in result.err
    assert vmpod("wait", "web", "nope", "--for=phase=Succeeded", "--timeout=0").status == 124


def test_time_runs_out_for_one_that_stands_still(vmpod: Vmpod, pods: PodStore) -> None:
    keep(pods, record("still", qemu=ourselves(), paused=True), *UP, whole("Running", ready=True))
    result = vmpod("wait", "still", "--for=phase=Succeeded", "--timeout=100ms")
    assert "of the pod still: it is Running (Paused)" in result.err


def test_one_of_several_that_fails(vmpod: Vmpod, web: None) -> None:
    result = vmpod("wait", "nope", "web", "--for=condition=Ready")
    assert result.status == 125
    assert result.out == "pod/web condition met\n"


def test_removal_is_waited_for(vmpod: Vmpod, pods: PodStore, web: None) -> None:
    def remove() -> None:
        time.sleep(0.3)
        pods.delete("down", None)

    thread = threading.Thread(target=remove)
    thread.start()
    result = vmpod("wait", "down", "--for=delete", "--timeout=60s")
    thread.join()
    assert (result.status, result.out) == (0, "pod/down deleted\n")
