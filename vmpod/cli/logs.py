"""`vmpod logs`."""

from __future__ import annotations

import click

from vmpod.cli.common import runtime
from vmpod.cli.moments import since_option
from vmpod.cli.names import POD, containers_option
from vmpod.cli.output import Printer
from vmpod.errors import NotFoundError
from vmpod.state.record import Record


@click.command("logs")
@click.argument("pod", type=POD)
@click.option("-f", "--follow", is_flag=True, help="Go on until the pod has ended.")
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
    """
    from vmpod.runtime.follow import Selection, output  # noqa: PLC0415

    found = runtime()
    entry = found.pods.find(pod)
    names = entry.record.logged_containers
    _check(container, entry.record)
    printer = Printer(prefix=len(container or names) > 1, timestamps=timestamps)
    wanted = Selection(frozenset(container) or None, previous=previous, since=since, tail=tail)
    for each in output(found, entry, wanted, follow=follow):
        printer.show(each)
    printer.finish()


def _check(wanted: tuple[str, ...], record: Record) -> None:
    for name in wanted:
        if name not in record.logged_containers:
            raise NotFoundError(
                f"the pod {record.key} has no container {name!r}",
                hint=f"it has {', '.join(record.logged_containers)}",
            )
