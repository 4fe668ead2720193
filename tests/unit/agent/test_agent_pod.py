"""The pod controller: the order of things, restart policies, back-off."""

from __future__ import annotations

import pytest

from tests.unit.agent.world import Clock, Make
from vmpod_agent import backoff
from vmpod_agent.backoff import Backoff

# The order of things.


def test_init_containers_run_one_by_one_then_all_containers(make: Make) -> None:
    world = make("a", "b", inits=("i", "j"))
    world.start("i")
    assert world.names() == ["i"]
    world.run("i").ended(0)
    assert world.names() == ["i", "j"]
    world.run("j").started()
    assert world.phases() == []
    world.run("j").ended(0)
    assert world.names() == ["i", "j", "a", "b"]
    world.run("a").started()
    assert world.phases() == [("Running", False)]
    world.run("b").started()
    assert world.phases() == [("Running", False), ("Running", True)]
    assert all(run.removed for run in world.runs[:2])


def test_at_first_every_container_is_told(make: Make) -> None:
    world = make("a", inits=("i",))
    world.begin()
    assert [(each["name"], each["init"]) for each in world.events[:2]] == [("i", True), ("a", False)]
    assert all(each["state"] == {"waiting": {"reason": "PodInitializing"}} for each in world.events[:2])
    assert world.state("i")["state"] == {"waiting": {"reason": "ContainerCreating"}}


def test_the_status_tells_the_same_as_the_events(make: Make) -> None:
    world = make("a", inits=("i",))
    world.start("i")
    world.run("i").ended(0)
    world.run("a").started()
    *containers, whole = world.pod.status()
    assert containers == [world.state("i"), world.state("a")]
    assert whole == {"kind": "pod", "phase": "Running", "ready": True}


def test_containers_are_found_by_name(make: Make) -> None:
    world = make("a", "b", inits=("i",))
    for name, found in (("", "a"), ("b", "b"), ("i", "i")):
        member = world.pod.find(name)
        assert member is not None
        assert member.name == found
    assert world.pod.find("c") is None


# restartPolicy.


@pytest.mark.parametrize(
    ("policy", "init", "code", "again"),
    [
        ("Always", False, 0, True),
        ("Always", False, 1, True),
        ("OnFailure", False, 0, False),
        ("OnFailure", False, 1, True),
        ("Never", False, 0, False),
        ("Never", False, 1, False),
        ("Always", True, 0, False),
        ("Always", True, 1, True),
        ("OnFailure", True, 0, False),
        ("OnFailure", True, 1, True),
        ("Never", True, 0, False),
        ("Never", True, 1, False),
    ],
)
def test_restart_policies(policy: str, init: bool, code: int, again: bool, make: Make) -> None:
    world = make("a", inits=("i",) if init else (), policy=policy)
    name = "i" if init else "a"
    world.start(name)
    world.run(name).ended(code)
    world.clock.go()
    assert (world.names().count(name) == 2) is again
    if again:
        assert world.state(name)["restarts"] == 1
        assert world.state(name)["last"]["exitCode"] == code


@pytest.mark.parametrize(
    ("policy", "codes", "phase"),
    [
        ("Never", (0, 0), "Succeeded"),
        ("Never", (0, 3), "Failed"),
        ("Never", (3, 0), "Failed"),
        ("OnFailure", (0, 0), "Succeeded"),
    ],
)
def test_how_a_pod_ends(policy: str, codes: tuple[int, int], phase: str, make: Make) -> None:
    world = make("a", "b", policy=policy)
    world.start("a", "b")
    world.run("a").ended(codes[0])
    assert world.finished == []
    world.run("b").ended(codes[1])
    assert world.finished == [phase]
    assert world.phases()[-1] == (phase, False)


def test_an_init_container_that_fails_for_good_fails_the_pod(make: Make) -> None:
    world = make("a", inits=("i", "j"), policy="Never")
    world.start("i")
    world.run("i").ended(1)
    assert world.finished == ["Failed"]
    assert world.names() == ["i"]


def test_a_container_that_waits_for_its_restart_has_not_ended(make: Make) -> None:
    world = make("a", "b", policy="OnFailure")
    world.start("a", "b")
    world.run("b").ended(1)
    world.run("a").ended(0)  # before the loop has come to the restart of b
    assert world.finished == []
    world.clock.go()
    world.run("b").started()
    world.run("b").ended(0)
    assert world.finished == ["Succeeded"]


def test_a_container_that_cannot_be_started(make: Make) -> None:
    world = make("a", "b", policy="Never")
    world.unstartable = {"a"}
    world.begin()
    ended = world.state("a")["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (127, "StartError")
    assert ended["message"] == "a cannot be started"
    assert world.names() == ["a", "b"]
    assert world.finished == []
    world.run("b").started()
    world.run("b").ended(0)
    assert world.finished == ["Failed"]


def test_what_killed_a_container_is_told(make: Make) -> None:
    world = make("a", policy="Never")
    world.start("a")
    world.run("a").ended(137, 9, oom=True)
    ended = world.state("a")["state"]["terminated"]
    assert (ended["exitCode"], ended["signal"], ended["reason"]) == (137, 9, "OOMKilled")
    assert ended["startedAt"].endswith("Z")
    assert ended["finishedAt"] >= ended["startedAt"]


def test_a_pod_is_ready_while_all_its_containers_run(make: Make) -> None:
    world = make("a", "b")
    world.start("a", "b")
    world.run("a").ended(1)
    world.clock.go()
    world.run("a").started()
    assert world.phases() == [("Running", False), ("Running", True), ("Running", False), ("Running", True)]


# Back-off.


def test_restarts_come_later_and_later(make: Make) -> None:
    world = make("a")
    world.start("a")
    waits = []
    for restarts in range(8):
        world.run("a").ended(1)
        before = world.clock.now
        state = world.state("a")
        assert state["restarts"] == restarts
        while len(world.runs) == restarts + 1:
            world.clock.go(1.0)
        waits.append(round(world.clock.now - before) - 1 if restarts else 0)
        if restarts:
            assert state["state"]["waiting"]["reason"] == "CrashLoopBackOff"
            assert state["last"]["exitCode"] == 1
        world.run("a").started()
    assert waits == [0, 9, 19, 39, 79, 159, 299, 299]


def test_a_back_off_is_told_in_the_kubelets_words(make: Make) -> None:
    world = make("a")
    world.start("a")
    world.run("a").ended(1)
    world.clock.go()
    world.run("a").started()
    world.run("a").ended(1)
    assert world.state("a")["state"] == {
        "waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting failed container a"}
    }


def test_a_long_run_forgets_the_past(make: Make) -> None:
    world = make("a")
    world.start("a")
    for _ in range(3):
        world.run("a").ended(1)
        world.clock.go(60)
        world.run("a").started()
    world.clock.go(600)
    world.run("a").ended(1)
    world.clock.go()
    assert len(world.runs) == 5


def test_what_never_ran_has_not_run_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(backoff, "time", clock)
    delays = []
    waiting = Backoff()
    for _ in range(12):
        delays.append(waiting.next_delay())
        clock.go(delays[-1])
    assert delays == [0, 10, 20, 40, 80, 160, 300, 300, 300, 300, 300, 300]
