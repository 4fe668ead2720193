"""`vmpod ssh`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from vmpod.cli.common import runtime
from vmpod.cli.names import POD
from vmpod.errors import HostError, UsageError

if TYPE_CHECKING:
    from vmpod.client.session import Session
    from vmpod.client.shell import Wanted
    from vmpod.state.keys import Keys


@click.command("ssh", context_settings={"ignore_unknown_options": True})
@click.argument("pod", type=POD)
@click.option("-t", "--tty", is_flag=True, help="Give the COMMAND a terminal; a shell gets one that has one.")
@click.option("-A", "--agent", is_flag=True, help="Let the machine use your SSH agent while you are there.")
@click.option(
    "--stdio",
    is_flag=True,
    help="Carry standard input and output to the machine's SSH server: the ProxyCommand of another client.",
)
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND [ARG]...]")
def command(pod: str, tty: bool, agent: bool, stdio: bool, words: tuple[str, ...]) -> int:
    """Open a shell in the machine of a POD, or run a COMMAND there.

    Not in a container: the machine's own root, with the processes, mounts and files of all containers. It
    goes over the channel between host and machine; the pod's network has no part in it, and nothing listens
    there.

    Words of the COMMAND are joined by spaces and read by the machine's shell, as ssh does it. The exit status
    is the command's own, 128 and the signal's number if one killed it, 125 if vmpod itself failed.
    """
    from vmpod.client.session import session  # noqa: PLC0415
    from vmpod.client.ssh import carry, connect  # noqa: PLC0415
    from vmpod.state.keys import keys  # noqa: PLC0415

    _check(stdio=stdio, agent=agent, more=bool(words or tty))
    entry = runtime().pods.find_awake(pod)
    with session(entry.record.sockets) as found:
        own = keys(entry.record, entry.directory)
        stream = connect(found, host_key=own.secret(), client_key=own.authorized())
        if stdio:
            carry(found, stream)
            return 0
        return _run(found, stream, own, _wanted(words, tty=tty, agent=agent))


def _check(*, stdio: bool, agent: bool, more: bool) -> None:
    if stdio and (agent or more):
        raise UsageError(
            "--stdio goes with nothing else: the client at the other end of it says what it wants"
        )
    if stdio and os.isatty(0):
        raise UsageError(
            "--stdio is for other SSH clients, not for people",
            hint="leave it out; `vmpod ssh-config POD` prints what other clients need",
        )
    if agent and not os.environ.get("SSH_AUTH_SOCK"):
        raise HostError(
            "there is no SSH agent that the machine could use: SSH_AUTH_SOCK is not set",
            hint="start one (`eval $(ssh-agent)`), or leave -A out",
        )


def _wanted(words: tuple[str, ...], *, tty: bool, agent: bool) -> Wanted:
    from vmpod.client.shell import Wanted  # noqa: PLC0415

    return Wanted(" ".join(words), tty=tty or (not words and os.isatty(0)), agent=agent)


def _run(session: Session, stream: int, own: Keys, wanted: Wanted) -> int:
    from vmpod.cli.interrupt import Interruption, interruptible  # noqa: PLC0415
    from vmpod.client.shell import Login, run  # noqa: PLC0415 - paramiko takes a fifth of a second

    try:
        with interruptible():
            return run(session, stream, Login(own.client, own.expected(), own.known_hosts), wanted)
    except Interruption as error:
        return error.status
