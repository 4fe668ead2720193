"""One step of a Job's controller: from what is, to what is to be done.

Source: the job controller of Kubernetes (syncJob, manageJob), with two differences: a pod that was told to
stop keeps its place until it has ended, and what becomes of it counts neither as success nor as failure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice, repeat

from vmpod.dataclass import dataclass
from vmpod.plan.jobs.course import (
    COMPLETE,
    FAILED,
    FAILURE_TARGET,
    SUCCESS_CRITERIA_MET,
    SUSPENDED,
    Attempt,
    Condition,
    Course,
    Seen,
)
from vmpod.plan.jobs.policy import early_success, judge, next_start, next_starts
from vmpod.spec.containermodel import RestartPolicy
from vmpod.spec.jobmodel import FailureRule, Job

UNKNOWN_CODE = 1
"""The exit code of a pod that failed without one."""

_AT_ONCE = 100
"""Pods that one step starts: those after it start more."""


@dataclass(frozen=True)
class Step:
    """course: how far the Job is now, to be kept before anything is done.

    start: the index of each pod that may be started now, None for one without. stop: names of pods.
    again: when something is due although nothing happens (seconds since the epoch), None if never.
    """

    course: Course
    start: tuple[int | None, ...] = ()
    stop: tuple[str, ...] = ()
    again: float | None = None


def step(job: Job, course: Course, pods: Sequence[Seen], now: float) -> Step:
    """What is to be done now."""
    course = account(course, pods, now, Rules(job.failure_rules, job.namespace))
    if course.end:
        return Step(course)
    target = course.condition(FAILURE_TARGET) or course.condition(SUCCESS_CRITERIA_MET)
    target = target or _target(job, course, pods, now)
    if target:
        return _finish(course, target, now)
    if job.suspend:
        return _stop(_suspended(course, now), course.active)
    course = _begun(course, now)
    surplus = _surplus(job, course)
    if surplus:
        return _stop(course, surplus)
    return _go_on(job, course, now)


@dataclass(frozen=True)
class Rules:
    """What a Job says of pods that fail. namespace: for messages."""

    rules: tuple[FailureRule, ...] = ()
    namespace: str = ""


NO_RULES = Rules()


def account(course: Course, pods: Sequence[Seen], now: float, rules: Rules = NO_RULES) -> Course:
    """The course with the outcome of every pod that has ended, and with those that it did not know yet.

    pods: all that are there and whose outcome it does not know; others do no harm.
    """
    if course.end:
        return course
    known = {each.uid for each in course.attempts}
    new = (Attempt(each.name, each.uid, each.index) for each in pods if each.uid not in known)
    there = {each.uid: each for each in pods}
    messages: list[str] = []
    attempts = tuple(
        attempt if attempt.outcome else _outcome(rules, attempt, there, now, messages)
        for attempt in (*course.attempts, *new)
    )
    course = replace(course, attempts=attempts)
    decided = course.condition(FAILURE_TARGET) or course.condition(SUCCESS_CRITERIA_MET)
    if messages and not decided:
        course = course.with_condition(Condition(FAILURE_TARGET, "PodFailurePolicy", messages[0], now))
    return course


def _outcome(
    rules: Rules, attempt: Attempt, pods: Mapping[str, Seen], now: float, messages: list[str]
) -> Attempt:
    """The attempt as it came out, if it has. messages: gets why it fails the whole Job."""
    pod = pods.get(attempt.uid)
    if pod is not None and pod.finished is None:
        return attempt
    ended = pod.finished if pod and pod.finished is not None else now
    if attempt.stopping:
        return replace(attempt, outcome="stopped", ended=ended)
    if pod is None:
        # Somebody has removed it.
        return replace(attempt, outcome="failed", ended=ended, code=UNKNOWN_CODE)
    if pod.succeeded:
        return replace(attempt, outcome="succeeded", ended=ended)
    action, message = judge(rules.rules, pod, rules.namespace)
    if action == "FailJob":
        messages.append(message)
    code = next((code for _, code in pod.codes), UNKNOWN_CODE)
    outcome = replace(attempt, outcome="failed", ended=ended, code=code, final=action == "FailIndex")
    return replace(outcome, outcome="ignored") if action == "Ignore" else outcome


def _target(job: Job, course: Course, pods: Sequence[Seen], now: float) -> Condition | None:
    """What the Job has come to, if it has."""
    for reason, message in _failures(job, course, pods, now):
        return Condition(FAILURE_TARGET, reason, message, now)
    if message := early_success(job, course):
        return Condition(SUCCESS_CRITERIA_MET, "SuccessPolicy", message, now)
    done = len(course.of("succeeded"))
    enough = done > 0 if job.completions is None else done >= job.completions
    if enough and not course.of(""):
        told = "Reached expected number of succeeded pods"
        return Condition(SUCCESS_CRITERIA_MET, "CompletionsReached", told, now)
    return None


def _failures(job: Job, course: Course, pods: Sequence[Seen], now: float) -> Iterator[tuple[str, str]]:
    """Reasons why the Job has failed, the one that counts first."""
    failed = len(course.of("failed"))
    if failed > job.backoff_limit or _restarted_too_often(job, pods):
        yield "BackoffLimitExceeded", "Job has reached the specified backoff limit"
    deadline = _deadline(job, course)
    if deadline is not None and now >= deadline:
        yield "DeadlineExceeded", "Job was active longer than specified deadline"
    if job.backoff_limit_per_index is None or job.completions is None:
        return
    indexes = course.failed_indexes(job.backoff_limit_per_index)
    if job.max_failed_indexes is not None and len(indexes) > job.max_failed_indexes:
        told = "Job has exceeded the specified maximal number of failed indexes"
        yield "MaxFailedIndexesExceeded", told
    if indexes and len(indexes | course.succeeded_indexes) >= job.completions:
        yield "FailedIndexes", "Job has failed indexes"


def _restarted_too_often(job: Job, pods: Sequence[Seen]) -> bool:
    """Whether containers that are started again within their pods have used up the limit."""
    if job.template.restart_policy is not RestartPolicy.ON_FAILURE:
        return False
    restarts = sum(pod.restarts for pod in pods if pod.finished is None)
    return restarts >= job.backoff_limit if job.backoff_limit else restarts > 0


def _deadline(job: Job, course: Course) -> float | None:
    if job.active_deadline is None or course.started is None or job.suspend:
        return None
    return course.started + job.active_deadline


def _finish(course: Course, target: Condition, now: float) -> Step:
    """Stop what runs; once nothing does, the Job is what it has come to."""
    if not course.condition(target.kind):
        course = course.with_condition(target)
    if course.of(""):
        return _stop(course, course.active)
    kind = COMPLETE if target.kind == SUCCESS_CRITERIA_MET else FAILED
    course = course.with_condition(Condition(kind, target.reason, target.message, now))
    return Step(replace(course, completed=now if kind == COMPLETE else None))


def _stop(course: Course, attempts: Sequence[Attempt]) -> Step:
    names = tuple(each.name for each in attempts)
    return Step(course.told_to_stop(names), stop=names)


def _suspended(course: Course, now: float) -> Course:
    if course.condition(SUSPENDED):
        return course
    told = Condition(SUSPENDED, "JobSuspended", "Job suspended", now)
    return replace(course, started=None).with_condition(told)


def _begun(course: Course, now: float) -> Course:
    if course.condition(SUSPENDED):
        told = Condition(SUSPENDED, "JobResumed", "Job resumed", now, status=False)
        # Its deadline is counted anew.
        return replace(course, started=now).with_condition(told)
    return course if course.started is not None else replace(course, started=now)


def _surplus(job: Job, course: Course) -> list[Attempt]:
    """Those that run and are too many: of what is done already, second ones of an index, the newest."""
    taken = set(course.succeeded_indexes)
    kept: list[Attempt] = []
    surplus: list[Attempt] = []
    for each in course.active:
        twice = each.index is not None and each.index in taken
        (surplus if twice else kept).append(each)
        if each.index is not None:
            taken.add(each.index)
    wanted = _wanted(job, course, len(kept))
    return surplus + kept[wanted:]


def _wanted(job: Job, course: Course, active: int) -> int:
    """How many pods are to run."""
    done = len(course.of("succeeded"))
    if job.completions is None:
        # Once one has succeeded the queue is empty; the others may finish.
        return active if done else job.parallelism
    return max(0, min(job.parallelism, job.completions - done))


def _go_on(job: Job, course: Course, now: float) -> Step:
    running = len(course.of(""))
    room = min(_AT_ONCE, max(0, _wanted(job, course, len(course.active)) - running))
    dues = [due for due in (_deadline(job, course),) if due is not None]
    start: list[int | None] = []
    if room and job.backoff_limit_per_index is None:
        due = next_start(course)
        if due > now:
            dues.append(due)
        else:
            start = list(islice(_pending(job, course), room))
    elif room:
        waiting = next_starts(course)
        pending = list(_pending(job, course))
        start = [index for index in pending if waiting.get(index, 0.0) <= now][:room]
        dues += [waiting[index] for index in pending if waiting.get(index, 0.0) > now]
    return Step(course, tuple(start), again=min(dues, default=None))


def _pending(job: Job, course: Course) -> Iterator[int | None]:
    """The indexes that need a pod, in order; None without end for a Job that has none."""
    if not job.indexed:
        yield from repeat(None)
    taken = course.succeeded_indexes | {each.index for each in course.of("")}
    if job.backoff_limit_per_index is not None:
        taken |= course.failed_indexes(job.backoff_limit_per_index)
    yield from (index for index in range(job.completions or 0) if index not in taken)
