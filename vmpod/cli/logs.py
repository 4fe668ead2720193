"""`vmpod logs`."""

from __future__ import annotations

import click

from vmpod.cli.common import runtime
from vmpod.cli.output import Printer
from vmpod.errors import NotFoundError
from vmpod.state.record import Record


@click.command("logs")
@click.argument("pod")
@click.option("-f", "--follow", is_flag=True, help="Go on until the pod has ended.")
@click.option(
    "-c", "--container", multiple=True, metavar="NAME", help="Only this container; may be repeated."
)
@click.option("--timestamps", is_flag=True, help="Say when each line was written.")
def command(pod: str, follow: bool, container: tuple[str, ...], timestamps: bool) -> None:
    """Show what the containers of a POD wrote: stdout on stdout, stderr on stderr.

    Logs are there as long as the pod is, whether it runs or not. With several containers each line has
    its container's name.
    """
    from vmpod.runtime.follow import output  # noqa: PLC0415

    entry = runtime().pods.find(pod)
    names = [*entry.record.init_containers, *entry.record.containers]
    _check(container, names, entry.record)
    printer = Printer(prefix=len(container or names) > 1, timestamps=timestamps)
    for each in output(entry, follow=follow, containers=frozenset(container) or None):
        printer.show(each)
    printer.finish()


def _check(wanted: tuple[str, ...], names: list[str], record: Record) -> None:
    for name in wanted:
        if name not in names:
            raise NotFoundError(
                f"the pod {record.key} has no container {name!r}", hint=f"it has {', '.join(names)}"
            )
