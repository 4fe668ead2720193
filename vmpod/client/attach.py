"""Watches a container that runs, and writes to its standard input."""

from __future__ import annotations

import contextlib

from vmpod.client import terminal
from vmpod.client.relay import Relay
from vmpod.client.session import Session
from vmpod.wire import messages

DETACH = b"\x10\x11"
"""Ctrl-P Ctrl-Q: the keys that leave a terminal, as docker and podman have them."""

_TIMEOUT = 30.0  # seconds


def attach(session: Session, container: str, *, stdin: bool, tty: bool, forward: bool) -> int:
    """Show on our standard streams what the container writes, until it ends; its exit code.

    container: '' for the pod's first. stdin: pass ours on. tty: the container has a terminal; ours is made
    transparent for it, and can be left by the keys of DETACH, which gives 0. forward: pass signals on to its
    first process. Raises as Session.answer() and Session.receive().
    """
    stream = session.open(messages.ATTACH, {"container": container, "stdin": stdin})
    session.answer(stream, _TIMEOUT)
    return relay(session, stream, stdin=stdin, tty=tty, forward=forward)


def relay(session: Session, stream: int, *, stdin: bool, tty: bool, forward: bool) -> int:
    """As attach(), on a stream that has been answered."""
    with contextlib.ExitStack() as stack:
        transparent = tty and stdin and terminal.is_terminal(0)
        if transparent:
            stack.enter_context(terminal.raw(0))
        ways = Relay(
            session, stream, stdin=stdin, tty=tty, forward=forward, detach=DETACH if transparent else b""
        )
        stack.enter_context(ways.signals())
        if tty and stdin:
            ways.resize()
        return ways.run()
