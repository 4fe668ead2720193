"""Steps are noted one after the other, without a gap."""

from __future__ import annotations

import itertools
import time

import pytest

from vmpod.stopwatch import Step, Stopwatch, process_start, steps_to


def test_steps_follow_one_another_without_a_gap() -> None:
    watch = Stopwatch()
    with watch.phase("Making disks"):
        begin = time.monotonic_ns()
        watch.part("mkfs", begin, time.monotonic_ns())
    with watch.phase("Starting"):
        pass
    whole = [step for step in watch.steps if not step.part]
    assert [step.name for step in whole][:2] == ["command", "making disks"]
    assert whole[-1].name == "starting"
    assert whole[0].begin == watch.begin
    assert all(one.end == other.begin for one, other in itertools.pairwise(whole))
    (part,) = [step for step in watch.steps if step.part]
    assert whole[1].begin <= part.begin <= part.end <= whole[1].end
    # A part comes after the step that it is of.
    assert watch.steps.index(part) == watch.steps.index(whole[1]) + 1


def test_a_step_that_failed_is_one() -> None:
    watch = Stopwatch()
    with pytest.raises(KeyError), watch.phase("Failing"):
        raise KeyError
    assert watch.steps[-1].name == "failing"


def test_the_first_step_may_have_begun_before() -> None:
    watch = Stopwatch(begin=process_start())
    assert 0 < watch.now() - watch.begin < 3600 * 10**9
    with watch.phase("First"):
        pass
    assert watch.steps[0] == Step("command", watch.begin, watch.steps[1].begin)


def test_of_several_starts_each_has_the_parts_of_its_own() -> None:
    watch = Stopwatch()
    for name in ("One", "Two", "Three"):
        with watch.phase(name):
            begin = time.monotonic_ns()
            watch.part(f"part of {name.lower()}", begin, time.monotonic_ns())
    names = [step.name for step in steps_to(watch.steps, "two") if step.name not in ("command", "between")]
    assert names == ["one", "two", "part of two"]
