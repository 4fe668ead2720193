"""A container that is added to a pod that runs: what the pod makes of it, and what becomes of its disk."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from tests.unit.agent.world import Make, StandInRun, World
from tests.unit.documents import boot_container
from vmpod_agent import attached, debugger, syscalls
from vmpod_agent.container import StartError
from vmpod_agent.debugger import Debugger

DISK: Any = {"target": 130, "serial": "debug-1", "read_only": True, "block": False}


class Watcher:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def began(self) -> None:
        self.told.append("began")

    def failed(self, code: int, message: str) -> None:
        self.told.append((code, message))

    def over(self) -> None:
        self.told.append("over")


class Bench:
    """A pod with a container a, and what is done with disks."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world = world
        self.disks: list[str] = []
        self.entered: list[Any] = []
        self.watcher = Watcher()

        def run(spec: Any, attempt: int, _volumes: Any, _services: Any, enter: Any) -> StandInRun:
            self.entered.append(enter)
            return StandInRun(world, spec, attempt)

        def mount(source: str, target: str, _kind: str, *, flags: int) -> Bench:
            self.disks.append(f"mount {source} on {target.rpartition('/')[2]} {flags & 1}")
            return self

        monkeypatch.setattr(debugger, "Run", run)
        monkeypatch.setattr(debugger, "Mount", mount)
        monkeypatch.setattr(attached, "find", lambda target, serial: f"/dev/{serial}-{target}")
        monkeypatch.setattr(attached, "forget", lambda device: self.disks.append(f"forget {device}"))
        monkeypatch.setattr(syscalls, "unmount", lambda _path: self.disks.append("unmount"))

    def execute(self) -> None:
        """See Mount."""

    def add(self, name: str = "look", target: str = "") -> Debugger:
        pod = self.world.pod
        spec: Any = boot_container(name=name)
        found = Debugger(pod, spec, DISK, pod.find(target) if target else None)
        pod.add(found)
        found.watcher = self.watcher
        return found


@pytest.fixture
def bench(make: Make, monkeypatch: pytest.MonkeyPatch) -> Bench:
    world = make("a")
    found = Bench(world, monkeypatch)
    world.start("a")
    return found


def test_it_has_its_image_while_it_runs_and_is_never_started_again(bench: Bench) -> None:
    """Whatever the pod's policy, and however it ends."""
    added = bench.add()
    assert bench.disks == ["mount /dev/debug-1-130 on 10130 1"]
    assert added.spec["image"] == 10130
    bench.world.run("look").started()
    assert bench.watcher.told == ["began"]
    before = bench.world.phases()
    bench.world.run("look").ended(3)
    bench.world.clock.go(1000)
    assert bench.world.names().count("look") == 1
    assert bench.world.run("look").removed
    assert bench.disks[1:] == ["unmount", "forget /dev/debug-1-130"]
    # Who watches hears of it when all of that is done.
    assert bench.watcher.told == ["began", "over"]
    assert bench.world.state("look")["state"]["terminated"]["exitCode"] == 3
    assert bench.world.phases() == before, "the pod is as it was"
    assert bench.world.pod.find("look") is added
    assert [each["name"] for each in bench.world.pod.status()[:-1]] == ["a", "look"]  # type: ignore[typeddict-item]


def test_one_that_cannot_be_started(bench: Bench) -> None:
    added = bench.add()
    added._start_failed(StartError("not there", 127))
    assert bench.watcher.told == [(127, "not there")]
    assert bench.disks[-1] == "forget /dev/debug-1-130"
    assert not added.busy


def test_the_pod_does_not_wait_for_it(bench: Bench) -> None:
    bench.add()
    bench.world.run("look").started()
    bench.world.pod.stop(30)
    bench.world.run("a").ended(0)
    assert bench.world.finished == []
    assert bench.world.run("look").signals == [signal.SIGTERM]
    bench.world.clock.go(2)
    assert bench.world.run("look").signals == [signal.SIGTERM, signal.SIGKILL]
    bench.world.run("look").ended(137, 9)
    assert bench.world.finished == ["Succeeded"]


def test_whose_processes_it_sees(bench: Bench) -> None:
    bench.world.run("a").pid = 1  # type: ignore[attr-defined]
    bench.add("alone")
    bench.add("beside", target="a")
    assert [enter is None for enter in bench.entered] == [True, False]
