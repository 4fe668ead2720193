"""What `vmpod apply` does about one Job."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from vmpod.dataclass import dataclass
from vmpod.errors import ConflictError
from vmpod.progress import Progress
from vmpod.runtime.context import Runtime
from vmpod.runtime.documents import config_maps
from vmpod.runtime.immutable import check_immutable
from vmpod.runtime.jobs import background
from vmpod.runtime.jobs.make import (
    changeable,
    check,
    differences,
    dismiss,
    existing,
    record_of,
    remove_attended,
    remove_job,
)
from vmpod.runtime.jobs.observe import state_of
from vmpod.runtime.start import Options
from vmpod.spec.jobmodel import Job
from vmpod.spec.model import Manifest
from vmpod.state.jobs import JobEntry


@dataclass(frozen=True)
class Given:
    """What a manifest gives of a Job. texts: the manifest itself; name: the Job's, if not the manifest's."""

    job: Job
    manifest: Manifest
    texts: Sequence[tuple[str, str]]
    options: Options
    name: str | None = None


def create(runtime: Runtime, given: Given, progress: Progress) -> JobEntry:
    """Make a new Job, and have a process attend to it. Raises VmpodError; then nothing of it is left."""
    job, options = given.job, given.options
    check(runtime, job, given.manifest, options, progress)
    record = record_of(job, given.manifest, options, renamed=given.name is not None)
    with runtime.jobs.attending(record.key, foreground=False):
        if existing(runtime, job):
            raise ConflictError(f"there is a Job {record.called} already")
        entry = runtime.jobs.save(record)
    try:
        with progress.phase("Starting the Job"):
            background.begin(entry, given.texts, given.name)
    except BaseException:
        dismiss(runtime, record.key, foreground=False)
        with runtime.jobs.attending(record.key, foreground=False):
            remove_attended(runtime, entry, force=True)
        raise
    return entry


def apply(runtime: Runtime, given: Given, progress: Progress, tell: Callable[[Sequence[str]], None]) -> str:
    """Make the Job what the manifest says, and return what was done.

    tell: gets the lines of the difference to a Job that has to be made anew. Raises VmpodError.
    """
    entry = existing(runtime, given.job)
    if entry is None:
        create(runtime, given, progress)
        return "created"
    lines = differences(entry, given.job, given.manifest)
    if not lines:
        return _go_on(runtime, entry, given, progress)
    if changeable(entry, given.job):
        check_immutable(
            f"the Job {entry.record.called}", given.job.template, given.manifest, config=entry.record.config
        )
        return _change(runtime, entry, given, progress)
    tell(lines)
    if not given.options.replace:
        raise ConflictError(
            f"the Job {entry.record.called} is there already, and not as {given.job.source} says",
            hint="--replace removes it with its pods, and makes it anew",
        )
    remove_job(runtime, entry.record.called)
    create(runtime, given, progress)
    return "replaced"


def resume(runtime: Runtime, given: Given, progress: Progress) -> JobEntry | None:
    """Go on with a Job that is there as the manifest says, is not over and has nobody; else None."""
    entry = existing(runtime, given.job)
    if entry is None or differences(entry, given.job, given.manifest):
        return None
    return entry if _go_on(runtime, entry, given, progress) == "continued" else None


def _go_on(runtime: Runtime, entry: JobEntry, given: Given, progress: Progress) -> str:
    """Have a process attend to the Job, if nobody does and there is something to do."""
    state = state_of(runtime, entry)
    idle = state.suspended and not state.course.of("")
    if state.attendant or state.course.end or idle:
        return "unchanged"
    with progress.phase("Going on with the Job"):
        background.begin(entry, given.texts, given.name)
    return "continued"


def _change(runtime: Runtime, entry: JobEntry, given: Given, progress: Progress) -> str:
    """Write down what the manifest says, for another process to attend to it."""
    key = entry.record.key
    dismiss(runtime, key, foreground=False)
    with runtime.jobs.attending(key, foreground=False):
        record = replace(
            entry.record,
            document=given.job.document,
            config=config_maps(given.manifest, given.job.namespace),
            secrets=bool(given.manifest.secrets),
        )
        entry = runtime.jobs.save(record)
        over = runtime.jobs.course(entry).end
    if not over:
        with progress.phase("Going on with the Job"):
            background.begin(entry, given.texts, given.name)
    return "configured"
