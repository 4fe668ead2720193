"""The pod controller: sidecars, hooks, probes, restart rules, deadlines, last words."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.agent.world import Make, World
from vmpod_agent import actions, pod
from vmpod_agent.member import stop_signal

ACTION: dict[str, Any] = {
    "kind": "exec",
    "argv": ["true"],
    "scheme": "",
    "host": "",
    "port": 0,
    "path": "",
    "headers": [],
    "service": "",
    "seconds": 0,
}


def hook(name: str) -> dict[str, Any]:
    return ACTION | {"argv": [name]}


def probe(name: str, **fields: Any) -> dict[str, Any]:
    numbers = {"delay": 0, "timeout": 1, "period": 10, "successes": 1, "failures": 3, "grace": -1}
    return {"action": hook(name)} | numbers | fields


def probes(**kinds: Any) -> dict[str, Any]:
    return {"startup": None, "readiness": None, "liveness": None} | kinds


def hooks(**kinds: Any) -> dict[str, Any]:
    return {"post_start": None, "pre_stop": None} | kinds


class Attempts:
    """Actions that end when the test says so, by the name of their command."""

    def __init__(self) -> None:
        self.open: dict[str, Callable[[bool, str], None]] = {}
        self.count: dict[str, int] = {}
        self.cancelled: list[str] = []

    def begin(
        self,
        action: Any,
        _run: Any,
        _services: Any,
        _seconds: Any,
        done: Callable[[bool, str], None],
        *,
        hook: bool,
    ) -> Any:
        name = action["argv"][0]
        self.open[name] = done
        self.count[name] = self.count.get(name, 0) + 1

        class Attempt:
            def cancel(_self) -> None:  # noqa: N805
                self.open.pop(name, None)
                self.cancelled.append(name)

        return Attempt()

    def end(self, name: str, *, well: bool = True, said: str = "") -> None:
        self.open.pop(name)(well, said)


@pytest.fixture
def attempts(monkeypatch: pytest.MonkeyPatch) -> Attempts:
    found = Attempts()
    monkeypatch.setattr(actions, "begin", found.begin)
    return found


def notes(world: World) -> list[tuple[str, str]]:
    return [(each["reason"], each["message"]) for each in world.events if each["kind"] == "note"]


def shown(world: World, name: str) -> tuple[bool, bool]:
    """Whether a container is told to have started, and to be ready."""
    found = [each for each in world.events if each.get("name") == name and each["kind"] == "container"][-1]
    return found["started"], found["ready"]


SIDECAR = {"restart": {"policy": "Always", "rules": []}}

# Sidecars.


def test_what_comes_after_a_sidecar_starts_once_it_has_started(make: Make, attempts: Attempts) -> None:
    world = make("a", inits=("s", "i"), s=SIDECAR | {"probes": probes(startup=probe("up"))})
    world.start("s")
    assert world.names() == ["s"]
    attempts.end("up")
    assert world.names() == ["s", "i"]
    world.run("i").ended(0)
    world.run("a").started()
    assert world.phases() == [("Running", True)]


def test_sidecars_end_last_and_in_reverse_order(make: Make) -> None:
    world = make("a", "b", inits=("s", "t"), s=SIDECAR, t=SIDECAR)
    world.start("s", "t", "a", "b")
    world.pod.stop(None)
    assert [world.run(name).signals for name in "abst"] == [[15], [15], [], []]
    world.run("a").ended(0)
    world.run("b").ended(0)
    assert [world.run(name).signals for name in "st"] == [[], [15]]
    world.run("t").ended(0)
    assert world.run("s").signals == [15]
    assert world.finished == []
    world.run("s").ended(143, 15)
    assert world.finished == ["Succeeded"]


def test_when_the_containers_are_done_the_sidecars_are_ended(make: Make) -> None:
    world = make("a", inits=("s",), s=SIDECAR, policy="Never")
    world.start("s", "a")
    world.run("a").ended(3)
    assert world.run("s").signals == [15]
    world.run("s").ended(0)
    assert world.finished == ["Failed"]


def test_a_sidecar_that_is_not_heard_is_killed_after_a_last_signal(make: Make) -> None:
    world = make("a", inits=("s",), s=SIDECAR, grace=5)
    world.start("s", "a")
    world.pod.stop(None)
    world.clock.go(5)
    assert world.run("s").signals == [15]
    assert world.run("a").signals == [15, 9]
    world.clock.go(2)
    assert world.run("s").signals == [15, 9]


@pytest.mark.parametrize("code", [0, 1])
def test_a_sidecar_starts_again_whatever_the_pods_policy(code: int, make: Make) -> None:
    world = make("a", inits=("s",), s=SIDECAR, policy="Never")
    world.start("s", "a")
    assert world.phases()[-1] == ("Running", True)
    world.run("s").ended(code)
    assert world.phases()[-1] == ("Running", False)
    world.clock.go()
    world.run("s").started()
    assert world.phases()[-1] == ("Running", True)
    assert world.names() == ["s", "a", "s"]


# Hooks.


def test_the_next_container_waits_for_the_post_start_hook(make: Make, attempts: Attempts) -> None:
    world = make("a", "b", a={"hooks": hooks(post_start=hook("post"))})
    world.start("a")
    assert world.names() == ["a"]
    assert "waiting" in world.state("a")["state"]
    attempts.end("post")
    assert "running" in world.state("a")["state"]
    assert world.names() == ["a", "b"]


def test_a_post_start_hook_that_fails_ends_its_container(make: Make, attempts: Attempts) -> None:
    world = make("a", "b", a={"hooks": hooks(post_start=hook("post"))}, policy="Never")
    world.start("a")
    attempts.end("post", well=False, said="no way")
    assert notes(world) == [("FailedPostStartHook", "PostStartHook failed: no way")]
    assert world.run("a").signals == [15]
    assert shown(world, "a") == (False, False)
    assert world.names() == ["a", "b"]


def test_a_container_that_ends_during_its_hook_holds_nobody_up(make: Make, attempts: Attempts) -> None:
    world = make("a", "b", a={"hooks": hooks(post_start=hook("post"))}, policy="Never")
    world.start("a")
    world.run("a").ended(1)
    assert attempts.cancelled == ["post"]
    assert world.names() == ["a", "b"]


def test_the_signal_comes_after_the_pre_stop_hook(make: Make, attempts: Attempts) -> None:
    world = make("a", a={"hooks": hooks(pre_stop=hook("pre"))})
    world.start("a")
    world.pod.stop(None)
    assert world.run("a").signals == []
    attempts.end("pre", well=False, said="oh")
    assert world.run("a").signals == [15]
    assert notes(world) == [("FailedPreStopHook", "PreStopHook failed: oh")]


def test_a_pre_stop_hook_cannot_take_longer_than_the_grace_period(make: Make, attempts: Attempts) -> None:
    world = make("a", a={"hooks": hooks(pre_stop=hook("pre"))}, grace=3)
    world.start("a")
    world.pod.stop(None)
    world.clock.go(3)
    assert attempts.cancelled == ["pre"]
    assert world.run("a").signals == [15]
    world.clock.go(2)
    assert world.run("a").signals == [15, 9]


def test_without_any_time_there_is_no_hook(make: Make, attempts: Attempts) -> None:
    world = make("a", a={"hooks": hooks(pre_stop=hook("pre"))})
    world.start("a")
    world.pod.stop(0)
    world.clock.go()
    assert attempts.count == {}
    assert world.run("a").signals[-1] == signal.SIGKILL


# Probes.


def test_readiness_comes_and_goes(make: Make, attempts: Attempts) -> None:
    world = make("a", a={"probes": probes(readiness=probe("r", failures=2))})
    world.start("a")
    assert shown(world, "a") == (True, False)
    assert world.phases() == [("Running", False)]
    attempts.end("r")
    assert world.phases()[-1] == ("Running", True)
    for number in range(2):
        world.clock.go(10)
        assert world.phases()[-1] == ("Running", True), number
        attempts.end("r", well=False, said="busy")
    assert world.phases()[-1] == ("Running", False)
    # Once for as long as it says the same.
    assert notes(world) == [("Unhealthy", "Readiness probe failed: busy")]
    world.clock.go(10)
    attempts.end("r")
    assert shown(world, "a") == (True, True)


def test_successes_in_a_row_are_counted(make: Make, attempts: Attempts) -> None:
    world = make("a", a={"probes": probes(readiness=probe("r", successes=2))})
    world.start("a")
    for well, ready in ((True, False), (False, False), (True, False), (True, True)):
        attempts.end("r", well=well)
        assert world.phases()[-1] == ("Running", ready)
        world.clock.go(10)


def test_a_liveness_probe_that_fails_starts_the_container_again(make: Make, attempts: Attempts) -> None:
    world = make("a", a={"probes": probes(liveness=probe("l", delay=7, grace=4))}, policy="Always")
    world.start("a")
    assert attempts.count == {}
    world.clock.go(7)
    for _ in range(3):
        attempts.end("l", well=False)
        world.clock.go(10)
    run = world.run("a")
    assert attempts.count == {"l": 3}, "nobody asks a container that is told to end"
    assert run.signals[:1] == [15]
    assert run.signals[-1] == signal.SIGKILL
    run.ended(137, 9)
    world.clock.go()
    assert world.names() == ["a", "a"]
    assert notes(world)[-1] == ("Killing", "Container a failed liveness probe, will be restarted")


def test_nothing_else_is_asked_before_the_startup_probe_succeeds(make: Make, attempts: Attempts) -> None:
    world = make("a", a={"probes": probes(startup=probe("s"), readiness=probe("r"), liveness=probe("l"))})
    world.start("a")
    attempts.end("s", well=False)
    assert shown(world, "a") == (False, False)
    world.clock.go(10)
    attempts.end("s")
    assert shown(world, "a") == (True, False)
    world.clock.go()
    assert attempts.count == {"s": 2, "r": 1, "l": 1}


def test_a_startup_probe_that_fails_for_good_ends_the_container(make: Make, attempts: Attempts) -> None:
    world = make("a", a={"probes": probes(startup=probe("s", failures=1))}, policy="Never")
    world.start("a")
    attempts.end("s", well=False, said="cold")
    assert world.run("a").signals == [15]
    world.run("a").ended(143, 15)
    assert world.finished == ["Failed"]


def test_an_answer_that_takes_long_delays_the_next_question(make: Make, attempts: Attempts) -> None:
    world = make("a", a={"probes": probes(liveness=probe("l", period=1))})
    world.start("a")
    world.clock.go(5)
    assert attempts.count == {"l": 1}
    attempts.end("l")
    world.clock.go()
    assert attempts.count == {"l": 2}


# Restart rules, deadlines, last words.


@pytest.mark.parametrize(
    ("within", "code", "again"), [(True, 42, True), (True, 1, False), (False, 42, False), (False, 1, True)]
)
def test_restart_rules_go_before_the_policy(within: bool, code: int, again: bool, make: Make) -> None:
    rules = [{"all": False, "within": within, "codes": [42, 43]}]
    world = make("a", a={"restart": {"policy": "Never", "rules": rules}}, policy="Never")
    world.start("a")
    world.run("a").ended(code)
    world.clock.go()
    assert (len(world.runs) == 2) is again


def test_a_containers_own_policy_goes_before_the_pods(make: Make) -> None:
    own = {"restart": {"policy": "OnFailure", "rules": []}}
    world = make("a", "b", a=own, policy="Never")
    world.start("a", "b")
    world.run("a").ended(1)
    world.run("b").ended(1)
    world.clock.go()
    assert world.names() == ["a", "b", "a"]


def test_a_rule_may_start_everything_again(make: Make) -> None:
    rules = [{"all": True, "within": True, "codes": [88]}]
    world = make("a", "b", inits=("i",), a={"restart": {"policy": "Never", "rules": rules}}, policy="Never")
    world.start("i")
    world.run("i").ended(0)
    world.run("a").started()
    world.run("b").started()
    world.run("a").ended(88)
    world.clock.go()
    assert world.run("b").signals[-1] == signal.SIGKILL
    world.run("b").ended(137, 9)
    world.clock.go()
    assert world.names() == ["i", "a", "b", "i"]
    world.run("i").ended(0)
    assert world.names() == ["i", "a", "b", "i", "a", "b"]
    assert world.state("a")["restarts"] == 1


def test_a_deadline_ends_the_pod(make: Make) -> None:
    world = make("a", deadline=100, grace=5)
    world.start("a")
    world.clock.go(100)
    assert world.run("a").signals == [15]
    world.run("a").ended(0)
    assert world.finished == ["Failed"]
    assert world.events[-1]["reason"] == "DeadlineExceeded"


def test_a_pod_that_is_done_has_no_deadline(make: Make) -> None:
    world = make("a", deadline=100, policy="Never")
    world.start("a")
    world.run("a").ended(0)
    world.clock.go(100)
    assert world.finished == ["Succeeded"]
    assert "reason" not in world.events[-1]


def test_last_words_are_the_message_of_the_end(make: Make) -> None:
    world = make("a", policy="Never")
    world.words["a"] = "because"
    world.start("a")
    world.run("a").ended(1)
    assert world.state("a")["state"]["terminated"]["message"] == "because"


@pytest.mark.parametrize(
    ("name", "number"), [("SIGRTMAX-2", 62), ("SIGRTMIN+3", 37), ("SIGUSR1", 10), ("SIGNONSENSE-1", 15)]
)
def test_stop_signals(name: str, number: int) -> None:
    assert stop_signal(name) == number


def test_the_controller_knows_nothing_of_processes() -> None:
    assert not hasattr(pod, "os")
