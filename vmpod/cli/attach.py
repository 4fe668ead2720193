"""`vmpod attach`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from vmpod.cli.common import runtime
from vmpod.cli.names import POD, container_option
from vmpod.errors import MachineError
from vmpod.state.record import Record, containers_of


@click.command("attach")
@click.argument("pod", type=POD)
@container_option
@click.option("--no-stdin", is_flag=True, help="Do not pass standard input on.")
@click.option(
    "--sig-proxy/--no-sig-proxy",
    "forward",
    default=True,
    help="Pass signals on to the container; without, Ctrl-C ends the attach alone. [default: --sig-proxy]",
)
def command(pod: str, container: str, no_stdin: bool, forward: bool) -> int:
    """Watch what a container of a POD writes from now on, and write to its standard input.

    Standard input is passed on if the manifest gives the container one (`stdin: true`). From the terminal of
    a container (`tty: true`) Ctrl-P Ctrl-Q leads back. The exit status is the container's, once it ends. What
    was written before is in `vmpod logs`.
    """
    from vmpod.client.attach import attach  # noqa: PLC0415
    from vmpod.client.session import session  # noqa: PLC0415

    pods = runtime().pods
    entry = pods.find_awake(pod)
    name = container or entry.record.containers[0]
    spec = _spec(entry.record, name)
    stdin = not no_stdin and spec.get("stdin") is True
    tty = spec.get("tty") is True
    with session(entry.record.sockets) as found:
        try:
            return attach(found, container, stdin=stdin, tty=tty, forward=forward)
        except MachineError:
            # It ended with the container, before the last word was here: the pod's events have it.
            status = pods.status(entry)
            every = [*status.containers, *status.ephemeral]
            ended = next((each for each in every if each.name == name), None)
            if ended is None or not ended.reason or ended.reason == "ContainerStatusUnknown":
                raise
            return ended.exit_code or 0


def _spec(record: Record, container: str) -> Mapping[str, Any]:
    every = [*containers_of(record.spec), *(each.document for each in record.ephemeral)]
    return next((each for each in every if each.get("name") == container), {})
