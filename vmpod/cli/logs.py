"""`vmpod logs`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vmpod.cli.common import runtime
from vmpod.cli.jobs import job_name
from vmpod.cli.moments import since_option
from vmpod.cli.names import POD_OR_JOB, containers_option
from vmpod.cli.output import Printer
from vmpod.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from vmpod.runtime.context import Runtime
    from vmpod.runtime.follow import Selection
    from vmpod.state.store import PodEntry
    from vmpod.wire.journal import Entry


@click.command("logs")
@click.argument("pod", type=POD_OR_JOB, metavar="POD|job/NAME")
@click.option("-f", "--follow", is_flag=True, help="Go on until the pod has ended, or the Job is over.")
@containers_option
@click.option("-p", "--previous", is_flag=True, help="Of the run before a container's present one.")
@click.option(
    "--tail", type=click.IntRange(min=0), metavar="LINES", help="Only the last lines of each container."
)
@since_option
@click.option("--timestamps", is_flag=True, help="Say when each line was written.")
def command(  # noqa: PLR0917 - click passes options by name
    pod: str,
    follow: bool,
    container: tuple[str, ...],
    previous: bool,
    tail: int | None,
    since: str,
    timestamps: bool,
) -> None:
    """Show what the containers of a POD wrote: stdout on stdout, stderr on stderr.

    Logs are there as long as the pod is, whether it runs or not. With several containers each line has
    its container's name. Of a container that was started again the present run is shown; --previous
    shows the one before. `vmpod run --log-max-size` says how much is kept.

    Of a Job the logs of all its pods are shown, one after the other, or with --follow as they come; each
    line has its pod's name, too.
    """
    from vmpod.runtime.follow import Selection, output  # noqa: PLC0415

    found = runtime()
    wanted = Selection(frozenset(container) or None, previous=previous, since=since, tail=tail)
    job = job_name(found, pod)
    if job is not None:
        _show_job(found, job, wanted, timestamps=timestamps, follow=follow)
        return
    entry = found.pods.find(pod)
    names = entry.record.logged_containers
    _check_names(container, f"pod {entry.record.called} has", names)
    printer = Printer(prefix=len(container or names) > 1, timestamps=timestamps)
    for each in output(found, entry, wanted, follow=follow):
        printer.show(each)
    printer.finish()


def _show_job(runtime: Runtime, name: str, wanted: Selection, *, timestamps: bool, follow: bool) -> None:
    from vmpod.runtime.jobs import output  # noqa: PLC0415
    from vmpod.state.record import containers_of  # noqa: PLC0415

    entry = runtime.jobs.find(name)
    there = [each["name"] for each in containers_of(entry.record.spec["template"]["spec"])]
    _check_names(wanted.containers or (), f"Job {name} has", there)
    printer = Printer(prefix=True, timestamps=timestamps)

    def show(pod: PodEntry, each: Entry) -> None:
        printer.show(each, pod.record.name)

    (output.follow if follow else output.show_all)(runtime, entry, show, wanted)
    printer.finish()


def _check_names(wanted: Iterable[str], who: str, there: Sequence[str]) -> None:
    for name in wanted:
        if name not in there:
            raise NotFoundError(f"the {who} no container {name!r}", hint=f"it has {', '.join(there)}")
