"""Jobs on the command line, those that are on disk."""

from __future__ import annotations

import dataclasses
import json
import threading
import time
from pathlib import Path

import pytest

from tests.schemas import check
from tests.unit.cli.conftest import Vmpod
from tests.unit.runtime.test_runtime_jobs import GONE
from tests.unit.spec.test_spec_jobs import indexed, job, read_job
from tests.unit.state.jobs import BEGUN, job_record, pod_record
from tests.unit.state.records import agent, ended, keep, one, output_line, record, whole
from vmpod.paths import default_paths
from vmpod.plan.jobs.course import Attempt, Condition, Course
from vmpod.runtime.context import Runtime
from vmpod.runtime.events import JobChronicle
from vmpod.state.jobs import JobEntry, JobStore
from vmpod.state.store import PodStore

ENDED = (agent(), one("c", ended(0)), whole("Succeeded"))


@pytest.fixture
def jobs(vmpod: Vmpod) -> JobStore:
    """The Jobs that the command sees."""
    return JobStore(default_paths())


@pytest.fixture
def entry(jobs: JobStore, pods: PodStore) -> JobEntry:
    """A Job with a pod that has succeeded, and one to come."""
    found = read_job(completions=2)
    entry = jobs.save(job_record(found))
    kept = pod_record(found, "sum-aaaaa", qemu=GONE)
    keep(pods, kept, *ENDED, output=output_line("c/0", b"one"))
    jobs.save_course(entry, Course(BEGUN, None, (Attempt("sum-aaaaa", kept.uid, None, "succeeded", BEGUN),)))
    jobs.say(entry, "Normal", "SuccessfulCreate", "Created pod: sum-aaaaa")
    return entry


def finish(jobs: JobStore, entry: JobEntry, kind: str = "Complete") -> None:
    course = jobs.course(entry).with_condition(Condition(kind, "Because", "it is so", BEGUN + 61))
    jobs.save_course(entry, course)


@pytest.mark.usefixtures("entry")
def test_listed(vmpod: Vmpod) -> None:
    header, row = vmpod("get", "jobs").out.splitlines()
    assert header.split() == ["NAME", "STATUS", "COMPLETIONS", "DURATION", "AGE"]
    assert row.split()[:3] == ["shop/sum", "Unattended", "1/2"]
    assert vmpod("get", "job", "shop/sum", "-o", "wide").out.splitlines()[1].split()[5:] == ["-", "c", "i"]
    assert vmpod("get", "jobs", "-q").out == "job/shop/sum\n"
    assert vmpod("get", "jobs", "-q", "--filter", "status=Complete").out == ""
    assert vmpod("get", "jobs", "-q", "--filter", "name=^shop/s", "--filter", "namespace=shop").out
    listed = json.loads(vmpod("get", "jobs", "-o", "json").out)
    assert [each["kind"] for each in listed["items"]] == ["Job"]
    check(listed)
    single = json.loads(vmpod("get", "job/shop/sum", "-o", "json").out)
    assert single == listed["items"][0]
    assert vmpod("get", "job.batch/shop/sum", "-o", "jsonpath={.status.succeeded}").out == "1"
    assert "--filter name=(" in vmpod("get", "jobs", "--filter", "name=(").err


def test_of_no_job(vmpod: Vmpod, pods: PodStore) -> None:
    for words in (("get",), ("logs",), ("wait",), ("describe",), ("events",), ("delete",)):
        result = vmpod(*words, "job/gone")
        assert (result.status, result.out) == (125, "")
        assert "there is no Job 'gone' [not-found]" in result.err
    assert vmpod("delete", "job/gone", "--ignore-not-found").status == 0
    assert "say what to delete" in vmpod("delete").err
    assert "not shown together" in vmpod("get", "job/a", "b").err
    # A pod of a namespace with that name is a pod.
    keep(pods, record("web", namespace="job", qemu=GONE), agent(), whole("Succeeded"))
    assert vmpod("get", "job/web", "-q").out == "job/web\n"
    assert json.loads(vmpod("get", "job/web", "-o", "json").out)["kind"] == "Pod"


@pytest.mark.usefixtures("entry")
def test_described_and_its_logs(vmpod: Vmpod) -> None:
    text = vmpod("describe", "job/shop/sum").out
    assert "Pods Statuses:             0 Active (0 Ready) / 1 Succeeded / 0 Failed" in text
    assert "Attended to by:            <nobody>" in text
    assert "Created pod: sum-aaaaa" in text
    assert vmpod("logs", "job/shop/sum").out == "sum-aaaaa/c | one\n"
    assert vmpod("logs", "-f", "job/shop/sum").out == "sum-aaaaa/c | one\n"
    assert "the Job shop/sum has no container 'd'" in vmpod("logs", "job/shop/sum", "-c", "d").err


def test_its_events(vmpod: Vmpod, jobs: JobStore, pods: PodStore, entry: JobEntry) -> None:
    """What its controller did, and what happened in its pods; of no other pod."""
    keep(pods, record("other", qemu=GONE), *ENDED)
    jobs.say(entry, "Warning", "BackoffLimitExceeded", "Job has reached\x1b the specified backoff limit")
    told = [line.split()[1:4] for line in vmpod("events", "job/shop/sum", "shop/sum-aaaaa").out.splitlines()]
    assert told[1:] == [
        ["Normal", "Booted", "pod/shop/sum-aaaaa"],
        ["Normal", "Error", "pod/shop/sum-aaaaa/c"],
        ["Normal", "PodCompleted", "pod/shop/sum-aaaaa"],
        ["Normal", "SuccessfulCreate", "job/shop/sum"],
        ["Warning", "BackoffLimitExceeded", "job/shop/sum"],
    ]
    listed = json.loads(vmpod("events", "job/shop/sum", "--filter", "job=shop/sum", "-o", "json").out)
    check(listed)
    created, failed = listed["items"]
    assert created["involvedObject"] == {
        "kind": "Job",
        "apiVersion": "batch/v1",
        "namespace": "shop",
        "name": "sum",
        "uid": entry.record.uid,
    }
    assert (created["reason"], created["message"]) == ("SuccessfulCreate", "Created pod: sum-aaaaa")
    assert failed["message"].isprintable()
    everything = vmpod("events", "-o", "jsonpath={.items[*].involvedObject.name}").out.split()
    assert set(everything) == {"other", "sum", "sum-aaaaa"}
    assert vmpod("events", "-q", "--filter", "pod=shop/sum").out == ""


def test_watching_its_events_ends_with_it(vmpod: Vmpod, jobs: JobStore, entry: JobEntry) -> None:
    """Also what is told only after it is known to have ended."""

    def go_on() -> None:
        time.sleep(0.2)
        finish(jobs, entry)
        jobs.say(entry, "Normal", "Completed", "Job completed")

    thread = threading.Thread(target=go_on)
    thread.start()
    result = vmpod("events", "-w", "job/shop/sum")
    thread.join()
    assert result.status == 0
    reasons = [line.split()[2] for line in result.out.splitlines()[1:]]
    assert reasons == ["Booted", "Error", "PodCompleted", "SuccessfulCreate", "Completed"]


def test_watching_events_of_a_job_that_goes(vmpod: Vmpod, jobs: JobStore, entry: JobEntry) -> None:
    jobs.delete(entry.record.key)
    jobs.save(dataclasses.replace(entry.record, uid="another"))
    chronicle = JobChronicle(Runtime(default_paths()), entry)
    assert chronicle.over(Runtime(default_paths()))


def test_waited_for(vmpod: Vmpod, jobs: JobStore, entry: JobEntry) -> None:
    unattended = vmpod("wait", "job/shop/sum", "--for=condition=complete")
    assert (unattended.status, "nobody attends to the Job shop/sum" in unattended.err) == (125, True)
    assert "`vmpod apply -f FILE` goes on with it" in unattended.err
    jobs.save(dataclasses.replace(entry.record, renamed=True))
    assert "`vmpod run -d --name sum FILE` goes on with it" in vmpod("wait", "job/shop/sum").err
    assert "a Job has no phase Running" in vmpod("wait", "job/shop/sum", "--for=phase=Running").err
    assert "a Job has no condition Ready" in vmpod("wait", "job/shop/sum", "--for=condition=Ready").err
    finish(jobs, entry)
    assert vmpod("wait", "job/shop/sum").status == 0
    assert vmpod("wait", "job/shop/sum", "--for=condition=complete").out == "job/shop/sum condition met\n"
    assert vmpod("wait", "job/shop/sum", "--for=jsonpath={.status.succeeded}=1").status == 0
    more = vmpod("wait", "job/shop/sum", "--for=jsonpath={.status.succeeded}=2")
    assert "has ended (Complete: Because), without {.status.succeeded}=2" in more.err
    assert "without condition Failed=True" in vmpod("wait", "job/shop/sum", "--for=condition=failed").err
    assert vmpod("wait", "job/shop/sum", "--for=delete", "--timeout=0").status == 124


def test_a_pod_has_no_conditions_of_a_job(vmpod: Vmpod, pods: PodStore) -> None:
    keep(pods, record(qemu=GONE), agent(), whole("Succeeded"))
    assert "a pod has no condition Complete=True" in vmpod("wait", "web", "--for=condition=complete").err


def test_deleted_with_its_pods(vmpod: Vmpod, jobs: JobStore, pods: PodStore, entry: JobEntry) -> None:
    keep(pods, record(qemu=GONE), agent(), whole("Succeeded"))
    assert vmpod("delete", "job/shop/sum", "web").out == "job/shop/sum deleted\npod/web deleted\n"
    assert (list(pods.keys()), list(jobs.keys())) == ([], [])
    assert not entry.directory.exists()


def test_its_time_is_over(vmpod: Vmpod, jobs: JobStore, pods: PodStore) -> None:
    found = read_job(ttlSecondsAfterFinished=60)
    entry = jobs.save(job_record(found))
    keep(pods, pod_record(found, "sum-aaaaa", qemu=GONE), *ENDED)
    finish(jobs, entry)
    assert len(vmpod("get", "jobs").out.splitlines()) == 1, "by the next who looks"
    assert list(pods.keys()) == []


def test_validated_planned_and_compared(vmpod: Vmpod, tmp_path: Path, entry: JobEntry) -> None:
    path = tmp_path / "job.json"
    path.write_text(json.dumps(job(completions=2)))
    assert vmpod("validate", path).out == f"{path}: valid (job/sum)\n"
    check(json.loads(vmpod("validate", path, "-o", "json").out))
    assert vmpod("diff", "-f", path).status == 0
    path.write_text(json.dumps(job(completions=3)))
    changed = vmpod("diff", "-f", path)
    assert (changed.status, "+  completions: 3" in changed.out) == (1, True)
    path.write_text(json.dumps(indexed(name="new")))
    assert vmpod("diff", "-f", path).out == "job/shop/new is not there\n"
    plans = json.loads(vmpod("plan", "--accel", "tcg", "-o", "json", path).out)
    check(plans)
    (plan,) = plans["items"]
    assert (plan["pod"]["name"], plan["boot"]["pod"]["hostname"]) == ("new-0-xxxxx", "new-0")


@pytest.mark.parametrize(
    ("options", "documents", "told"),
    [
        ([], [job(), job(name="other")], "has a Job beside others"),
        (["--publish", "80:80"], [job()], "--publish: the pods of a Job are several"),
        (["--timings"], [job()], "--timings: a Job starts pods as it goes"),
        (["-d", "--timeout", "5"], [job()], "--timeout: with -d nobody waits"),
        ([], [job(suspend=True)], "the Job sum is suspended"),
        ([], [job()], "there is a Job shop/sum already"),
        (["--name", "Bad"], [job()], "--name Bad: must be"),
    ],
)
@pytest.mark.usefixtures("entry")
def test_what_cannot_be_run(
    vmpod: Vmpod, tmp_path: Path, options: list[str], documents: list[dict[str, object]], told: str
) -> None:
    path = tmp_path / "job.yaml"
    path.write_text("\n---\n".join(map(json.dumps, documents)))
    result = vmpod("run", "--accel", "tcg", *options, path)
    assert (result.status, result.out) == (125, "")
    assert told in result.err
