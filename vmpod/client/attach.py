"""Watches a container that runs, and writes to its standard input."""

from __future__ import annotations

from vmpod.client.relay import Relay
from vmpod.client.session import Session
from vmpod.wire import messages

_TIMEOUT = 30.0  # seconds


def attach(session: Session, container: str, *, stdin: bool, forward: bool) -> int:
    """Show on our standard streams what the container writes, until it ends; its exit code.

    container: '' for the pod's first. stdin: pass ours on. forward: pass signals on to its first process.
    Raises as Session.answer() and Session.receive().
    """
    stream = session.open(messages.ATTACH, {"container": container, "stdin": stdin})
    session.answer(stream, _TIMEOUT)
    relay = Relay(session, stream, stdin=stdin, forward=forward)
    with relay.signals():
        return relay.run()
