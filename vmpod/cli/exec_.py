"""`vmpod exec`."""

from __future__ import annotations

import click

from vmpod.cli.common import runtime
from vmpod.cli.main import show_error
from vmpod.cli.names import POD, container_option


@click.command("exec", context_settings={"ignore_unknown_options": True})
@click.argument("pod", type=POD)
@container_option
@click.option(
    "-i", "--stdin", is_flag=True, help="Pass standard input on; without it the command's is empty."
)
@click.option("-t", "--tty", is_flag=True, help="Give the command a terminal.")
@click.argument("words", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND [ARG]...")
def command(pod: str, container: str, stdin: bool, tty: bool, words: tuple[str, ...]) -> int:
    """Run a COMMAND in a container of a POD.

    The exit status is the command's own; 126 if it cannot be executed, 127 if it is not there, 125 if
    vmpod itself failed. Signals are passed on to the command.
    """
    from vmpod.client.exec import Command, CommandNotStartedError, execute  # noqa: PLC0415
    from vmpod.client.session import session  # noqa: PLC0415

    entry = runtime().pods.find_awake(pod)
    with session(entry.record.sockets) as found:
        try:
            return execute(found, Command(words, container=container, stdin=stdin, tty=tty))
        except CommandNotStartedError as error:
            show_error(error)
            return error.status
