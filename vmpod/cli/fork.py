"""`vmpod fork`."""

from __future__ import annotations

import click

from vmpod.cli import render
from vmpod.cli.common import quiet_option, runtime
from vmpod.cli.interrupt import Interruption, interruptible
from vmpod.cli.listing import Output, output_option
from vmpod.cli.names import POD
from vmpod.cli.progress import progress
from vmpod.errors import UsageError
from vmpod.state.store import PodEntry

_MOST = 1000


@click.command("fork")
@click.argument("pod", type=POD)
@click.option("--count", type=click.IntRange(1, _MOST), default=1, show_default=True, help="So many copies.")
@click.option(
    "--name-template",
    default="{pod}-{n}",
    show_default=True,
    metavar="TEXT",
    help="Names of the copies; {n} counts from 1.",
)
@click.option(
    "--hook",
    metavar="COMMAND",
    help="Run this by `sh -c` in the first container of each copy, with its name as $VMPOD_POD.",
)
@quiet_option
@output_option("json", "yaml")
def command(  # noqa: PLR0917 - click passes options by name
    pod: str, count: int, name_template: str, hook: str | None, quiet: bool, output: Output
) -> int:
    """Make copies of a POD that runs, as it is now: its processes go on in each of them.

    Each copy is a pod and a machine of its own, with its own disks, name and addresses of the host for
    published ports (free ones; they are told). Memory is shared until somebody writes to it. Connections
    over the network do not go with it. Containers find the name in /etc/hostname. POD stands still for a
    moment, and then goes on.
    """
    from vmpod.runtime.copies import fork, starting  # noqa: PLC0415
    from vmpod.state import timeline  # noqa: PLC0415
    from vmpod.stopwatch import Stopwatch, process_start, steps_to  # noqa: PLC0415

    found, watch = runtime(), Stopwatch(progress(quiet=quiet), begin=process_start())
    names = _names(found.pods.find(pod).record.name, count, name_template)
    try:
        with interruptible():
            entries = fork(found, pod, names, watch)
            for entry in entries:
                steps = steps_to(watch.steps, starting(entry.record.name).lower())
                timeline.save(entry.directory, watch.begin, steps)
            status = max([_run_hook(entry, hook) for entry in entries] if hook else [0])
    except Interruption as interruption:
        return interruption.status
    if output.structured:
        output.show(render.items("ForkList", [to_json(entry) for entry in entries]))
    else:
        for entry in entries:
            click.echo(" ".join([entry.record.called, *map(str, entry.record.forwards)]))
    return status


def _names(pod: str, count: int, template: str) -> list[str]:
    try:
        names = [template.format(pod=pod, n=number) for number in range(1, count + 1)]
    except (LookupError, ValueError, AttributeError) as error:
        raise UsageError(
            f"--name-template {template!r}: {error}", hint="it may hold {pod} and {n}, as {pod}-{n}"
        ) from None
    if len(set(names)) < count:
        raise UsageError(f"--name-template {template!r} gives the same name twice", hint="it needs {n}")
    return names


def _run_hook(entry: PodEntry, hook: str) -> int:
    from vmpod.client.exec import Command, execute  # noqa: PLC0415
    from vmpod.client.session import session  # noqa: PLC0415

    script = f"VMPOD_POD='{entry.record.name}'; export VMPOD_POD; {hook}"
    with session(entry.record.sockets) as agent:
        return execute(agent, Command(("sh", "-c", script)))


def to_json(entry: PodEntry) -> dict[str, object]:
    """A copy, as docs/schemas/ForkList.json has it."""
    record = entry.record
    ports = [
        {
            "hostIP": each.host_ip,
            "hostPort": each.host_port,
            "containerPort": each.pod_port,
            "protocol": each.protocol,
        }
        for each in record.forwards
    ]
    return {"name": record.name, "namespace": record.namespace, "uid": record.uid, "ports": ports}
