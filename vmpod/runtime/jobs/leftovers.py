"""What `prune` does about Jobs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from vmpod import lock
from vmpod.errors import HostError
from vmpod.removable import Removable, disk_usage
from vmpod.runtime.context import Runtime
from vmpod.runtime.jobs.make import expired, remove_job
from vmpod.runtime.jobs.observe import pods_of


def unfinished(runtime: Runtime) -> frozenset[str]:
    """The uids of the Jobs that are not over."""
    found = set()
    for entry in runtime.jobs.list(problems=[]):
        try:
            over = runtime.jobs.course(entry).end is not None
        except HostError:
            over = False
        if not over:
            found.add(entry.record.uid)
    return frozenset(found)


def prune_jobs(runtime: Runtime, *, dry_run: bool) -> Iterator[Removable]:
    """Remove Jobs whose time to be kept is over, with their pods, and what is left of cut-off removals."""
    for path in runtime.jobs.stale_locks():
        with lock.if_free(path) as free:
            if free and not dry_run:
                path.unlink(missing_ok=True)
        yield Removable("lock", f"jobs/{path.name}", disk_usage(path))
    problems: list[HostError] = []
    entries = runtime.jobs.list(problems=problems)
    for entry in filter(lambda each: expired(runtime, each), entries):
        pods = pods_of(runtime, entry.record)
        size = sum(disk_usage(path) for path in (entry.directory, *(pod.directory for pod in pods)))
        if not dry_run:
            remove_job(runtime, entry.record.called)
        yield Removable("job", entry.record.called, size)
    known = {entry.record.key for entry in entries}
    # A directory whose record cannot be read is somebody's.
    for key in () if problems else runtime.jobs.keys():
        if key not in known and runtime.jobs.attendant(key) is None:
            directory = runtime.jobs.directory(key)
            size = disk_usage(directory)
            if not dry_run:
                shutil.rmtree(directory, ignore_errors=True)
            yield Removable("leftover", str(directory), size)
