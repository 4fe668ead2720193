"""`vmpod port-forward`."""

from __future__ import annotations

import ipaddress
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import click

from vmpod.cli.common import runtime
from vmpod.cli.names import POD
from vmpod.errors import ConflictError, HostError, UsageError
from vmpod.text import printable

if TYPE_CHECKING:
    from vmpod.client.forward import Listener


@click.command("port-forward")
@click.argument("pod", type=POD)
@click.argument("ports", nargs=-1, required=True, metavar="[LOCAL:]REMOTE...")
@click.option(
    "--address", default="127.0.0.1", show_default=True, metavar="IP", help="Listen here; 0.0.0.0 for all."
)
def command(pod: str, ports: tuple[str, ...], address: str) -> int:
    """Forward connections to LOCAL ports here to REMOTE TCP ports of the POD, until Ctrl-C.

    Without LOCAL the port is the same here; with an empty one (as in :80) a free port is taken, and told. The
    pod need not publish the port; what listens there may do so on the pod's 127.0.0.1 alone.
    """
    from vmpod.cli.interrupt import Interruption, interruptible  # noqa: PLC0415
    from vmpod.client.forward import serve  # noqa: PLC0415
    from vmpod.client.session import session  # noqa: PLC0415

    pairs = [_pair(text) for text in ports]
    _check_address(address)
    entry = runtime().pods.find_awake(pod)
    try:
        with interruptible(), ExitStack() as stack:
            found = stack.enter_context(session(entry.record.sockets))
            listeners = [_listen(stack, address, *pair) for pair in pairs]
            serve(found, listeners, lambda line: click.echo(f"vmpod: {printable(line)}", err=True))
    except Interruption as error:
        return error.status
    return 0


def _pair(text: str) -> tuple[int, int]:
    """(local port, 0 for a free one; the pod's port). Raises UsageError."""
    first, colon, second = text.partition(":")
    remote = _port(second if colon else first, text)
    local = _port(first, text) if first else 0
    return local, remote


def _port(word: str, text: str) -> int:
    if not word.isdecimal() or len(word) > 5 or not 0 < int(word) < 65536:
        raise UsageError(f"{text!r} is no pair of ports", hint="write 8080:80, :80 or 80")
    return int(word)


def _check_address(address: str) -> None:
    try:
        ipaddress.ip_address(address)
    except ValueError:
        raise UsageError(f"{address!r} is no IP address") from None


def _listen(stack: ExitStack, address: str, local: int, remote: int) -> Listener:
    from vmpod.client.forward import listen  # noqa: PLC0415

    try:
        listener = listen(address, local, remote)
    except PermissionError:
        raise HostError(f"you may not listen on port {local}", hint="take one above 1023") from None
    except OSError as error:
        raise ConflictError(
            f"cannot listen on {address}:{local}: {error.strerror}", hint=f"take another: :{remote} finds one"
        ) from None
    stack.enter_context(closing(listener.socket))
    host = f"[{address}]" if ":" in address else address
    click.echo(f"Forwarding from {host}:{listener.socket.getsockname()[1]} -> {remote}")
    return listener
