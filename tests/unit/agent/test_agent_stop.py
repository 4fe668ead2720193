"""The pod controller when it is told to stop."""

from __future__ import annotations

import signal

import pytest

from tests.unit.agent.world import Make
from vmpod_agent.member import stop_signal

# Stopping.


def test_stop_asks_each_container_by_its_own_signal(make: Make) -> None:
    world = make("a", "b")
    world.pod._containers[1].spec["stop_signal"] = "SIGQUIT"
    world.start("a", "b")
    world.pod.stop(None)
    assert world.run("a").signals == [signal.SIGTERM]
    assert world.run("b").signals == [signal.SIGQUIT]
    world.run("a").ended(0)
    assert world.finished == []
    world.run("b").ended(0)
    assert world.finished == ["Succeeded"]


def test_after_the_grace_period_all_are_killed_until_they_are_gone(make: Make) -> None:
    world = make("a", grace=7)
    world.start("a")
    world.pod.stop(None)
    world.clock.go(6.9)
    assert world.run("a").signals == [signal.SIGTERM]
    world.clock.go(0.1)
    assert world.run("a").signals == [signal.SIGTERM, signal.SIGKILL]
    world.clock.go(0.5)
    assert world.run("a").signals.count(signal.SIGKILL) == 3
    world.run("a").ended(137, 9)
    assert world.finished == ["Failed"]


@pytest.mark.parametrize(
    ("first", "second", "killed_after"), [(30, 0, 2), (30, 5, 7), (5, 30, 5), (None, 1, 3), (0, 30, 0)]
)
def test_a_second_stop_may_shorten_the_wait(
    first: int | None, second: int, killed_after: int, make: Make
) -> None:
    world = make("a")
    world.start("a")
    world.pod.stop(first)
    world.clock.go(2)
    world.pod.stop(second)
    waited = 2.0
    while signal.SIGKILL not in world.run("a").signals:
        world.clock.go(0.5)
        waited += 0.5
    assert waited in (killed_after, 2.0 if killed_after < 2 else killed_after + 0.5)
    assert world.run("a").signals.count(signal.SIGTERM) == 1


def test_a_second_stop_does_not_end_the_killing(make: Make) -> None:
    world = make("a")
    world.start("a")
    world.pod.stop(0)
    world.clock.go(1)
    world.pod.stop(1000)
    before = len(world.run("a").signals)
    world.clock.go(1)
    assert len(world.run("a").signals) > before


def test_stop_during_init_never_counts_as_success(make: Make) -> None:
    world = make("a", inits=("i", "j"))
    world.start("i")
    world.pod.stop(None)
    assert world.run("i").signals == [signal.SIGTERM]
    world.run("i").ended(0)
    assert world.names() == ["i"]
    assert world.finished == ["Failed"]


def test_stop_during_back_off_ends_at_once(make: Make) -> None:
    world = make("a")
    world.start("a")
    world.run("a").ended(3)
    world.clock.go()
    world.run("a").started()
    world.run("a").ended(4)
    world.pod.stop(None)
    assert world.finished == ["Failed"]
    state = world.state("a")
    assert state["state"]["terminated"]["exitCode"] == 4
    assert state["restarts"] == 1
    world.clock.go(100)
    assert len(world.runs) == 2


def test_stop_in_the_moment_before_the_first_restart(make: Make) -> None:
    world = make("a")
    world.start("a")
    world.run("a").ended(0)
    world.pod.stop(None)
    world.clock.go(10)
    assert len(world.runs) == 1
    assert world.finished == ["Succeeded"]
    assert world.state("a")["restarts"] == 0


def test_a_container_that_is_being_started_is_stopped_when_it_runs(make: Make) -> None:
    world = make("a")
    world.begin()
    world.pod.stop(None)
    assert world.finished == []
    world.run("a").started()
    assert world.run("a").signals[-1] == signal.SIGTERM
    assert ("Running", True) not in world.phases()
    world.run("a").ended(0)
    assert world.finished == ["Succeeded"]


def test_nothing_is_told_after_the_end(make: Make) -> None:
    world = make("a", policy="Never")
    world.start("a")
    world.run("a").ended(0)
    world.pod.stop(None)
    world.clock.go(100)
    assert world.finished == ["Succeeded"]
    assert world.phases()[-1] == ("Succeeded", False)


def test_the_wait_is_over_when_all_have_ended(make: Make) -> None:
    world = make("a", "b")
    world.start("a", "b")
    world.pod.stop(None)
    world.run("a").ended(0)
    world.run("b").ended(1)
    world.clock.go(100)
    assert signal.SIGKILL not in world.run("a").signals + world.run("b").signals


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("SIGTERM", signal.SIGTERM),
        ("TERM", signal.SIGTERM),
        ("SIGQUIT", signal.SIGQUIT),
        ("3", signal.SIGQUIT),
        ("SIGWINCH", signal.SIGWINCH),
        ("SIGRTMIN+3", signal.SIGRTMIN + 3),
        ("RTMIN+3", signal.SIGRTMIN + 3),
        ("SIGRTMIN+99", signal.SIGTERM),
        ("0", signal.SIGTERM),
        ("999", signal.SIGTERM),
        ("SIGNONSENSE", signal.SIGTERM),
        ("", signal.SIGTERM),
        ("SIG_DFL", signal.SIGTERM),
        ("_DFL", signal.SIGTERM),
        ("9" * 5000, signal.SIGTERM),
    ],
)
def test_stop_signals(name: str, number: int) -> None:
    assert stop_signal(name) == number


def test_a_pod_that_is_stopped_before_it_has_begun_never_does(make: Make) -> None:
    """As while the files of its claims are given to its group."""
    world = make("a", inits=("i",))
    world.pod.announce()
    assert [each["name"] for each in world.events] == ["i", "a"]
    world.pod.stop(None)
    assert world.finished == ["Failed"]
    world.pod.begin()
    assert world.names() == []
