"""Pods that live no longer than the command that watches them: those of `vmpod run` without --detach.

The command holds a lock in the pod's directory as long as it lives. Where the lock is free it was killed, and
the next command does what it would have done: the pod is stopped and, with --rm, removed. The record says
which pods are meant so; all others are nobody's business.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from vmpod import lock
from vmpod.errors import VmpodError
from vmpod.plan.forward import called
from vmpod.runtime.remove import remove_locked, stop_locked

if TYPE_CHECKING:
    from vmpod.runtime.context import Runtime
    from vmpod.state.record import Unwatched
    from vmpod.state.store import PodEntry

FILE = "watched"

_GRACE = 5  # seconds; whoever would wait for more is gone


class Watch:
    """Held by a command for the pods that it starts. then: what is to become of them without it."""

    def __init__(self, then: Unwatched) -> None:
        self.then = then
        self.held: list[int] = []

    def take(self, entry: PodEntry) -> None:
        """Watch a pod from now on. Its lock (PodStore.locked) is held, so that nobody finds it unwatched."""
        if self.then != "live" and (fd := lock.try_lock(entry.directory / FILE)) is not None:
            self.held.append(fd)

    def adopt(self, files: Iterable[int]) -> None:
        """Watch what another Watch has held so far: a lock belongs to the open file, in whichever process."""
        self.held.extend(files)

    def close(self) -> None:
        """Watch no more."""
        while self.held:
            os.close(self.held.pop())


def abandoned(entry: PodEntry) -> bool:
    """Whether a killed command has left something to do for a pod, whose lock is held."""
    then = entry.record.unwatched
    if then == "live" or lock.held(entry.directory / FILE):
        return False
    # One that has ended by itself is kept for what it has to tell, as it would have been.
    return then == "remove" or entry.alive() or entry.record.qemu is None


def end(runtime: Runtime, entry: PodEntry) -> None:
    """Stop the pod, whose lock is held, as soon as it can. Raises VmpodError."""
    # An agent that was never handed a pod has nothing to stop.
    if runtime.pods.status(entry, locked=True).reason != "StartFailed":
        stop_locked(runtime, entry, grace=_GRACE)


def sweep(runtime: Runtime, say: Callable[[str], None]) -> None:
    """Do for all pods what commands that were killed would have done. What others are at is left alone."""
    for listed in runtime.pods.list(problems=[]):
        if listed.record.unwatched == "live":
            continue
        key = listed.record.key
        with runtime.pods.if_free(key) as free:
            entry = runtime.pods.lookup(key) if free else None
            if entry is not None and abandoned(entry):
                try:
                    _finish(runtime, entry, say)
                except VmpodError as error:
                    say(f"the pod {called(key)}, whose command was killed, is left as it is: {error.message}")


def _finish(runtime: Runtime, entry: PodEntry, say: Callable[[str], None]) -> None:
    key = entry.record.key
    if runtime.pods.status(entry, locked=True).reason == "StartFailed":
        say(f"the pod {called(key)} is removed: the command that was starting it was killed")
        remove_locked(runtime, key, force=True)
        return
    if entry.alive():
        say(f"the pod {called(key)} is stopped: the command that ran it was killed")
        end(runtime, entry)
    if entry.record.unwatched == "remove":
        say(f"the pod {called(key)} is removed: the command that ran it was killed")
        remove_locked(runtime, key, force=True)
    else:
        # As it is by now: a machine that had to be killed is noted there.
        entry = runtime.pods.lookup(key) or entry
        runtime.pods.save(replace(entry, record=replace(entry.record, unwatched="live")))
