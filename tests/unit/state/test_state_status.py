"""The state of a pod, from its events and whether its machine lives."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.state.records import MOMENT, RUNNING, agent, ended, keep, one, record, store, whole
from vmpod.plan.model import JOURNAL
from vmpod.process import Process
from vmpod.runtime.follow import exit_code
from vmpod.state.kubernetes import qos_class, to_kubernetes
from vmpod.state.status import PodStatus, derive
from vmpod.state.store import PodStore

RUNS = Process(1, 1)
STARTED = record(qemu=RUNS)
WELL = [one(name, ended(0, "Completed")) for name in ("i", "a", "b")] + [whole("Succeeded")]
NOT_YET = {"waiting": {"reason": "PodInitializing"}}
DIED = ("Failed", False, "MachineDied")
UP = [agent(), agent("Prepared"), one("i", ended(0, "Completed")), one("a", RUNNING), one("b", RUNNING)]


def status(*events: Any, alive: bool, starting: bool = False, kept: Any = STARTED) -> PodStatus:
    return derive(kept, [(MOMENT, event) for event in events], alive=alive, starting=starting)


def codes(found: PodStatus) -> dict[str, int | None]:
    return {each.name: each.exit_code for each in found.containers}


TABLE: list[tuple[str, list[Any], Any, bool, tuple[str, bool, str]]] = [
    ("boots, and nobody waits for it", [], STARTED, True, ("Failed", False, "StartFailed")),
    ("booted, and nobody waits for it", [agent()], STARTED, True, ("Failed", False, "StartFailed")),
    (
        "booted again, and nobody waits for it",
        [*UP, whole("Running"), agent()],
        STARTED,
        True,
        ("Failed", False, "StartFailed"),
    ),
    ("was handed over", [agent(), one("i", NOT_YET)], STARTED, True, ("Pending", False, "")),
    ("runs", [*UP, whole("Running", ready=True)], STARTED, True, ("Running", True, "")),
    ("partly runs", [*UP, whole("Running")], STARTED, True, ("Running", False, "")),
    ("ends well", WELL, STARTED, True, ("Succeeded", False, "")),
    ("ended well", WELL, STARTED, False, ("Succeeded", False, "")),
    ("failed", [*UP, whole("Failed")], STARTED, False, ("Failed", False, "")),
    ("died at boot", [], STARTED, False, DIED),
    (
        "died while it ran",
        [*UP, whole("Running", ready=True)],
        STARTED,
        False,
        ("Failed", False, "MachineDied"),
    ),
    ("stopped without a word", [*UP, agent("Stopped")], STARTED, False, DIED),
    ("was killed", UP, record(qemu=RUNS, stopped=True), False, ("Failed", False, "Killed")),
    (
        "was killed after its end",
        WELL,
        record(qemu=RUNS, stopped=True),
        False,
        ("Succeeded", False, ""),
    ),
    ("was not started", [], record(), False, ("Failed", False, "StartFailed")),
    ("is broken", [agent(), agent("Broken", "no disk")], STARTED, True, ("Failed", False, "MachineFailed")),
    (
        "is broken, whatever it says after",
        [agent("Broken", "no disk"), whole("Succeeded")],
        STARTED,
        False,
        ("Failed", False, "MachineFailed"),
    ),
]


@pytest.mark.parametrize(
    ("events", "kept", "alive", "told"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_phases(events: list[Any], kept: Any, alive: bool, told: tuple[str, bool, str]) -> None:
    found = status(*events, alive=alive, kept=kept)
    assert (found.phase, found.ready, found.reason) == told
    assert (exit_code(found) == 0) is (found.phase == "Succeeded") or not found.ended


def test_a_pod_that_is_being_started_is_pending() -> None:
    found = status(alive=False, starting=True, kept=record())
    assert (found.phase, found.reason, found.ended) == ("Pending", "", False)
    assert [each.reason for each in found.containers] == ["PodInitializing"] * 3


def test_what_a_broken_machine_said_is_the_message() -> None:
    assert status(agent("Broken", "no disk"), alive=True).message == "no disk"


def test_in_a_machine_that_died_nothing_runs_and_nothing_succeeded() -> None:
    found = status(*UP, whole("Running", ready=True), alive=False)
    assert codes(found) == {"i": 0, "a": 137, "b": 137}
    assert [each.reason for each in found.ordinary()] == ["ContainerStatusUnknown"] * 2
    assert exit_code(found) == 137


def test_the_last_event_counts() -> None:
    found = status(
        *UP,
        one("a", ended(3), restarts=0),
        one(
            "a",
            {"waiting": {"reason": "CrashLoopBackOff", "message": "m"}},
            restarts=4,
            last=ended(3)["terminated"],
        ),
        alive=True,
    )
    container = found.ordinary()[0]
    assert (container.reason, container.restarts, container.ready) == ("CrashLoopBackOff", 4, False)
    assert container.last is not None
    assert container.last["exitCode"] == 3
    assert found.restarts == 4


@pytest.mark.parametrize(
    ("events", "code"),
    [
        (WELL, 0),
        ([whole("Succeeded")], 137),
        ([one("a", ended(0)), one("b", ended(7)), whole("Failed")], 7),
        (
            [
                one("a", ended(5, finishedAt="2026-02-02")),
                one("b", ended(7, finishedAt="2026-02-01")),
                whole("Failed"),
            ],
            7,
        ),
        ([one("i", ended(9)), whole("Failed")], 9),
        ([one("a", ended(256)), one("b", ended(0)), whole("Failed")], 1),
        ([whole("Failed")], 137),
    ],
)
def test_what_run_exits_with(events: list[Any], code: int) -> None:
    assert exit_code(status(*events, alive=False)) == code


def test_how_a_sidecar_ends_is_no_failure_of_the_pod() -> None:
    kept = record(qemu=RUNS, sidecars=("i",))
    done = [one("i", ended(143)), one("a", ended(0, "Completed")), one("b", ended(0, "Completed"))]
    assert exit_code(status(*done, whole("Succeeded"), alive=False, kept=kept)) == 0
    failed = [one("i", ended(137)), one("a", ended(3)), one("b", ended(0, "Completed"))]
    assert exit_code(status(*failed, whole("Failed"), alive=False, kept=kept)) == 3


def test_a_sidecar_that_runs_is_no_obstacle() -> None:
    kept = record(qemu=RUNS, sidecars=("i",))
    found = status(one("i", RUNNING), one("a", RUNNING), one("b", RUNNING), alive=True, kept=kept)
    assert found.initialized
    assert [each.ready for each in found.serving()] == [True, True, True]
    unready = one("i", RUNNING) | {"started": False, "ready": False}
    assert not status(unready, alive=True, kept=kept).initialized


def test_a_sidecar_that_is_started_again_does_not_undo_what_was_initialized() -> None:
    """Its restarts are counted with those of the containers, as kubectl does."""
    kept = record(qemu=RUNS, sidecars=("i",))
    crashed = one("i", {"waiting": {"reason": "CrashLoopBackOff"}}) | {"restarts": 2, "last": {"exitCode": 5}}
    found = status(one("a", RUNNING), one("b", RUNNING) | {"restarts": 1}, crashed, alive=True, kept=kept)
    assert (found.initialized, found.restarts) == (True, 3)
    backs_off = one("a", {"waiting": {"reason": "CrashLoopBackOff"}}) | {"last": {"exitCode": 1}}
    assert status(backs_off, crashed, alive=True, kept=kept).initialized
    assert not status(crashed, alive=True, kept=kept).initialized
    booted = {"kind": "agent", "reason": "Booted", "boot": 1}
    assert not status(one("a", ended(1)), booted, alive=True, kept=kept).initialized, "a life of its own"


def test_why_a_pod_ended_is_what_it_said() -> None:
    told = whole("Failed") | {"reason": "Evicted", "message": "too much"}
    found = status(*UP, told, alive=False)
    assert (found.phase, found.reason, found.message, found.told) == ("Failed", "Evicted", "too much", True)


def test_a_failure_without_a_failed_container_is_ours() -> None:
    assert exit_code(status(one("i", ended(0)), one("a", ended(0)), one("b", ended(0)), alive=False)) == 125


# Hostile guests.

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
PLAUSIBLE = st.fixed_dictionaries(
    {},
    optional={
        "kind": st.sampled_from(["container", "pod", "agent", "x"]) | JSON,
        "name": st.sampled_from(["a", "b", "i", "z"]) | JSON,
        "phase": st.sampled_from(["Pending", "Running", "Failed", "succeeded"]) | JSON,
        "ready": JSON,
        "reason": st.sampled_from(["Broken", "Booted"]) | JSON,
        "message": JSON,
        "restarts": st.integers() | JSON,
        "state": st.dictionaries(
            st.sampled_from(["waiting", "running", "terminated", "x"]),
            st.dictionaries(st.sampled_from(["exitCode", "reason", "startedAt", "finishedAt"]), JSON) | JSON,
            max_size=2,
        )
        | JSON,
        "last": st.dictionaries(st.sampled_from(["exitCode", "reason"]), JSON) | JSON,
    },
)
EVENTS = st.lists(PLAUSIBLE | st.dictionaries(st.text(max_size=5), JSON, max_size=4), max_size=8)


@given(EVENTS, st.booleans(), st.booleans())
def test_hostile_events_break_nothing_and_never_mean_success(
    events: list[Any], alive: bool, starting: bool
) -> None:
    succeeded = any(event.get("kind") == "pod" and event.get("phase") == "Succeeded" for event in events)
    found = status(*events, alive=alive, starting=starting)
    if not succeeded:
        assert found.phase != "Succeeded"
        assert not found.ended or exit_code(found) != 0
    if not alive:
        assert not found.ready
    shown = to_kubernetes(STARTED, found)
    assert json.loads(json.dumps(shown, indent=2)) == shown
    assert len(found.containers) == 3
    for each in found.containers:
        assert isinstance(each.reason, str)
        assert 0 <= each.restarts < 2**31


@pytest.mark.parametrize(
    "event",
    [
        one("z", RUNNING),
        one("a", {}),
        one("a", RUNNING | ended(0)),
        one("a", {"sleeping": {}}),
        one("a", {"terminated": {}}),
        one("a", {"terminated": {"exitCode": "0"}}),
        one("a", {"terminated": {"exitCode": True}}),
        one("a", {"terminated": {"exitCode": -1}}),
        one("a", {"terminated": {"exitCode": 2**40}}),
        one("a", {"terminated": None}),
        one("a", RUNNING) | {"restarts": True},
        one("a", RUNNING) | {"restarts": None},
        {"kind": "container"},
        {"kind": "pod", "phase": "Great"},
        {"kind": ["pod"]},
        {},
    ],
)
def test_an_event_that_makes_no_sense_changes_nothing(event: dict[str, Any]) -> None:
    assert status(event, alive=True) == status(alive=True)


def test_deep_trees_of_a_guest_are_not_kept() -> None:
    deep: Any = "x"
    for _ in range(500):
        deep = [deep]
    event = one("a", {"waiting": {"reason": "r", "deep": deep, "message": deep}})
    (found,) = [each for each in status(event, alive=True).containers if each.name == "a"]
    assert found.state == {"waiting": {"reason": "r"}}


def test_a_journal_of_deep_json_is_read(tmp_path: Path) -> None:
    from vmpod.wire.journal import encode  # noqa: PLC0415

    pods = store(tmp_path)
    lines = [encode(MOMENT, "event", content + b"\n") for content in (b"[" * 16000, b"{}", b"x", b"[]")]
    entry = keep(pods, record(qemu=RUNS), raw=b"".join(lines))
    assert pods.status(entry).reason == "MachineDied"


# As Kubernetes shows it.


def test_as_a_kubernetes_object() -> None:
    found = status(*UP, whole("Running", ready=True), alive=True)
    shown = to_kubernetes(STARTED, found)
    assert (shown["apiVersion"], shown["kind"]) == ("v1", "Pod")
    assert shown["metadata"]["labels"] == {"x": "y"}
    assert shown["metadata"]["uid"] == STARTED.uid
    assert shown["status"]["phase"] == "Running"
    assert [each["type"] for each in shown["status"]["conditions"] if each["status"] == "True"] == [
        "PodScheduled",
        "PodReadyToStartContainers",
        "Initialized",
        "ContainersReady",
        "Ready",
    ]
    (init,) = shown["status"]["initContainerStatuses"]
    assert (init["name"], init["ready"], init["state"]["terminated"]["exitCode"]) == ("i", True, 0)
    assert shown["status"]["containerStatuses"][0] == {
        "name": "a",
        "image": "",
        "imageID": "",
        "containerID": f"vmpod://{STARTED.uid}/a/0",
        "ready": True,
        "started": True,
        "restartCount": 0,
        "state": {"running": {"startedAt": "2026-01-31T12:00:00Z"}},
        "lastState": {},
    }
    assert STARTED.document["metadata"] == {"name": "web", "labels": {"x": "y"}}, "the record was changed"


def test_a_pod_that_was_started_again() -> None:
    """Another life: how the containers of the one before ended stays, its phase does not."""
    again = record(qemu=RUNS, boot=2)
    before = [agent() | {"boot": 1}, one("a", ended(3)), whole("Failed")]
    found = status(*before, alive=True, starting=True, kept=again)
    assert (found.phase, found.reason) == ("Pending", "")
    found = status(*before, alive=True, kept=again)
    assert (found.phase, found.reason) == ("Failed", "StartFailed")
    found = status(*before, alive=False, kept=again)
    assert (found.phase, found.reason) == ("Failed", "MachineDied")
    booted = [*before, agent() | {"boot": 2}]
    found = status(*booted, one("a", RUNNING, restarts=1), whole("Running"), alive=True, kept=again)
    container = next(each for each in found.containers if each.name == "a")
    assert found.phase == "Running"
    assert container.last == ended(3)["terminated"]
    assert container.restarts == 1


def test_a_success_of_long_ago_is_none() -> None:
    again = record(qemu=RUNS, boot=2)
    assert status(*WELL, alive=False, kept=again).phase == "Failed"


def test_of_an_agent_that_does_not_answer_nothing_is_known() -> None:
    up = [*UP, whole("Running", ready=True)]
    found = derive(STARTED, [(MOMENT, each) for each in up], alive=True, starting=False, silent=True)
    assert (found.phase, found.reason, found.ready, found.ended) == ("Unknown", "NodeLost", False, False)
    (ready,) = [
        each for each in to_kubernetes(STARTED, found)["status"]["conditions"] if each["type"] == "Ready"
    ]
    assert (ready["status"], ready["reason"]) == ("Unknown", "NodeLost")


def test_an_agent_that_is_silent_is_asked(tmp_path: Path) -> None:
    """Of one that beats, nothing is asked; of one that answers, its answer counts."""
    ourselves = Process.of(os.getpid())
    answers: list[list[dict[str, Any]] | None] = [None, [one("a", ended(5)), whole("Failed")]]
    pods = PodStore(store(tmp_path)._paths, lambda _entry: answers.pop(0))
    entry = keep(pods, record(qemu=ourselves), *UP, whole("Running", ready=True))
    assert pods.status(entry).phase == "Running"
    os.utime(entry.directory / JOURNAL, (0, time.time() - 60))
    assert pods.status(entry).phase == "Unknown"
    assert pods.status(entry).phase == "Failed"
    assert not answers


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ([{}], "BestEffort"),
        ([{"requests": {"cpu": 1}}], "Burstable"),
        ([{"limits": {"cpu": 1, "memory": "1Gi"}}, {}], "Burstable"),
        ([{"limits": {"cpu": 1, "memory": "1Gi"}}], "Guaranteed"),
        ([{"limits": {"cpu": 1, "memory": "1Gi"}, "requests": {"cpu": "1"}}], "Guaranteed"),
        ([{"limits": {"cpu": 1, "memory": "1Gi"}, "requests": {"memory": "1Mi"}}], "Burstable"),
    ],
)
def test_quality_of_service(resources: list[dict[str, Any]], expected: str) -> None:
    assert qos_class({"spec": {"containers": [{"resources": each} for each in resources]}}) == expected
