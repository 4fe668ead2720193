"""Watching a pod: its output as it comes, and how it ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from vmpod.runtime.context import Runtime
from vmpod.runtime.wait import console_tail
from vmpod.state import journal
from vmpod.state.status import PodStatus
from vmpod.state.store import PodEntry
from vmpod.wire.journal import Entry

_POLL = 0.02


def output(entry: PodEntry, *, follow: bool, containers: frozenset[str] | None = None) -> Iterator[Entry]:
    """What the containers wrote, in the order in which it came.

    follow: go on until the machine has ended. containers: only these; None for all.
    """
    ended = (lambda: not entry.alive()) if follow else (lambda: True)
    for each in journal.follow(entry.output, ended, poll=_POLL):
        if each.stream != "event" and (containers is None or each.source.partition("/")[0] in containers):
            yield each


def wait_until(
    runtime: Runtime, entry: PodEntry, condition: Callable[[PodStatus], bool], *, timeout: float | None
) -> PodStatus:
    """Wait until the pod's state fulfils the condition or it has ended, and return that state.

    timeout: seconds, None for no limit; the state returned then does neither.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        status = runtime.pods.status(entry)
        if condition(status) or status.ended or (deadline is not None and time.monotonic() > deadline):
            return status
        time.sleep(_POLL)


def exit_code(status: PodStatus) -> int:
    """What `run` exits with for a pod that has ended: the first failed container's code.

    The first to have failed, by time; an init container's failure counts as well.
    """
    failed = [each for each in status.containers if each.exit_code]
    if not failed:
        return 0 if status.phase == "Succeeded" else 125
    first = min(failed, key=lambda each: each.state["terminated"].get("finishedAt") or "~")
    return (first.exit_code or 0) & 0xFF or 1


def explanation(entry: PodEntry, status: PodStatus) -> str:
    """Why a pod failed, for the user; '' if it did not, or if its containers say enough."""
    if status.message:
        return f"{status.message}\n{console_tail(entry.console)}"
    lines = [
        f"container {each.name}: {each.state['terminated'].get('message')}"
        for each in status.containers
        if each.exit_code and each.state["terminated"].get("message")
    ]
    return "\n".join(lines)
