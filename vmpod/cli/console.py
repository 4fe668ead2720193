"""`vmpod console`."""

from __future__ import annotations

import sys

import click

from vmpod.cli.common import runtime
from vmpod.cli.names import POD


@click.command("console")
@click.argument("pod", type=POD)
@click.option("--log", "log_only", is_flag=True, help="Print what was written to it so far, and end.")
def command(pod: str, log_only: bool) -> None:
    """Connect to the serial console of a POD's machine: kernel messages, and the agent's own.

    What was written before is shown first. Ctrl-] ends the connection.
    """
    from vmpod.client.console import connect  # noqa: PLC0415

    entry = runtime().pods.find(pod)
    if entry.console.exists():
        sys.stdout.buffer.write(entry.console.read_bytes())
        sys.stdout.flush()
    if not log_only:
        connect(entry.record.sockets / "console")
