"""How Jobs are named on the command line, and how they look in lists."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from vmpod.cli import render
from vmpod.cli.listing import Filter, Kind, label_filter, name_filter, text_filter, time_filter

if TYPE_CHECKING:
    from vmpod.runtime.context import Runtime
    from vmpod.state.jobs import JobEntry
    from vmpod.state.jobstatus import JobState

_PREFIXES = ("job/", "jobs/", "job.batch/", "jobs.batch/")
ALL = frozenset(("job", "jobs", "job.batch", "jobs.batch"))
"""Words that stand for Jobs as such."""


def job_name(runtime: Runtime, text: str) -> str | None:
    """The name of the Job that 'job/NAME' or 'job/NAMESPACE/NAME' means; None if a word is a pod's name."""
    prefix = next((each for each in _PREFIXES if text.startswith(each)), None)
    if prefix is None:
        return None
    name = text.removeprefix(prefix)
    return None if _is_pod(runtime, text) and not _is_job(runtime, name) else name


def _is_pod(runtime: Runtime, text: str) -> bool:
    """Whether it is the name of a pod in a namespace that is called so."""
    return runtime.pods.directory(text.replace("/", "_")).exists()


def _is_job(runtime: Runtime, name: str) -> bool:
    return runtime.jobs.directory(name.replace("/", "_")).exists()


def each_kind(
    runtime: Runtime, pod: Callable[[str], None], job: Callable[[str], None]
) -> Callable[[str], None]:
    """What to do with a name on the command line: the one with a pod's, the other with a Job's."""

    def action(text: str) -> None:
        name = job_name(runtime, text)
        if name is None:
            pod(text)
        else:
            job(name)

    return action


def kubernetes(job: JobState) -> dict[str, Any]:
    """A Job as a batch/v1 Job object."""
    from vmpod.state.jobstatus import to_kubernetes  # noqa: PLC0415 - a table does without

    return to_kubernetes(job)


def called(entry: JobEntry) -> str:
    """What commands call the Job."""
    return f"job/{entry.record.called}"


def labels(entry: JobEntry) -> Mapping[str, str]:
    """metadata.labels."""
    return entry.record.metadata("labels")


def _rows(job: JobState) -> list[list[str]]:
    duration = job.duration(time.time())
    containers = job.spec["template"]["spec"]["containers"]
    return [
        [
            job.entry.record.called,
            job.summary,
            job.completions,
            "" if duration is None else render.duration(int(duration)),
            render.age(job.entry.record.created),
            str(job.attendant.process.pid) if job.attendant and job.attendant.process else "-",
            ",".join(str(each.get("name")) for each in containers),
            ",".join(str(each.get("image")) for each in containers),
        ]
    ]


def _created(job: JobState) -> float:
    from vmpod.cli.moments import epoch  # noqa: PLC0415 - rarely used

    return epoch(job.entry.record.created)


_FILTERS: Mapping[str, Filter[JobState]] = {
    "name": name_filter(lambda job: job.entry.record.called),
    "label": label_filter(lambda job: labels(job.entry)),
    "uid": text_filter(lambda job, text: bool(text) and job.entry.record.uid.startswith(text.lower())),
    "namespace": text_filter(lambda job, text: job.entry.record.namespace == text),
    "status": text_filter(lambda job, text: job.summary.casefold() == text.casefold()),
    "since": time_filter(_created, before=False),
    "until": time_filter(_created, before=True),
}

JOBS: Kind[JobState] = Kind(
    list_kind="List",
    api_version="v1",
    header=["NAME", "STATUS", "COMPLETIONS", "DURATION", "AGE", "PROCESS", "CONTAINERS", "IMAGES"],
    narrow=5,
    rows=_rows,
    to_json=kubernetes,
    names=lambda job: [called(job.entry)],
    labels=lambda job: labels(job.entry),
    filters=_FILTERS,
)
