"""Finds ports of the host that are taken, before a machine is started for them, and such as are free."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from dataclasses import replace

from vmpod.errors import PortTakenError
from vmpod.plan.forward import Forward

_KINDS = {"TCP": socket.SOCK_STREAM, "UDP": socket.SOCK_DGRAM}


def check_free(forwards: Iterable[Forward]) -> None:
    """Raise PortTakenError for the first port that cannot be bound.

    QEMU binds them later, and reports a clash too; but by then an image may have been pulled.
    """
    for forward in forwards:
        with socket.socket(socket.AF_INET, _KINDS[forward.protocol]) as probe:
            if forward.protocol == "TCP":
                # As QEMU does: connections of a server that has just ended do not count.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((forward.host_ip, forward.host_port))
            except OSError as error:
                raise PortTakenError(
                    f"host port {forward.host_port} on {forward.host_ip} ({forward.protocol}) "
                    f"cannot be bound: {error.strerror}",
                    hint="choose another with --publish or hostPort, or stop what uses it "
                    f"(`ss -lnp 'sport = :{forward.host_port}'` tells what does)",
                ) from None


def free_port(forward: Forward) -> Forward:
    """The same with a port of the host that nobody uses now."""
    with socket.socket(socket.AF_INET, _KINDS[forward.protocol]) as probe:
        probe.bind((forward.host_ip, 0))
        return replace(forward, host_port=probe.getsockname()[1])
