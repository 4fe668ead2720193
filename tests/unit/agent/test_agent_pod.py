"""The pod controller, with containers that start and end when the test says so, and time that it sets."""

from __future__ import annotations

import heapq
import itertools
import signal
from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.documents import boot_container, boot_document
from vmpod.wire.boot import check
from vmpod_agent import backoff, pod
from vmpod_agent.backoff import Backoff
from vmpod_agent.container import StartError
from vmpod_agent.loop import Timer
from vmpod_agent.pod import PodController, _signal_number


class Clock:
    """Time that stands still until it is told to go, and the part of a loop that calls later."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()

    def monotonic(self) -> float:
        return self.now

    def time_ns(self) -> int:
        return int(self.now * 1e9)

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        timer = Timer(callback)
        heapq.heappush(self._timers, (self.now + seconds, next(self._order), timer))
        return timer

    def go(self, seconds: float = 0.0) -> None:
        """Let that much time pass, and make the calls that are due."""
        end = self.now + seconds
        while self._timers and self._timers[0][0] <= end:
            self.now, _, timer = heapq.heappop(self._timers)
            if timer.callback:
                timer.callback()
        self.now = end


class StandInRun:
    """A run that starts and ends when the test says so."""

    def __init__(self, world: World, spec: Any, attempt: int) -> None:
        self.world = world
        self.name = spec["name"]
        self.attempt = attempt
        self.signals: list[int] = []
        self.removed = False
        self.running = False

    def start(
        self,
        started: Callable[[], None],
        ended: Callable[[int, int, bool], None],
        failed: Callable[[StartError], None],
    ) -> None:
        self._started, self._ended, self._failed = started, ended, failed
        self.world.runs.append(self)
        if self.name in self.world.unstartable:
            failed(StartError(f"{self.name} cannot be started", 127))

    def started(self) -> None:
        self.running = True
        self._started()

    def ended(self, code: int = 0, number: int = 0, *, oom: bool = False) -> None:
        self._ended(code, number, oom)

    def signal(self, number: int) -> None:
        self.signals.append(number)

    def remove(self) -> None:
        self.removed = True


class World:
    """A controller, its containers, its clock, and what it has told."""

    def __init__(self, document: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = Clock()
        self.loop = self.clock
        self.runs: list[StandInRun] = []
        self.unstartable: set[str] = set()
        self.events: list[Any] = []
        self.finished: list[str] = []
        monkeypatch.setattr(pod, "time", self.clock)
        monkeypatch.setattr(backoff, "time", self.clock)
        monkeypatch.setattr(
            pod, "Run", lambda spec, attempt, _volumes, _services: StandInRun(self, spec, attempt)
        )
        services: Any = self
        self.pod = PodController(check(document), services, self.events.append, self.finished.append)

    def run(self, name: str) -> StandInRun:
        """The present run of a container."""
        return [each for each in self.runs if each.name == name][-1]

    def names(self) -> list[str]:
        return [each.name for each in self.runs]

    def start(self, *names: str) -> None:
        self.pod.start()
        for name in names:
            self.run(name).started()

    def state(self, name: str) -> Any:
        """What was told last of a container."""
        return [each for each in self.events if each.get("name") == name][-1]

    def phases(self) -> list[tuple[str, bool]]:
        return [(each["phase"], each["ready"]) for each in self.events if each["kind"] == "pod"]


Make = Callable[..., World]


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Make:
    def made(*names: str, inits: tuple[str, ...] = (), policy: str = "Always", **fields: Any) -> World:
        document = boot_document(
            *(boot_container(name=name) for name in names),
            init_containers=[boot_container(name=name) for name in inits],
            restart_policy=policy,
            **fields,
        )
        return World(document, monkeypatch)

    return made


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
    world.pod.start()
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
    world.pod.start()
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
    world.pod.start()
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
    assert _signal_number(name) == number
