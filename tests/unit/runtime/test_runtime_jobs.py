"""Attending to a Job, with pods that are files and machines that are this process."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.unit.spec.manifests import config_map, container, read
from tests.unit.spec.test_spec_jobs import job as document
from tests.unit.spec.test_spec_jobs import read_job
from tests.unit.state.jobs import UID, job_record, pod_record
from tests.unit.state.records import agent, ended, keep, one, whole
from vmpod.errors import ConflictError, HostError, ImageError, VmpodError
from vmpod.process import Process
from vmpod.progress import SILENT
from vmpod.runtime.context import Runtime
from vmpod.runtime.documents import config_maps
from vmpod.runtime.jobs import attend, background, make
from vmpod.runtime.jobs.apply import Given, apply
from vmpod.runtime.jobs.attend import Attending
from vmpod.runtime.jobs.leftovers import prune_jobs, unfinished
from vmpod.runtime.jobs.observe import observe, pods_of, state_of
from vmpod.runtime.leftovers import Leftovers
from vmpod.runtime.start import Options
from vmpod.spec.jobmodel import Job
from vmpod.spec.jobpods import job_pod
from vmpod.spec.model import Manifest, Pod
from vmpod.state.jobs import JobEntry
from vmpod.state.store import PodEntry

GONE = Process(1, 1)


class Host:
    """Starts pods that are records, and ends them."""

    def __init__(self, runtime: Runtime, job: Job) -> None:
        self.runtime, self.job = runtime, job
        self.entry: JobEntry = runtime.jobs.save(job_record(job))
        self.started: list[str] = []
        self.asked: list[str] = []
        self.fail: Callable[[int], VmpodError | None] = lambda _count: None

    def start_pod(self, _runtime: Runtime, pod: Pod, manifest: Manifest, *_: Any) -> PodEntry:
        """In place of the real one."""
        if error := self.fail(len(self.started)):
            raise error
        assert manifest.pods == (pod,)
        self.started.append(pod.name)
        index = pod.annotations.get("batch.kubernetes.io/job-completion-index")
        kept = pod_record(self.job, pod.name, int(index) if index else None)
        return keep(self.runtime.pods, kept, agent(), one("c", {"running": {}}), whole("Running"))

    def end(self, name: str, code: int = 0) -> None:
        """A pod's end, by its container's exit code."""
        entry = self.runtime.pods.find(f"shop/{name}")
        phase = "Failed" if code else "Succeeded"
        keep(
            self.runtime.pods, replace(entry.record, qemu=GONE), agent(), one("c", ended(code)), whole(phase)
        )

    def attending(self, watcher: attend.Watcher | None = None) -> Attending:
        return Attending(self.runtime, self.entry, self.job, Manifest(()), watcher=watcher)


class Looking:
    """A watcher that does something at each look, in order, and then interrupts."""

    def __init__(self, *actions: Callable[[], None]) -> None:
        self._actions = list(actions)
        self.told: list[str] = []

    def started(self, entry: PodEntry) -> None:
        self.told.append(entry.record.name)

    def look(self) -> bool:
        if not self._actions:
            raise KeyboardInterrupt
        self._actions.pop(0)()
        return False

    def said(self, kind: str, reason: str, message: str) -> None:
        self.told.append(f"{kind} {reason}")
        assert message


@pytest.fixture
def host(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Host]:
    def make_host(**spec: Any) -> Host:
        found = Host(runtime, read_job(**spec))
        monkeypatch.setattr(attend, "start_pod", found.start_pod)
        monkeypatch.setattr(
            attend, "request_stop", lambda _runtime, entry, _grace: found.asked.append(entry.record.name)
        )
        return found

    monkeypatch.setattr(attend, "_LOOK", 0.0)
    return make_host


def nothing() -> None:
    """For a look without a deed."""


def test_what_pods_write_does_not_wait_for_the_next_start(host: Callable[..., Host]) -> None:
    world = host(completions=2, parallelism=2)
    seen: list[int] = []
    interrupted(world, lambda: seen.append(len(world.started)))
    assert seen == [1]


def test_to_the_end(host: Callable[..., Host]) -> None:
    world = host(completions=2)
    looking = Looking(
        lambda: world.end(world.started[0]), lambda: world.end(world.started[1]), nothing, nothing
    )
    attending = world.attending(looking)
    assert attending.run()
    first, second = world.started
    assert looking.told == [
        first,
        "Normal SuccessfulCreate",
        "Normal PodSucceeded",
        second,
        "Normal SuccessfulCreate",
        "Normal PodSucceeded",
        "Normal Completed",
    ]
    assert world.runtime.jobs.course(world.entry) == attending.course
    assert attending.course.end
    assert [each.reason for each in world.runtime.jobs.events(world.entry)][-1] == "Completed"
    # Nobody has anything to do any more.
    assert world.attending().run()
    assert len(world.started) == 2


def interrupted(world: Host, *actions: Callable[[], None]) -> Attending:
    """Somebody who attends, and is ended after these looks."""
    attending = world.attending(Looking(*actions))
    with pytest.raises(KeyboardInterrupt):
        attending.run()
    return attending


def test_the_next_one_goes_on(host: Callable[..., Host]) -> None:
    world = host(completions=2, parallelism=2, completionMode="Indexed")
    interrupted(world, nothing)
    (first, second) = world.started
    assert state_of(world.runtime, world.entry).unattended
    world.end(first)
    assert len(state_of(world.runtime, world.entry).course.of("succeeded")) == 1, "counted by who looks"
    assert world.runtime.jobs.course(world.entry).of("succeeded") == [], "and not written by it"
    attending = interrupted(world, nothing)
    assert attending.course.succeeded_indexes == {0}
    world.end(second)
    assert world.attending().run()
    assert world.started == [first, second]


def test_a_pod_that_was_not_written_down(host: Callable[..., Host]) -> None:
    """Who started it was killed before it could; and one whose start was cut off goes."""
    world = host(completions=1)
    keep(world.runtime.pods, pod_record(world.job, "sum-bbbbb", qemu=None))
    kept = pod_record(world.job, "sum-ccccc")
    keep(world.runtime.pods, kept, agent(), one("c", {"running": {}}), whole("Running"))
    attending = interrupted(world, nothing)
    assert [each.name for each in attending.course.attempts] == ["sum-ccccc"]
    assert world.runtime.pods.lookup("shop_sum-bbbbb") is None
    assert world.started == []


def test_copies_and_pods_of_others_are_not_its_own(host: Callable[..., Host]) -> None:
    world = host()
    kept = pod_record(world.job, "sum-ccccc")
    keep(world.runtime.pods, kept)
    metadata = dict(kept.document["metadata"])
    copy = {"metadata": metadata | {"annotations": {}}, "spec": {}}
    keep(world.runtime.pods, replace(kept, name="copy", document=copy))
    other = {"metadata": metadata | {"labels": {}}, "spec": {}}
    keep(world.runtime.pods, replace(kept, name="other", document=other))
    keep(world.runtime.pods, replace(kept, name="elsewhere", namespace="home"))
    assert [entry.record.name for entry in pods_of(world.runtime, world.entry.record)] == ["sum-ccccc"]


def test_halted_and_killed(host: Callable[..., Host], monkeypatch: pytest.MonkeyPatch) -> None:
    world = host(completions=2, parallelism=2)
    attending = interrupted(world, nothing)
    first, second = world.started
    attending.halt()
    watcher = Looking(lambda: world.end(first, code=143), nothing)
    monkeypatch.setattr(attending, "_watcher", watcher)
    with pytest.raises(KeyboardInterrupt):
        attending.run()
    assert sorted(world.asked) == sorted([first, second]), "each once"
    killed: list[str] = []
    monkeypatch.setattr(attend, "kill", lambda _, entry: killed.append(entry.record.name))
    attending.kill()
    assert killed == [second]
    world.end(second, code=137)
    monkeypatch.setattr(attending, "_watcher", attend.Nobody())
    assert attending.run()
    assert [each.outcome for each in attending.course.attempts] == ["stopped", "stopped"]
    assert attending.course.end is None


def test_interrupted_at_a_start(host: Callable[..., Host], monkeypatch: pytest.MonkeyPatch) -> None:
    """The pod is there, and nobody has noted it yet."""
    world = host()

    def start_pod(*arguments: Any) -> PodEntry:
        world.start_pod(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(attend, "start_pod", start_pod)
    attending = world.attending()
    with pytest.raises(KeyboardInterrupt):
        attending.run()
    attending.halt()
    monkeypatch.setattr(
        attending, "_watcher", Looking(lambda: world.end(world.started[0], code=143), nothing)
    )
    assert attending.run()
    assert world.asked == world.started
    assert [each.outcome for each in attending.course.attempts] == ["stopped"]


def test_one_that_was_told_to_stop_and_not_asked(host: Callable[..., Host]) -> None:
    """Who wrote that it is to stop was killed before it asked."""
    world = host(completions=2)
    attending = interrupted(world)
    world.runtime.jobs.save_course(world.entry, attending.course.told_to_stop(world.started))
    interrupted(world, nothing)
    assert world.asked == world.started


def test_the_first_start_that_fails_is_an_error_and_later_ones_are_tried_again(
    host: Callable[..., Host], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = host(completions=3, parallelism=3)
    world.fail = lambda _: ImageError("no such image")
    with pytest.raises(ImageError):
        world.attending().run()
    world.fail = lambda count: HostError("too little memory") if count == 1 else None
    now = [time.time()]
    monkeypatch.setattr("vmpod.runtime.jobs.attend.time.time", lambda: now[0])
    looking = Looking(nothing, nothing, nothing)
    attending = world.attending(looking)
    with pytest.raises(KeyboardInterrupt):
        attending.run()
    assert looking.told.count("Warning FailedCreate") == 1, "not at once"
    world.fail = lambda _: None
    now[0] += 10
    monkeypatch.setattr(attending, "_watcher", Looking(nothing, nothing))
    with pytest.raises(KeyboardInterrupt):
        attending.run()
    assert len(world.started) == 3


def test_seen(host: Callable[..., Host]) -> None:
    world = host(completionMode="Indexed", completions=9)
    world.start_pod(world.runtime, job_pod(world.job, UID, "sum-7-aaaaa", 7), _manifest_of(world))
    (found,) = observe(world.runtime, pods_of(world.runtime, world.entry.record))
    assert (found.name, found.index, found.finished, found.succeeded) == ("sum-7-aaaaa", 7, None, False)
    world.end("sum-7-aaaaa", code=3)
    (found,) = observe(world.runtime, pods_of(world.runtime, world.entry.record))
    assert (found.codes, found.succeeded) == ((("c", 3),), False)
    assert found.finished is not None
    assert ("DisruptionTarget", "True") not in found.conditions
    entry = world.runtime.pods.find("shop/sum-7-aaaaa")
    keep(world.runtime.pods, entry.record, agent(), one("c", {"running": {}}), whole("Running"))
    (found,) = observe(world.runtime, pods_of(world.runtime, world.entry.record))
    assert ("DisruptionTarget", "True") in found.conditions, "its machine died"


def _manifest_of(world: Host) -> Manifest:
    pod = job_pod(world.job, UID, "sum-7-aaaaa", 7)
    return Manifest((pod,))


def test_what_prune_leaves_alone_and_what_goes(host: Callable[..., Host]) -> None:
    world = host(completions=2, ttlSecondsAfterFinished=5)
    interrupted(world, lambda: world.end(world.started[0]))
    runtime = world.runtime
    world.end(world.started[1])
    notes: list[str] = []

    def prune() -> list[str]:
        return [each.kind for each in Leftovers(runtime, ended=True, dry_run=False, notes=notes).prune()]

    assert unfinished(runtime) == {UID}
    assert prune() == [], "how its pods ended is yet to be counted"
    attending = world.attending()
    assert attending.run()
    assert unfinished(runtime) == frozenset()
    assert list(prune_jobs(runtime, dry_run=False)) == [], "its time is not over"
    assert make.expire(runtime) == []
    course = attending.course
    past = tuple(replace(each, since=each.since - 10) for each in course.conditions)
    runtime.jobs.save_course(world.entry, replace(course, conditions=past))
    runtime.jobs.directory("half").mkdir()
    (stale := runtime.paths.runtime / "jobs" / "killed").parent.mkdir(exist_ok=True)
    stale.touch()
    assert [each.kind for each in prune_jobs(runtime, dry_run=True)] == ["lock", "job", "leftover"]
    assert [each.kind for each in prune_jobs(runtime, dry_run=False)] == ["lock", "job", "leftover"]
    assert (runtime.jobs.keys(), runtime.pods.keys(), stale.exists()) == ([], [], False)


def test_what_can_be_changed_while_it_is_under_way(runtime: Runtime) -> None:
    entry = runtime.jobs.save(job_record())
    assert make.changeable(entry, read_job(parallelism=3, suspend=True, backoffLimit=1))
    assert not make.changeable(entry, read_job(completions=3))
    assert make.differences(entry, read_job(), Manifest(())) == []
    lines = make.differences(entry, read_job(parallelism=3), Manifest(()))
    assert "+  parallelism: 3" in lines


def test_an_immutable_config_map_does_not_change_under_way(runtime: Runtime) -> None:
    using = {"containers": [container(envFrom=[{"configMapRef": {"name": "m"}}])]}
    metadata = {"name": "m", "namespace": "shop"}
    config = config_map(data={"k": "old"}, immutable=True) | {"metadata": metadata}
    had, now = (read(document(pod=using), each) for each in (config, config | {"data": {"k": "new"}}))
    runtime.jobs.save(job_record(had.jobs[0], config=config_maps(had, "shop")))
    given = Given(now.jobs[0], now, [], Options("tcg"))
    with pytest.raises(ConflictError, match=r"the ConfigMap m is immutable, .* the Job shop/sum: data.k"):
        apply(runtime, given, SILENT, lambda _lines: None)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", HostError),
        (b"nonsense", HostError),
        (b'{"error": {"code": "image", "message": "none", "hint": null}}', ImageError),
        (b'{"error": {"code": "unheard-of", "message": "none", "hint": "h"}}', VmpodError),
    ],
)
def test_what_the_process_in_the_background_says(
    runtime: Runtime, answer: bytes, error: type[VmpodError]
) -> None:
    entry = runtime.jobs.save(job_record())
    with pytest.raises(error):
        background._check(entry, answer)
    background._check(entry, b"{}\n")


def test_a_process_that_cannot_begin_says_why(
    runtime: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real one, whose Job is gone by then."""
    import json  # noqa: PLC0415

    monkeypatch.setenv("VMPOD_HOME", str(tmp_path / "home"))
    entry = runtime.jobs.save(job_record())
    with pytest.raises(HostError, match="the Job shop_sum is gone"):
        background.begin(entry, [(json.dumps(document()), "f.yaml")])
    assert (entry.directory / background.LOG).read_text() == ""
