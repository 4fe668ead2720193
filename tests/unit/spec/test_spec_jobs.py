"""Jobs: what is read of their documents, and what is refused as the API server would."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.spec.manifests import container, faults, read
from vmpod.spec import indexes
from vmpod.spec.jobmodel import NO_LIMIT, ExitCodes, FailureRule, Job, SuccessRule


def job(*, pod: Any = None, name: str = "sum", **spec: Any) -> dict[str, Any]:
    inner: dict[str, Any] = {"restartPolicy": "Never", "containers": [container()]} | (pod or {})
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"template": {"metadata": {"labels": {"app": "sum"}}, "spec": inner}} | spec,
    }


def read_job(**spec: Any) -> Job:
    """The Job of such a document."""
    (found,) = read(job(**spec)).jobs
    return found


def indexed(**spec: Any) -> dict[str, Any]:
    whole: dict[str, Any] = {"completionMode": "Indexed", "completions": 4} | spec
    return job(**whole)


def rule(action: str = "FailJob", **what: Any) -> dict[str, Any]:
    return {"podFailurePolicy": {"rules": [{"action": action} | what]}}


CODES = {"operator": "In", "values": [1, 42]}


def test_what_is_not_given() -> None:
    found = read_job()
    assert (found.namespace, found.name, found.template.labels) == ("shop", "sum", {"app": "sum"})
    assert (found.completions, found.parallelism, found.backoff_limit, found.indexed) == (1, 1, 6, False)
    assert (found.active_deadline, found.ttl, found.suspend) == (None, None, False)
    # One of the two alone: a queue of work, or one after the other.
    assert (read_job(parallelism=3).completions, read_job(completions=3).parallelism) == (None, 1)
    assert read(job()).pods == ()


def test_everything() -> None:
    found = read_job(
        completions=9,
        parallelism=2,
        completionMode="Indexed",
        backoffLimitPerIndex=1,
        maxFailedIndexes=3,
        activeDeadlineSeconds=60,
        ttlSecondsAfterFinished=0,
        suspend=True,
        podReplacementPolicy="Failed",
        **rule("FailIndex", onExitCodes=CODES | {"containerName": "c"}),
        successPolicy={"rules": [{"succeededIndexes": "0,2-3", "succeededCount": 2}, {"succeededCount": 1}]},
    )
    assert (found.completions, found.parallelism, found.indexed) == (9, 2, True)
    assert (found.backoff_limit, found.backoff_limit_per_index, found.max_failed_indexes) == (NO_LIMIT, 1, 3)
    assert (found.active_deadline, found.ttl, found.suspend) == (60, 0, True)
    assert found.failure_rules == (FailureRule("FailIndex", ExitCodes(frozenset((1, 42)), container="c")),)
    assert found.success_rules == (SuccessRule(frozenset((0, 2, 3)), 2), SuccessRule(None, 1))
    (conditional,) = read_job(**rule("Ignore", onPodConditions=[{"type": "DisruptionTarget"}])).failure_rules
    assert conditional.conditions == (("DisruptionTarget", "True"),)


def test_a_job_and_a_pod_may_have_the_same_name() -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "sum", "namespace": "shop"}}
    manifest = read(job(), pod | {"spec": {"containers": [container()]}})
    assert (len(manifest.pods), len(manifest.jobs)) == (1, 1)
    assert faults(job(), job()) == ["metadata.name: an earlier document is 'shop/sum' already"]


def test_what_has_no_effect_is_said() -> None:
    (note,) = read_job(manualSelector=True, selector={}).notes
    assert note == "spec.manualSelector has no effect: a Job's pods are those that it has made"


NEVER = {"restartPolicy": "Never"}


@pytest.mark.parametrize(
    ("document", "told"),
    [
        (job() | {"apiVersion": "v1"}, "apiVersion: must be batch/v1 for a Job, not 'v1'"),
        (job(template=None), "spec.template: is required"),
        (
            job(pod={"restartPolicy": "Always"}),
            "spec.template.spec.restartPolicy: the restartPolicy in a Job",
        ),
        (job(pod={"containers": []}), "spec.template.spec.containers: a pod needs at least one container"),
        (job(completions=-1), "spec.completions: must be between 0 and 10000, not -1"),
        (job(parallelism="2"), "spec.parallelism: must be a whole number"),
        (job(backoffLimit=-1), "spec.backoffLimit: must be between 0"),
        (job(activeDeadlineSeconds=-1), "spec.activeDeadlineSeconds: must be between 0"),
        (job(ttlSecondsAfterFinished=-1), "spec.ttlSecondsAfterFinished: must be between 0"),
        (job(suspend="yes"), "spec.suspend: must be true or false"),
        (job(managedBy="example.com/mine"), "spec.managedBy: is not supported"),
        (job(completionMode="Some"), "spec.completionMode: must be NonIndexed or Indexed"),
        (
            job(completionMode="Indexed", parallelism=1),
            "spec.completions: is required where the completionMode",
        ),
        (
            job(podReplacementPolicy="Never"),
            "spec.podReplacementPolicy: must be TerminatingOrFailed or Failed",
        ),
        (indexed(name="n" * 62), "metadata.name: with an index it is to be a host name"),
        (job(backoffLimitPerIndex=1), "spec.backoffLimitPerIndex: needs the completionMode Indexed"),
        (indexed(maxFailedIndexes=1), "spec.maxFailedIndexes: needs a backoffLimitPerIndex"),
        (indexed(backoffLimitPerIndex=1, maxFailedIndexes=5), "spec.maxFailedIndexes: must not be greater"),
        # podFailurePolicy
        (
            job(pod={"restartPolicy": "OnFailure"}, **rule(onExitCodes=CODES)),
            "spec.template.spec.restartPolicy: must be Never where there is a podFailurePolicy",
        ),
        (
            job(podReplacementPolicy="TerminatingOrFailed", **rule(onExitCodes=CODES)),
            "spec.podReplacementPolicy: must be Failed",
        ),
        (job(podFailurePolicy={}), "spec.podFailurePolicy.rules: is required"),
        (job(**rule()), "spec.podFailurePolicy.rules[0]: must have one of onExitCodes and onPodConditions"),
        (
            job(**rule(onExitCodes=CODES, onPodConditions=[{"type": "Ready"}])),
            "spec.podFailurePolicy.rules[0]: must have one of",
        ),
        (job(**rule("Stop", onExitCodes=CODES)), "spec.podFailurePolicy.rules[0].action: must be FailJob, "),
        (
            job(**rule("FailIndex", onExitCodes=CODES)),
            "spec.podFailurePolicy.rules[0].action: FailIndex needs",
        ),
        (
            job(**rule(onExitCodes=CODES | {"operator": "Is"})),
            "spec.podFailurePolicy.rules[0].onExitCodes.operator: must be In or NotIn",
        ),
        (
            job(**rule(onExitCodes=CODES | {"values": [0, 1]})),
            "spec.podFailurePolicy.rules[0].onExitCodes.values: must not have 0",
        ),
        (
            job(**rule(onExitCodes=CODES | {"values": [2, 1]})),
            "spec.podFailurePolicy.rules[0].onExitCodes.values: must be in ascending order",
        ),
        (
            job(**rule(onExitCodes=CODES | {"values": []})),
            "spec.podFailurePolicy.rules[0].onExitCodes.values: must be 1 to 255",
        ),
        (
            job(**rule(onExitCodes=CODES | {"containerName": "d"})),
            "spec.podFailurePolicy.rules[0].onExitCodes.containerName: the template has no container 'd'",
        ),
        (
            job(**rule(onPodConditions=[{"type": "Ready", "status": "Yes"}])),
            "spec.podFailurePolicy.rules[0].onPodConditions[0].status: must be True, False or Unknown",
        ),
        # successPolicy
        (
            job(successPolicy={"rules": [{"succeededCount": 1}]}),
            "spec.successPolicy: needs the completionMode",
        ),
        (indexed(successPolicy={"rules": []}), "spec.successPolicy.rules: must be 1 to 20"),
        (
            indexed(successPolicy={"rules": [{}]}),
            "spec.successPolicy.rules[0]: must have succeededIndexes or",
        ),
        (
            indexed(successPolicy={"rules": [{"succeededIndexes": "1-2", "succeededCount": 3}]}),
            "spec.successPolicy.rules[0].succeededCount: must be between 1 and 2, not 3",
        ),
        (
            indexed(successPolicy={"rules": [{"succeededIndexes": "4"}]}),
            "spec.successPolicy.rules[0].succeededIndexes: names the index 4, and they end with 3",
        ),
    ],
)
def test_what_makes_no_sense(document: dict[str, Any], told: str) -> None:
    (fault,) = faults(document)
    assert fault.startswith(told)


def test_a_cron_job_is_told_what_can_be_done() -> None:
    (fault,) = faults({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "n"}})
    assert fault.startswith("kind: CronJob is not supported: nobody here watches the clock; let cron or")


@pytest.mark.parametrize("text", ["0", "1,3-5,7", "0,1", "0-2", "3,8-9999"])
def test_indexes_are_read_and_written(text: str) -> None:
    assert indexes.shown(indexes.parse(text, 10_000)) == text


def test_neighbours_are_no_interval() -> None:
    assert indexes.shown([5, 4, 1, 2, 3, 9, 8]) == "1-5,8,9"
    assert indexes.shown(()) == ""


@pytest.mark.parametrize(
    "text", ["", "a", "1,", "1-", "-1", "2,1", "1,1", "3-2", "2-2", "1-3,3", "٣", "0-99999999"]
)
def test_what_names_no_indexes(text: str) -> None:
    with pytest.raises(ValueError, match=r"must be|names the index"):
        indexes.parse(text, 10)
