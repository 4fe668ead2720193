"""Forks a child that imports libvirt's binding while this process still finds out what to do with it.

It imports next to nothing, so that it can be called before anything else is imported. The child ends by
itself if nobody asks it for anything.
"""

from __future__ import annotations

import os
import signal
from typing import NoReturn

Child = tuple[int, int, int]
"""Process id, and the descriptors to read its answers from and to write requests to."""

# What a terminal sends to the whole group. The parent decides what comes of it; a machine half started
# would only be harder to undo.
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_waiting: list[Child] = []


def begin() -> None:
    """Fork a child, for the next one who wants one. To be called while this process has no threads."""
    _waiting.append(fork())


def take() -> Child:
    """A child that waits for requests: the one that was forked ahead, or a new one."""
    return _waiting.pop() if _waiting else fork()


def dismiss() -> None:
    """End the child that nobody has wanted, at whichever import it is."""
    while _waiting:
        pid, answers, ask = _waiting.pop()
        os.close(ask)
        os.close(answers)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def fork() -> Child:
    """A new child; see child.serve()."""
    asked, ask = os.pipe()
    answers, answer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(ask)
        os.close(answers)
        _become(asked, answer)
    os.close(asked)
    os.close(answer)
    return pid, answers, ask


def _become(asked: int, answer: int) -> NoReturn:
    try:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        from vmpod.hypervisor.child import serve  # noqa: PLC0415 - the parent shall not wait for it

        serve(asked, answer)
    finally:
        # Without what the parent will do at its own end.
        os._exit(0)
