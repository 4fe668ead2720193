"""A pod controller whose containers start and end when the test says so, in time that it sets."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from typing import Any

import pytest

from vmpod.wire.boot import check
from vmpod_agent import backoff, member, probes
from vmpod_agent.container import StartError
from vmpod_agent.loop import Timer
from vmpod_agent.pod import PodController


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

    def last_words(self, _code: int) -> str:
        return self.world.words.get(self.name, "")

    def remove(self) -> None:
        self.removed = True


class World:
    """A controller, its containers, its clock, and what it has told."""

    def __init__(self, document: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = Clock()
        self.loop = self.clock
        self.runs: list[StandInRun] = []
        self.unstartable: set[str] = set()
        self.words: dict[str, str] = {}
        self.events: list[Any] = []
        self.finished: list[str] = []
        monkeypatch.setattr(member, "time", self.clock)
        monkeypatch.setattr(probes, "time", self.clock)
        monkeypatch.setattr(backoff, "time", self.clock)
        monkeypatch.setattr(
            member, "Run", lambda spec, attempt, _volumes, _services: StandInRun(self, spec, attempt)
        )
        services: Any = self
        self.pod = PodController(check(document), services, self.events.append, self.finished.append)

    def run(self, name: str) -> StandInRun:
        """The present run of a container."""
        return [each for each in self.runs if each.name == name][-1]

    def names(self) -> list[str]:
        return [each.name for each in self.runs]

    def begin(self) -> None:
        """As the agent does, once it has what it needs."""
        self.pod.announce()
        self.pod.begin()

    def start(self, *names: str) -> None:
        self.begin()
        for name in names:
            self.run(name).started()
        self.clock.go()

    def state(self, name: str) -> Any:
        """What was told last of a container."""
        return [each for each in self.events if each.get("name") == name][-1]

    def phases(self) -> list[tuple[str, bool]]:
        return [(each["phase"], each["ready"]) for each in self.events if each["kind"] == "pod"]


Make = Callable[..., World]
