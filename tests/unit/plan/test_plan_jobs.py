"""What a Job's controller decides, step by step, and whatever comes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.spec.test_spec_jobs import read_job
from vmpod.plan.jobs.controller import Step, account, step
from vmpod.plan.jobs.course import Attempt, Course, Seen
from vmpod.spec.jobmodel import Job


@dataclass
class World:
    """Pods that start at once and end when they are told to, and a clock that stands still."""

    job: Job
    now: float = 1000.0
    course: Course = field(default_factory=Course)
    pods: dict[str, Seen] = field(default_factory=dict)
    count: int = 0

    def step(self) -> Step:
        """One step, with its effects."""
        done = step(self.job, self.course, list(self.pods.values()), self.now)
        self.course = done.course
        for name in done.stop:
            self.end(name, succeeded=False, code=143)
        return done

    def run(self) -> Step:
        """Steps until there is nothing to be done now. At every one the rules hold."""
        while True:
            done = self.step()
            for index in done.start:
                self.start(index)
            self.check()
            if not done.start and not done.stop:
                return done

    def start(self, index: int | None, *, written: bool = True) -> str:
        """Start a pod. written: whether the controller lives long enough to write it down."""
        self.count += 1
        name = f"pod-{self.count}"
        self.pods[name] = Seen(name, f"uid-{self.count}", index)
        if written:
            self.course = self.course.with_attempt(Attempt(name, f"uid-{self.count}", index))
        return name

    def end(self, name: str, *, succeeded: bool = True, code: int = 0, after: float = 0.0) -> None:
        self.now += after
        codes = () if succeeded else (("c", code or 1),)
        found = replace(self.pods[name], finished=self.now, succeeded=succeeded, codes=codes)
        self.pods[name] = found

    @property
    def active(self) -> list[Seen]:
        return [each for each in self.pods.values() if each.finished is None]

    def check(self) -> None:
        """What never is otherwise."""
        job, course = self.job, self.course
        assert len(self.active) <= job.parallelism
        running = [each.index for each in self.active if each.index is not None]
        assert len(running) == len(set(running)), "an index runs twice"
        done = course.of("succeeded")
        assert len({each.uid for each in course.attempts}) == len(course.attempts)
        if job.completions is not None:
            assert len(done) <= job.completions
        if job.indexed:
            assert len(done) == len(course.succeeded_indexes), "an index succeeded twice"
        if course.end:
            assert not self.active, "it is over, and a pod runs"


def end(world: World) -> tuple[str, str]:
    """Its last condition, and the reason."""
    assert world.course.end
    return world.course.end.kind, world.course.end.reason


def names(world: World) -> list[str]:
    return [each.name for each in world.active]


def test_completions_and_parallelism() -> None:
    world = World(read_job(completions=3, parallelism=2))
    assert world.run().again is None
    assert names(world) == ["pod-1", "pod-2"]
    world.end("pod-1")
    world.run()
    assert names(world) == ["pod-2", "pod-3"]
    world.end("pod-3")
    world.run()
    assert names(world) == ["pod-2"], "no more than are needed"
    world.end("pod-2")
    world.run()
    assert end(world) == ("Complete", "CompletionsReached")
    assert world.course.condition("SuccessCriteriaMet")
    assert (world.course.started, world.course.completed) == (1000.0, 1000.0)
    assert world.step() == Step(world.course), "and then nothing"


def test_a_queue_of_work() -> None:
    world = World(read_job(parallelism=3))
    world.run()
    world.end("pod-2")
    world.run()
    assert names(world) == ["pod-1", "pod-3"], "one has succeeded: no new one, and the others finish"
    world.end("pod-1", succeeded=False)
    world.end("pod-3")
    world.run()
    assert end(world) == ("Complete", "CompletionsReached")


def test_nothing_to_do() -> None:
    world = World(read_job(completions=0))
    world.run()
    assert (end(world)[0], world.count) == ("Complete", 0)
    world = World(read_job(parallelism=0))
    assert world.run() == Step(world.course)


def test_the_limit_and_the_delays_before_it() -> None:
    world = World(read_job(backoffLimit=3))
    for delay in (10, 20, 40):
        world.run()
        (name,) = names(world)
        world.end(name, succeeded=False, code=7, after=100)
        failed = world.now
        assert world.run().again == failed + delay
        world.now = failed + delay - 0.1
        world.run()
        assert not world.active
        world.now = failed + delay
    world.run()
    (name,) = names(world)
    world.end(name, succeeded=False, code=8)
    world.run()
    assert end(world) == ("Failed", "BackoffLimitExceeded")
    assert world.course.condition("FailureTarget")
    assert world.course.completed is None
    assert [each.code for each in world.course.of("failed")] == [7, 7, 7, 8]


def test_delays_are_six_minutes_at_most_and_begin_anew_after_a_success() -> None:
    world = World(read_job(backoffLimit=100, completions=5))
    for _ in range(20):
        world.run()
        world.end(names(world)[0], succeeded=False)
        again = world.run().again
        assert again is not None
        assert again - world.now <= 360
        world.now = again
    assert again
    assert again - world.course.of("failed")[-1].ended == 360
    world.run()
    world.end(names(world)[0], after=1)
    world.run()
    world.end(names(world)[0], succeeded=False, after=1)
    assert world.run().again == world.now + 10


def test_containers_that_are_started_again_use_up_the_limit() -> None:
    for limit, restarts, over in ((2, 1, False), (2, 2, True), (0, 0, False), (0, 1, True)):
        world = World(read_job(pod={"restartPolicy": "OnFailure"}, backoffLimit=limit))
        world.run()
        world.pods["pod-1"] = replace(world.pods["pod-1"], restarts=restarts)
        world.run()
        assert bool(world.course.end) is over
    never = World(read_job(backoffLimit=0))
    never.run()
    never.pods["pod-1"] = replace(never.pods["pod-1"], restarts=9)
    assert not never.run().course.end


def test_the_deadline_counts_from_the_start() -> None:
    world = World(read_job(activeDeadlineSeconds=30))
    assert world.run().again == 1030.0
    world.now = 1029.9
    world.run()
    assert names(world) == ["pod-1"]
    world.now = 1030.0
    world.run()
    assert end(world) == ("Failed", "DeadlineExceeded")
    assert [each.outcome for each in world.course.attempts] == ["stopped"]


def test_it_is_over_only_when_its_pods_have_ended() -> None:
    world = World(read_job(activeDeadlineSeconds=30))
    world.run()
    world.now = 1031.0
    done = step(world.job, world.course, world.active, world.now)
    assert done.stop == ("pod-1",)
    assert not done.course.end
    again = step(world.job, done.course, world.active, world.now)
    assert (again.stop, again.start, again.course.end) == ((), (), None), "it is told once"
    world.course = again.course
    # That it ends well now is no success.
    world.end("pod-1", after=5)
    world.run()
    assert end(world) == ("Failed", "DeadlineExceeded")
    assert world.course.of("succeeded") == []


def test_suspended_and_resumed() -> None:
    world = World(read_job(suspend=True, activeDeadlineSeconds=30))
    world.run()
    condition = world.course.condition("Suspended")
    assert condition
    assert (condition.reason, world.course.started, world.count) == ("JobSuspended", None, 0)
    world.now = 5000.0
    world.run()
    assert not world.course.end, "no time runs"
    world.job = replace(world.job, suspend=False)
    world.run()
    assert world.course.condition("Suspended") is None
    assert (world.course.conditions[0].reason, world.course.started) == ("JobResumed", 5000.0)
    world.job = replace(world.job, suspend=True)
    world.run()
    assert [each.outcome for each in world.course.attempts] == ["stopped"]
    world.job = replace(world.job, suspend=False, active_deadline=None)
    world.run()
    assert len(world.active) == 1, "what was stopped is no failure: no delay"


def test_less_parallelism_stops_the_newest() -> None:
    world = World(read_job(completions=5, parallelism=3))
    world.run()
    world.job = replace(world.job, parallelism=1)
    world.run()
    assert names(world) == ["pod-1"]


@pytest.mark.parametrize("replacement", ["Failed", "TerminatingOrFailed"])
def test_a_pod_that_stops_keeps_its_place(replacement: str) -> None:
    world = World(read_job(completions=5, parallelism=2, podReplacementPolicy=replacement))
    world.run()
    world.job = replace(world.job, parallelism=1)
    stopping = step(world.job, world.course, world.active, world.now)
    assert stopping.stop == ("pod-2",)
    world.job = replace(world.job, parallelism=2)
    assert step(world.job, stopping.course, world.active, world.now).start == ()
    world.course = stopping.course
    world.end("pod-2", succeeded=False, code=143)
    world.run()
    assert names(world) == ["pod-1", "pod-3"], "and was no failure: no delay"


def policy(action: str, **what: Any) -> dict[str, Any]:
    return {"podFailurePolicy": {"rules": [{"action": action} | what]}}


def codes(*values: int, operator: str = "In", **more: Any) -> dict[str, Any]:
    return {"onExitCodes": {"operator": operator, "values": list(values)} | more}


@pytest.mark.parametrize(
    ("what", "code", "fits"),
    [
        (codes(42), 42, True),
        (codes(42), 41, False),
        (codes(42, operator="NotIn"), 41, True),
        (codes(42, operator="NotIn"), 42, False),
        (codes(42, containerName="c"), 42, True),
    ],
)
def test_a_failure_that_fails_the_job(what: dict[str, Any], code: int, fits: bool) -> None:
    world = World(read_job(parallelism=2, completions=2, **policy("FailJob", **what)))
    world.run()
    world.end("pod-1", succeeded=False, code=code)
    world.run()
    assert bool(world.course.end) is fits
    if fits:
        assert end(world) == ("Failed", "PodFailurePolicy")
        assert world.course.end
        assert world.course.end.message == (
            f"Container c for pod shop/pod-1 failed with exit code {code} matching FailJob rule at index 0"
        )


@pytest.mark.parametrize("condition", [{"type": "DisruptionTarget"}, {"type": "Ready", "status": "False"}])
def test_a_failure_that_does_not_count(condition: dict[str, str]) -> None:
    world = World(read_job(backoffLimit=0, **policy("Ignore", onPodConditions=[condition])))
    world.run()
    disrupted = (("Ready", "False"), ("DisruptionTarget", "True"))
    world.end("pod-1", succeeded=False)
    world.pods["pod-1"] = replace(world.pods["pod-1"], conditions=disrupted)
    assert world.run().again == world.now + 10
    world.now += 10
    world.run()
    world.end("pod-2", succeeded=False)
    world.run()
    assert end(world) == ("Failed", "BackoffLimitExceeded")
    assert (len(world.course.of("ignored")), len(world.course.of("failed"))) == (1, 1)


def test_the_first_rule_that_fits_decides() -> None:
    rules = [{"action": "Count"} | codes(42), {"action": "FailJob"} | codes(42, 43)]
    for code, over in ((42, False), (43, True)):
        world = World(read_job(podFailurePolicy={"rules": rules}))
        world.run()
        world.end("pod-1", succeeded=False, code=code)
        world.run()
        assert bool(world.course.end) is over


INDEXED = {"completionMode": "Indexed", "completions": 4}


def test_indexes_in_order_each_until_it_has_succeeded() -> None:
    world = World(read_job(**INDEXED, parallelism=2))
    world.run()
    assert [each.index for each in world.active] == [0, 1]
    world.end("pod-1", succeeded=False)
    world.run()
    world.now += 10
    world.run()
    assert [each.index for each in world.active] == [1, 0]
    world.end("pod-2")
    world.run()
    assert [each.index for each in world.active] == [0, 2]
    world.end("pod-3")
    world.end("pod-4")
    world.run()
    world.end("pod-5")
    world.run()
    assert end(world) == ("Complete", "CompletionsReached")
    assert world.course.succeeded_indexes == {0, 1, 2, 3}


def test_indexes_with_limits_of_their_own() -> None:
    world = World(read_job(**INDEXED, parallelism=4, backoffLimitPerIndex=1))
    world.run()
    world.end("pod-1", succeeded=False)
    world.end("pod-2", succeeded=False, after=1)
    assert world.run().again == 1010.0, "each has a time of its own"
    world.now = 1010.5
    world.run()
    assert [each.index for each in world.active] == [2, 3, 0]
    world.end("pod-5", succeeded=False)
    world.now = 1100.0
    world.run()
    assert [each.index for each in world.active] == [2, 3, 1], "the index 0 has failed for good"
    for name in names(world):
        world.end(name)
    world.run()
    assert end(world) == ("Failed", "FailedIndexes")
    assert world.course.failed_indexes(1) == {0}


def test_too_many_failed_indexes() -> None:
    spec = {**INDEXED, "parallelism": 4, "backoffLimitPerIndex": 5, "maxFailedIndexes": 1}
    world = World(read_job(**spec, **policy("FailIndex", **codes(9))))
    world.run()
    world.end("pod-1", succeeded=False, code=9)
    world.run()
    assert not world.course.end
    world.end("pod-2", succeeded=False, code=9)
    world.run()
    assert end(world) == ("Failed", "MaxFailedIndexesExceeded")


@pytest.mark.parametrize(
    ("rule", "ended", "over"),
    [
        ({"succeededCount": 2}, [1, 3], True),
        ({"succeededCount": 2}, [1], False),
        ({"succeededIndexes": "0,2"}, [0, 2], True),
        ({"succeededIndexes": "0,2"}, [0, 1, 3], False),
        ({"succeededIndexes": "0-2", "succeededCount": 1}, [3], False),
        ({"succeededIndexes": "0-2", "succeededCount": 1}, [2], True),
    ],
)
def test_an_early_success(rule: dict[str, Any], ended: list[int], over: bool) -> None:
    world = World(read_job(**INDEXED, parallelism=4, successPolicy={"rules": [rule]}))
    world.run()
    for index in ended:
        world.end(f"pod-{index + 1}")
    world.run()
    assert bool(world.course.end) is over
    if over:
        assert end(world) == ("Complete", "SuccessPolicy")
        assert not world.active


def test_a_pod_that_somebody_removed_has_failed() -> None:
    world = World(read_job())
    world.run()
    del world.pods["pod-1"]
    world.run()
    assert [(each.outcome, each.code) for each in world.course.attempts] == [("failed", 1)]
    # One that is known to have succeeded is not missed.
    world.now += 10
    world.run()
    world.end("pod-2")
    world.run()
    world.pods.clear()
    assert account(world.course, [], world.now) == world.course


def test_a_pod_that_was_not_written_down_is_found_again() -> None:
    world = World(read_job(**INDEXED, parallelism=2))
    world.step()
    world.start(0, written=False)
    world.run()
    assert [each.index for each in world.active] == [0, 1]


def test_a_second_pod_of_an_index_is_stopped() -> None:
    world = World(read_job(**INDEXED, parallelism=3))
    world.step()
    world.start(0, written=False)
    world.start(0, written=False)
    done = step(world.job, world.course, world.active, world.now)
    assert done.stop == ("pod-2",)


# Whatever comes.

POLICIES: list[dict[str, Any]] = [
    {},
    policy("Ignore", **codes(2)),
    policy("FailJob", **codes(3)),
    policy("Count", **codes(2)),
]
SPECS: st.SearchStrategy[dict[str, Any]] = st.builds(
    lambda parallelism, completions, limit, rules: {
        "parallelism": parallelism,
        "backoffLimit": limit,
        **({} if completions is None else {"completions": completions}),
        **rules,
    },
    st.integers(1, 4),
    st.none() | st.integers(0, 6),
    st.integers(0, 4),
    st.sampled_from(POLICIES),
)
INDEXED_SPECS: st.SearchStrategy[dict[str, Any]] = st.builds(
    lambda parallelism, completions, per_index, most, early: {
        "completionMode": "Indexed",
        "parallelism": parallelism,
        "completions": completions,
        **({} if per_index is None else {"backoffLimitPerIndex": per_index}),
        **(
            {"maxFailedIndexes": min(most, completions)} if per_index is not None and most is not None else {}
        ),
        **({"successPolicy": {"rules": [{"succeededCount": min(early, completions)}]}} if early else {}),
    },
    st.integers(1, 4),
    st.integers(1, 6),
    st.none() | st.integers(0, 2),
    st.none() | st.integers(0, 2),
    st.none() | st.integers(1, 3),
)
EVENTS = ("succeed", "fail", "fail", "remove", "wait", "crash", "suspend", "resume")


@given(SPECS | INDEXED_SPECS, st.lists(st.tuples(st.sampled_from(EVENTS), st.integers(0, 9)), max_size=40))
def test_the_rules_hold_whatever_comes(spec: dict[str, Any], events: list[tuple[str, int]]) -> None:
    world = World(read_job(**spec))
    world.run()
    for event, number in events:
        chosen = world.active[number % len(world.active)].name if world.active else ""
        if event == "wait":
            world.now += 10.0 * 2**number
        elif event in {"suspend", "resume"}:
            world.job = replace(world.job, suspend=event == "suspend")
        elif event == "crash":
            # The controller was killed between a pod's start and its note of it.
            done = world.step()
            for index in done.start[:1]:
                world.start(index, written=False)
        elif event == "remove" and chosen:
            del world.pods[chosen]
        elif chosen:
            world.end(chosen, succeeded=event == "succeed", code=number % 4 + 1, after=1.0)
        was = world.course.end
        world.run()
        assert was is None or world.course.end == was, "what is over stays over"
    _finish(world)


def _finish(world: World) -> None:
    """With all that comes ending well, every Job comes to an end."""
    world.job = replace(world.job, suspend=False)
    for _ in range(100):
        done = world.run()
        if world.course.end:
            break
        if world.active:
            world.end(world.active[0].name, after=1.0)
        else:
            assert done.again, "nothing runs, and nothing is due"
            world.now = done.again
    assert world.course.end
    if world.course.end.kind == "Complete" and world.job.completions and not world.job.success_rules:
        assert len(world.course.of("succeeded")) == world.job.completions


def test_what_is_over_takes_no_more_pods() -> None:
    """As of a snapshot of one of its pods."""
    world = World(read_job(completions=0))
    world.run()
    assert account(world.course, [Seen("late", "uid-9")], world.now) == world.course
