"""`vmpod cp`."""

from __future__ import annotations

import sys
from typing import NamedTuple

import click

from vmpod.cli.common import runtime
from vmpod.cli.names import container_option
from vmpod.errors import UsageError
from vmpod.text import printable


class _Place(NamedTuple):
    """Where to copy from or to. pod: '' for this host."""

    pod: str
    path: str


@click.command("cp")
@click.argument("source")
@click.argument("destination")
@container_option
@click.option("-a", "--archive", is_flag=True, help="Keep owners, and setuid, setgid and sticky bits.")
def command(source: str, destination: str, container: str, archive: bool) -> int:
    """Copy SOURCE to DESTINATION, one of which is POD:PATH, with directories and all that is in them.

    Paths mean what they mean to `cp -r`: a destination that is a directory takes the copy into it, and a
    SOURCE that ends in /. stands for what the directory holds. A path in a container begins at its root. A
    dash stands for a tar on standard input or output.

    Modes, times and links are kept; a SOURCE that is itself a link is followed. Without --archive files in
    the container belong to the user it runs as, and files here to you. The container's image needs no tar.
    """
    from vmpod.cli.interrupt import Interruption, interruptible  # noqa: PLC0415

    here, there = _place(source), _place(destination)
    if bool(here.pod) == bool(there.pod):
        raise UsageError(
            "one of source and destination has to be a path in a pod",
            hint="write it as POD:PATH; a file here whose name has a colon as ./NAME",
        )
    try:
        with interruptible():
            _copy(here, there, container, archive=archive)
    except Interruption as error:
        return error.status
    return 0


def _copy(here: _Place, there: _Place, container: str, *, archive: bool) -> None:
    from vmpod.client import copy  # noqa: PLC0415
    from vmpod.client.session import session  # noqa: PLC0415

    entry = runtime().pods.find_awake(here.pod or there.pod)
    remote = copy.Remote((here if here.pod else there).path, container, archive)
    with session(entry.record.sockets) as found:
        if there.path == "-" and here.pod:
            copy.fetch_archive(found, remote, sys.stdout.buffer, _say)
        elif here.pod:
            copy.fetch(found, remote, there.path, _say)
        elif here.path == "-":
            copy.send_archive(found, sys.stdin.buffer, remote, _say)
        else:
            copy.send(found, here.path, remote, _say)


def _place(text: str) -> _Place:
    pod, colon, path = text.partition(":")
    if not colon or text.startswith((".", "/")):
        return _Place("", text)
    if not pod or not path:
        raise UsageError(f"{text!r} is no path in a pod", hint="write it as POD:PATH")
    return _Place(pod, path)


def _say(line: str) -> None:
    click.echo(f"vmpod: {printable(line)}", err=True)
