"""`vmpod kill`."""

from __future__ import annotations

import signal

import click

from vmpod.cli.common import for_each, runtime
from vmpod.cli.names import POD, containers_option
from vmpod.errors import UsageError


@click.command("kill")
@click.argument("pods", type=POD, nargs=-1, required=True, metavar="POD...")
@click.option(
    "-s", "--signal", "name", default="KILL", show_default=True, metavar="SIGNAL", help="A name or a number."
)
@containers_option
def command(pods: tuple[str, ...], name: str, container: tuple[str, ...]) -> int:
    """Send a SIGNAL to the first process of each container of PODs.

    What follows is what restartPolicy says: a container that ends by the signal may be started again, and
    the pod ends when all have ended for good. To end a pod whatever its policy, use `vmpod stop`.
    """
    from vmpod.client.session import session  # noqa: PLC0415
    from vmpod.wire import messages  # noqa: PLC0415

    number = signal_number(name)

    def kill(pod: str) -> None:
        entry = runtime().pods.find_awake(pod)
        with session(entry.record.sockets) as found:
            found.request(messages.KILL, {"containers": list(container), "signal": number})

    return for_each(pods, kill)


def signal_number(name: str) -> int:
    """The number of 'KILL', 'SIGKILL', 'kill' or '9'. Raises UsageError."""
    if name.isdecimal() and len(name) < 4 and 0 < int(name) < signal.NSIG:
        return int(name)
    known = {each.name.removeprefix("SIG"): each.value for each in signal.Signals}
    base, plus, offset = name.upper().removeprefix("SIG").partition("+")
    number = known.get(base)
    if number is not None and plus and base == "RTMIN" and offset.isdecimal() and len(offset) < 3:
        number += int(offset)
    elif plus:
        number = None
    if number is None or number >= signal.NSIG:
        raise UsageError(f"there is no signal {name!r}", hint="`kill -l` lists the names")
    return number
