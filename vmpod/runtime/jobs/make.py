"""Making Jobs what manifests say, and removing them with their pods."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from vmpod.errors import ConflictError, NotFoundError, VmpodError
from vmpod.plan.forward import pod_key
from vmpod.progress import SILENT, Progress
from vmpod.runtime.context import Runtime
from vmpod.runtime.difference import difference, without_status
from vmpod.runtime.documents import config_maps, config_names
from vmpod.runtime.jobs.observe import pods_of
from vmpod.runtime.plan import plan_pods
from vmpod.runtime.remove import remove_pod, stop_pod
from vmpod.runtime.start import Options, ensure_images
from vmpod.spec.jobmodel import Job
from vmpod.spec.jobpods import first_pod
from vmpod.spec.model import Manifest
from vmpod.state.jobrecord import JobRecord
from vmpod.state.jobs import JobEntry
from vmpod.state.record import moment

MUTABLE = (
    "parallelism",
    "suspend",
    "backoffLimit",
    "maxFailedIndexes",
    "activeDeadlineSeconds",
    "ttlSecondsAfterFinished",
)
"""What of a Job's spec can be changed while it is under way. Source: Kubernetes, ValidateJobSpecUpdate."""

_PATIENCE = 60.0  # seconds for who attends to a Job to let it go
_FOREGROUND = 600.0  # seconds if that is a command in the foreground, which stops its pods first


def check(
    runtime: Runtime, job: Job, manifest: Manifest, options: Options, progress: Progress = SILENT
) -> None:
    """Get the images of its pods, and see whether one could be planned. Raises VmpodError."""
    pod = first_pod(job)
    ensure_images(runtime, pod, progress)
    runtime.guests.ensure(progress)
    plan_pods(runtime, replace(manifest, pods=(pod,), jobs=()), options)


def existing(runtime: Runtime, job: Job) -> JobEntry | None:
    """The Job of that name, if there is one."""
    return runtime.jobs.lookup(pod_key(job.namespace, job.name))


def going_on(name: str | None) -> str:
    """The command that goes on with a Job, for hints: `apply` knows manifests' names alone.

    name: what the Job was given in place of the manifest's, or None.
    """
    return "vmpod apply -f FILE" if name is None else f"vmpod run -d --name {name} FILE"


def record_of(job: Job, manifest: Manifest, options: Options, *, renamed: bool) -> JobRecord:
    """What is written down about a new Job."""
    return JobRecord(
        uid=str(uuid.uuid4()),
        name=job.name,
        namespace=job.namespace,
        created=moment(time.time()),
        accelerator=options.accelerator,
        uri=options.uri,
        logs=options.logs,
        boot_timeout=options.boot_timeout,
        template=options.template,
        document=job.document,
        config=config_maps(manifest, job.namespace),
        secrets=bool(manifest.secrets),
        manifest=str(options.file.absolute()) if options.file else "",
        renamed=renamed,
    )


def differences(entry: JobEntry, job: Job, manifest: Manifest) -> list[str]:
    """The lines of a unified diff from the Job that is there to the manifest's; none if they are the same."""
    names = config_names(job.template)

    def used(config: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        return [each for each in config if each["metadata"]["name"] in names]

    before = [without_status(entry.record.document), *used(entry.record.config)]
    after = [without_status(job.document), *used(config_maps(manifest, job.namespace))]
    return difference(f"job/{job.name}", before, after, job.source)


def changeable(entry: JobEntry, job: Job) -> bool:
    """Whether the Job can become what the document says while it is under way."""
    return _fixed(entry.record.document) == _fixed(job.document)


def _fixed(document: Mapping[str, Any]) -> dict[str, Any]:
    """What of a document cannot be changed."""
    return {name: value for name, value in (document.get("spec") or {}).items() if name not in MUTABLE}


def dismiss(runtime: Runtime, key: str, *, foreground: bool) -> None:
    """Let whoever attends to a Job go; its pods run on.

    foreground: also a command that waits for its end, which stops its pods. Raises ConflictError.
    """
    attendant = runtime.jobs.attendant(key)
    if attendant is None or attendant.process is None:
        return  # or it is about to: then whoever wants the lock waits for it
    if attendant.foreground and not foreground:
        raise ConflictError(
            f"the Job {key} is run in the foreground by the process {attendant.process.pid}",
            hint="end that with Ctrl-C first",
        )
    attendant.process.terminate()
    if not attendant.process.wait(_FOREGROUND if attendant.foreground else _PATIENCE):
        attendant.process.end()


def remove_job(runtime: Runtime, name: str, *, grace: int | None = None, force: bool = False) -> None:
    """Remove a Job with its pods and all that is kept of them, as `delete` does.

    grace: seconds for what runs, None for the pods' own. force: do not wait for anything to end.
    Raises NotFoundError.
    """
    entry = runtime.jobs.find(name)
    key = entry.record.key
    dismiss(runtime, key, foreground=True)
    with runtime.jobs.attending(key, foreground=False):
        remove_attended(runtime, entry, grace=grace, force=force)


def remove_attended(
    runtime: Runtime, entry: JobEntry, *, grace: int | None = None, force: bool = False
) -> None:
    """As remove_job, by who attends to it."""
    for pod in pods_of(runtime, entry.record):
        try:
            if not force:
                stop_pod(runtime, pod.record.called, grace=grace)
            remove_pod(runtime, pod.record.called, force=True)
        except NotFoundError:
            continue  # somebody else was quicker
    runtime.jobs.delete(entry.record.key)


def expire(runtime: Runtime) -> list[str]:
    """Remove Jobs that are over, and whose time to be kept is, too; what commands call them."""
    gone = []
    for entry in runtime.jobs.list(problems=[]):
        if expired(runtime, entry):
            try:
                remove_job(runtime, entry.record.called)
            except VmpodError:
                continue  # another command is at it
            gone.append(entry.record.called)
    return gone


def expired(runtime: Runtime, entry: JobEntry) -> bool:
    """Whether that has come, and nobody attends to it who would see to it."""
    due = expiry(runtime, entry)
    return due is not None and time.time() >= due and runtime.jobs.attendant(entry.record.key) is None


def expiry(runtime: Runtime, entry: JobEntry) -> float | None:
    """When the Job is to be removed (seconds since the epoch); None if nobody has asked for it."""
    ttl = entry.record.spec.get("ttlSecondsAfterFinished")
    try:
        end = runtime.jobs.course(entry).end
    except VmpodError:
        return None
    return end.since + ttl if end and isinstance(ttl, int) else None
