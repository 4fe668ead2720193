"""What a failed pod means to its Job, how long the next one waits, and when a Job has succeeded early.

Source: the job controller of Kubernetes, whose reasons, messages and times these are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vmpod.plan.jobs.course import Attempt, Course, Seen
from vmpod.spec.jobmodel import Action, ExitCodes, FailureRule, Job, SuccessRule

FIRST_DELAY, MAX_DELAY = 10.0, 360.0
"""Seconds after a failure until the next pod; doubled by each further failure."""


def judge(rules: Sequence[FailureRule], pod: Seen, namespace: str) -> tuple[Action, str]:
    """What the first rule that fits says of a failed pod, and the message if it fails the Job."""
    for number, rule in enumerate(rules):
        end = f"matching {rule.action} rule at index {number}"
        if rule.exit_codes:
            for container, code in pod.codes:
                if _fits(rule.exit_codes, container, code):
                    told = (
                        f"Container {container} for pod {namespace}/{pod.name} failed with exit code {code}"
                    )
                    return rule.action, f"{told} {end}"
        for kind, status in pod.conditions:
            if (kind, status) in rule.conditions:
                return rule.action, f"Pod {namespace}/{pod.name} has condition {kind} {end}"
    return "Count", ""


def _fits(wanted: ExitCodes, container: str, code: int) -> bool:
    return wanted.container in {"", container} and (code in wanted.values) is wanted.inside


def early_success(job: Job, course: Course) -> str:
    """Which rule of the successPolicy holds, as a message; '' if none does."""
    done = course.succeeded_indexes
    for number, rule in enumerate(job.success_rules):
        if _holds(rule, done):
            return f"Matched rules at index {number}"
    return ""


def _holds(rule: SuccessRule, done: frozenset[int]) -> bool:
    counted = done if rule.indexes is None else done & rule.indexes
    wanted = rule.count if rule.count is not None else len(rule.indexes or ())
    return len(counted) >= wanted


def next_start(course: Course) -> float:
    """When the next pod may start: each failure since the last success doubles the time after it."""
    success = max((each.ended for each in course.of("succeeded")), default=0.0)
    return _after([each for each in _failures(course) if each.ended > success])


def next_starts(course: Course) -> Mapping[int | None, float]:
    """The same for each index that has failed, where indexes have a limit of their own."""
    failures: dict[int | None, list[Attempt]] = {}
    for each in _failures(course):
        failures.setdefault(each.index, []).append(each)
    return {index: _after(attempts) for index, attempts in failures.items()}


def _failures(course: Course) -> list[Attempt]:
    return course.of("failed") + course.of("ignored")


def _after(failures: Sequence[Attempt]) -> float:
    if not failures:
        return 0.0
    # Beyond that the longest delay has long been reached.
    doubled = min(len(failures) - 1, 20)
    return max(each.ended for each in failures) + min(FIRST_DELAY * (1 << doubled), MAX_DELAY)
