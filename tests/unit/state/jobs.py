"""Jobs on disk, for tests of what is kept of them."""

from __future__ import annotations

import os
from typing import Any

from tests.unit.spec.test_spec_jobs import read_job
from tests.unit.state.records import record
from vmpod.process import Process
from vmpod.spec.jobmodel import Job
from vmpod.spec.jobpods import job_pod
from vmpod.state.jobrecord import JobRecord
from vmpod.state.record import Record

UID = f"87654321-1234-5678-1234-{os.getpid():012d}"
BEGUN = 1769860800.0
"""The moment of records, in seconds since the epoch."""


def job_record(job: Job | None = None, **fields: Any) -> JobRecord:
    """A Job's record; its namespace is 'shop'."""
    job = job or read_job()
    values: dict[str, Any] = {
        "uid": UID,
        "name": job.name,
        "namespace": job.namespace,
        "created": "2026-01-31T12:00:00Z",
        "accelerator": "tcg",
        "document": job.document,
    }
    return JobRecord(**(values | fields))


def pod_record(job: Job, name: str, index: int | None = None, **fields: Any) -> Record:
    """The record of a pod that a Job has made, whose machine runs (it is this process)."""
    document = job_pod(job, UID, name, index).document
    containers = {"containers": ("c",), "init_containers": ()}
    # Each pod has a uid of its own.
    uid = f"{abs(hash(name)) % 10**8:08d}{UID[8:]}"
    alive = Process.of(os.getpid())
    values: dict[str, Any] = {"uid": uid, "namespace": job.namespace, "document": document, "qemu": alive}
    return record(name, **(values | containers | fields))
