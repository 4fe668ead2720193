"""`vmpod get`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vmpod.cli.common import for_each, runtime
from vmpod.cli.jobs import ALL, JOBS, job_name
from vmpod.cli.jobs import kubernetes as job_object
from vmpod.cli.listing import Wanted, listing_options, show
from vmpod.cli.main import show_errors
from vmpod.cli.names import POD_OR_JOB
from vmpod.cli.pods import PODS, Pod, kubernetes
from vmpod.errors import HostError, UsageError
from vmpod.plan.forward import pod_key
from vmpod.spec.metadata import DEFAULT_NAMESPACE
from vmpod.state.store import KINDS

if TYPE_CHECKING:
    from vmpod.runtime.context import Runtime
    from vmpod.state.jobstatus import JobState


@click.command("get")
@click.argument("names", type=POD_OR_JOB, nargs=-1, metavar="[POD|job/NAME|jobs]...")
@listing_options
def command(names: tuple[str, ...], wanted: Wanted) -> int:
    """Show PODs, or without a name every pod, whether or not it runs; or Jobs.

    With -o json or yaml one named POD is a v1 Pod object with its status; several, or all, are a List of
    such objects. Filters are those of `vmpod ps`. Their status.hostIP is that of one who asks on the host,
    127.0.0.1; the downward API tells programs in the pod the address by which they reach the host, 10.0.2.2.

    `jobs` stands for every Job; a Job is a batch/v1 Job object. Filters of Jobs are name, label, uid,
    namespace, status, since and until. A pod that is called `jobs` is `default/jobs` here. `pods` and
    `pod/NAME` may be written out, as for kubectl.
    """
    found = runtime()
    jobs = _jobs_named(found, names)
    if jobs is not None:
        return _show_jobs(found, jobs, wanted)
    if names and names[0] in KINDS and not found.pods.lookup(pod_key(DEFAULT_NAMESPACE, names[0])):
        names = names[1:]
    pods: list[Pod] = []
    status = _named(found, names, pods) if names else _all(found, pods)
    if len(names) == 1 and pods and wanted.output.structured and not _selects(wanted):
        wanted.output.show(kubernetes(pods[0]))
    elif pods or not names:
        show(PODS, pods, wanted)
    return status


def _selects(wanted: Wanted) -> bool:
    return bool(wanted.quiet or wanted.selector or wanted.filters)


def _named(runtime: Runtime, names: tuple[str, ...], found: list[Pod]) -> int:
    pods = runtime.pods

    def action(name: str) -> None:
        entry = pods.find(name)
        found.append((entry, pods.status(entry)))

    return for_each(names, action)


def _all(runtime: Runtime, found: list[Pod]) -> int:
    pods = runtime.pods
    problems: list[HostError] = []
    found += [(entry, pods.status(entry)) for entry in pods.list(problems=problems)]
    return show_errors(problems)


def _jobs_named(runtime: Runtime, names: tuple[str, ...]) -> tuple[str, ...] | None:
    """The names of the Jobs that are asked for, () for all; None if pods are. Raises UsageError for both."""
    if names and names[0] in ALL:
        return names[1:]
    jobs = tuple(name for each in names if (name := job_name(runtime, each)) is not None)
    if jobs and len(jobs) < len(names):
        raise UsageError("Jobs and pods are not shown together")
    return jobs or None


def _show_jobs(runtime: Runtime, names: tuple[str, ...], wanted: Wanted) -> int:
    from vmpod.runtime.jobs.make import expire  # noqa: PLC0415
    from vmpod.runtime.jobs.observe import state_of  # noqa: PLC0415

    expire(runtime)
    found: list[JobState] = []
    problems: list[HostError] = []
    if names:
        status = for_each(names, lambda name: found.append(state_of(runtime, runtime.jobs.find(name))))
    else:
        entries = runtime.jobs.list(problems=problems)
        status = for_each(
            [entry.record.called for entry in entries],
            lambda name: found.append(state_of(runtime, runtime.jobs.find(name))),
        )
    if len(names) == 1 and found and wanted.output.structured and not _selects(wanted):
        wanted.output.show(job_object(found[0]))
    elif found or not names:
        show(JOBS, found, wanted)
    return show_errors(problems) or status
