"""Pods whose command was killed: what is done with them, and above all with which."""

from __future__ import annotations

import dataclasses
import subprocess
from typing import Any

import pytest

from tests.unit.runtime.machines import process_of
from tests.unit.state.records import RUNNING, agent, ended, keep, one, record, whole
from vmpod.process import Process
from vmpod.runtime import watched
from vmpod.runtime.context import Runtime
from vmpod.runtime.leftovers import Leftovers
from vmpod.runtime.watched import Watch, abandoned, sweep
from vmpod.state.store import PodEntry

RUNS = [agent(), one("a", RUNNING), whole("Running", ready=True)]
OVER = [agent(), one("a", ended(0)), whole("Succeeded")]


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands for a QEMU has no agent that could turn it off."""
    monkeypatch.setattr("vmpod.runtime.remove.patience", lambda _entry, _grace=None: 0.1)


def there(runtime: Runtime, *events: dict[str, Any], **fields: Any) -> PodEntry:
    return keep(runtime.pods, record(sockets=runtime.paths.runtime / "123456781234", **fields), *events)


def swept(runtime: Runtime) -> list[str]:
    said: list[str] = []
    sweep(runtime, said.append)
    return said


def test_a_detached_pod_is_never_touched(runtime: Runtime, machine: subprocess.Popen[bytes]) -> None:
    entry = there(runtime, *RUNS, qemu=process_of(machine))
    assert not abandoned(entry)
    assert swept(runtime) == []
    assert machine.poll() is None
    assert runtime.pods.lookup("web") == entry


def test_a_watched_pod_is_not_touched(runtime: Runtime, machine: subprocess.Popen[bytes]) -> None:
    entry = there(runtime, *RUNS, qemu=process_of(machine), unwatched="remove")
    watch = Watch("remove")
    watch.take(entry)
    assert not abandoned(entry)
    assert swept(runtime) == []
    assert machine.poll() is None
    watch.close()
    assert abandoned(entry)


def test_a_pod_that_another_command_is_at_is_left(runtime: Runtime, machine: subprocess.Popen[bytes]) -> None:
    there(runtime, *RUNS, qemu=process_of(machine), unwatched="remove")
    with runtime.pods.locked("web"):
        assert swept(runtime) == []
    assert machine.poll() is None


def test_an_abandoned_pod_is_stopped_and_kept(runtime: Runtime, machine: subprocess.Popen[bytes]) -> None:
    entry = there(runtime, *RUNS, qemu=process_of(machine), unwatched="stop")
    assert swept(runtime) == ["the pod web is stopped: the command that ran it was killed"]
    assert machine.wait(10)
    found = runtime.pods.lookup("web")
    assert found
    assert found.record == dataclasses.replace(entry.record, unwatched="live", stopped=True)
    assert swept(runtime) == []


def test_with_rm_it_is_removed(runtime: Runtime, machine: subprocess.Popen[bytes]) -> None:
    there(runtime, *RUNS, qemu=process_of(machine), unwatched="remove")
    assert len(swept(runtime)) == 2
    assert machine.wait(10)
    assert not runtime.pods.directory("web").exists()


def test_one_that_has_ended_by_itself_is_removed_with_rm_alone(runtime: Runtime) -> None:
    entry = there(runtime, *OVER, qemu=Process(1, 1), unwatched="stop")
    assert swept(runtime) == []
    assert list(Leftovers(runtime, ended=False, dry_run=False, notes=[]).prune()) == []
    assert runtime.pods.lookup("web") == entry
    there(runtime, *OVER, qemu=Process(1, 1), unwatched="remove")
    assert swept(runtime) == ["the pod web is removed: the command that ran it was killed"]
    assert not runtime.pods.lookup("web")


def test_a_start_that_was_cut_off_is_removed(runtime: Runtime) -> None:
    there(runtime, unwatched="stop")
    assert swept(runtime) == ["the pod web is removed: the command that was starting it was killed"]
    assert not runtime.pods.lookup("web")


def test_a_pod_that_cannot_be_ended_is_told_and_stops_nobody(
    runtime: Runtime, machine: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    there(runtime, *RUNS, qemu=process_of(machine), unwatched="stop")
    monkeypatch.setattr(Process, "end", lambda _self, **_more: False)
    (said,) = [text for text in swept(runtime) if "left as it is" in text]
    assert "cannot be killed" in said


def test_prune_removes_them_and_tells_first(runtime: Runtime, machine: subprocess.Popen[bytes]) -> None:
    there(runtime, *RUNS, qemu=process_of(machine), unwatched="stop")

    def pruned(*, dry_run: bool) -> list[str]:
        found = Leftovers(runtime, ended=False, dry_run=dry_run, notes=[]).prune()
        return [f"{each.kind} {each.name}".partition(" (")[0] for each in found]

    told = pruned(dry_run=True)
    assert told == ["machine web", "pod web"]
    assert machine.poll() is None
    assert pruned(dry_run=False) == told
    assert machine.wait(10)
    assert not runtime.pods.directory("web").exists()


def test_a_command_that_leaves_its_pods_running_holds_nothing(runtime: Runtime) -> None:
    entry = there(runtime)
    Watch("live").take(entry)
    assert not (entry.directory / watched.FILE).exists()
