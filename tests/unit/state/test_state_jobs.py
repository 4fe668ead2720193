"""What is kept of Jobs, and who attends to them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.schemas import check
from tests.unit.spec.test_spec_jobs import read_job
from tests.unit.state.jobs import BEGUN, job_record
from vmpod.errors import ConflictError, HostError, NotFoundError
from vmpod.paths import Paths
from vmpod.plan.jobs.course import Attempt, Condition, Course, Seen
from vmpod.plan.loglimits import LogLimits
from vmpod.state.jobs import Attendant, JobEntry, JobStore
from vmpod.state.jobstatus import JobState, failed_code, to_kubernetes

COURSE = Course(
    BEGUN,
    None,
    (
        Attempt("sum-0-aaaaa", "u0", 0, "succeeded", BEGUN + 5),
        Attempt("sum-1-bbbbb", "u1", 1, "failed", BEGUN + 6, code=300),
        Attempt("sum-1-ccccc", "u2", 1, stopping=True),
        Attempt("sum-2-ddddd", "u3", 2),
    ),
    (Condition("Suspended", "JobResumed", "Job resumed", BEGUN, status=False),),
)


@pytest.fixture
def jobs(tmp_path: Path) -> JobStore:
    return JobStore(Paths(data=tmp_path / "data", state=tmp_path / "state", runtime=tmp_path / "run"))


def test_what_is_written_is_read(jobs: JobStore) -> None:
    record = job_record(logs=LogLimits(1 << 20, 2), boot_timeout=3.5, config=({"metadata": {"name": "m"}},))
    entry = jobs.save(record)
    assert jobs.find("shop/sum") == entry
    assert jobs.find("shop/sum").record == record
    assert (record.key, record.called) == ("shop_sum", "shop/sum")
    assert jobs.course(entry) == Course()
    jobs.save_course(entry, COURSE)
    assert jobs.course(entry) == COURSE
    jobs.delete(record.key)
    assert jobs.list() == []
    with pytest.raises(NotFoundError, match="no Job 'shop/sum'"):
        jobs.find("shop/sum")


@pytest.mark.parametrize("content", ["", "[]", '{"version": 1}', '{"version": 99}', "{}"])
def test_damaged_records_are_told_and_hide_no_others(jobs: JobStore, content: str) -> None:
    jobs.save(job_record())
    other = jobs.directory("other")
    other.mkdir()
    (other / "job.json").write_text(content)
    problems: list[HostError] = []
    assert [entry.record.name for entry in jobs.list(problems=problems)] == ["sum"]
    assert str(other) in problems[0].message
    with pytest.raises(HostError):
        jobs.list()


@pytest.mark.parametrize("content", ["", "[]", '{"attempts": [{"mood": 1}], "conditions": []}', "{}"])
def test_a_damaged_course_is_told(jobs: JobStore, content: str) -> None:
    entry = jobs.save(job_record())
    (entry.directory / "course.json").write_text(content)
    with pytest.raises(HostError, match=r"course\.json is damaged"):
        jobs.course(entry)


HOLD = """\
import sys
from pathlib import Path
from vmpod.paths import Paths
from vmpod.state.jobs import JobStore
top = Path(sys.argv[1])
jobs = JobStore(Paths(data=top / "data", state=top / "state", runtime=top / "run"))
with jobs.attending("shop_sum", foreground=True):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_never_two_attend_to_one_job(jobs: JobStore, tmp_path: Path) -> None:
    key = jobs.save(job_record()).record.key
    assert jobs.attendant(key) is None
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout
        assert other.stdout.readline() == b"held\n"
        found = jobs.attendant(key)
        assert found
        assert found.process
        assert (found.process.pid, found.foreground) == (other.pid, True)
        with (
            pytest.raises(ConflictError, match="working on the Job"),
            jobs.attending(key, foreground=False, timeout=0),
        ):
            pass
        # However it ends.
        other.kill()
        other.wait()
        assert jobs.attendant(key) is None
        assert [path.name for path in jobs.stale_locks()] == [key]
    with jobs.attending(key, foreground=False, timeout=0):
        found = jobs.attendant(key)
        assert found
        assert found.process
        assert found.process.pid == os.getpid()
    assert jobs.attendant(key) is None
    assert jobs.stale_locks() == []


def test_events_are_kept_within_bounds(jobs: JobStore) -> None:
    entry = jobs.save(job_record())
    assert list(jobs.events(entry)) == []
    for _ in range(3):
        jobs.say(entry, "Warning", "PodFailed", "x" * 600_000)
    (first, second) = jobs.events(entry)
    assert (first.kind, first.reason, len(second.message)) == ("Warning", "PodFailed", 600_000)
    with (entry.directory / "events").open("a") as file:
        file.write('{"moment": "cut')
    assert len(list(jobs.events(entry))) == 2


def state(spec: dict[str, Any], course: Course = COURSE, attendant: Attendant | None = None) -> JobState:
    job = read_job(**spec)
    store = JobStore(Paths(data=Path("/n"), state=Path("/n"), runtime=Path("/n")))
    entry = store.directory("sum")
    return JobState(JobEntry(job_record(job), entry), course, [Seen("p", "u3", 2, ready=True)], attendant)


INDEXED = {"completionMode": "Indexed", "completions": 4, "parallelism": 3, "backoffLimitPerIndex": 0}


def test_as_kubernetes_shows_it() -> None:
    found = to_kubernetes(state(INDEXED))
    check(found)
    assert found["metadata"]["name"] == "sum"
    assert found["status"] == {
        "active": 1,
        "ready": 1,
        "terminating": 1,
        "succeeded": 1,
        "failed": 1,
        "startTime": "2026-01-31T12:00:00Z",
        "completedIndexes": "0",
        "failedIndexes": "1",
        "conditions": [
            {
                "type": "Suspended",
                "status": "False",
                "reason": "JobResumed",
                "message": "Job resumed",
                "lastProbeTime": "2026-01-31T12:00:00Z",
                "lastTransitionTime": "2026-01-31T12:00:00Z",
            }
        ],
    }


def over(kind: str) -> Course:
    return COURSE.with_condition(Condition(kind, "Because", "so", BEGUN + 60))


def test_in_a_word() -> None:
    assert state(INDEXED).summary == "Unattended"
    assert state(INDEXED, attendant=Attendant(None)).summary == "Running"
    assert state(INDEXED | {"suspend": True}).summary == "Suspended"
    assert state(INDEXED, over("Failed")).summary == "Failed"
    assert state(INDEXED, over("FailureTarget"), Attendant(None)).summary == "FailureTarget"
    assert state(INDEXED, over("Complete")).duration(0.0) == 60
    assert state(INDEXED).duration(BEGUN + 7) == 7
    specs: tuple[dict[str, Any], ...] = (INDEXED, {}, {"parallelism": 3})
    assert [state(spec).completions for spec in specs] == ["1/4", "1/1", "1/1 of 3"]


def test_the_exit_status_of_a_failed_job() -> None:
    assert failed_code(COURSE) == 300 - 256
    assert failed_code(Course()) == 1
    assert failed_code(Course(attempts=(Attempt("a", "a", outcome="failed", code=256),))) == 1
