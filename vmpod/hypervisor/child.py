"""A hypervisor connection in a process of its own.

A process can open one root of libvirt's embedded driver in its life, even after it has closed it, and
every pod has a root of its own: so a child starts the machine, and ends when that is done.
Source: libvirt, "QEMU driver embedded mode".
"""

from __future__ import annotations

import os
import pickle
import signal
import time
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import NoReturn, TypeVar

from vmpod.errors import HypervisorError, VmpodError
from vmpod.hypervisor.base import Copies, Hypervisor, Started
from vmpod.plan.model import Frozen, Machine

T = TypeVar("T")

# What a terminal sends to the whole group. The parent decides what comes of it; a machine half started
# would only be harder to undo.
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


_EXEC = 0.5  # seconds from libvirt's fork to QEMU, at most


class ChildDiedError(HypervisorError):
    """The child ended before it was done."""


class ChildHypervisor:
    """A Hypervisor (see base.py). connect: opens the real one; called in the child."""

    def __init__(self, connect: Callable[[], AbstractContextManager[Hypervisor]]) -> None:
        self._connect = connect

    def start(self, machine: Machine) -> Started:
        """See Hypervisor.start."""
        begin = time.monotonic_ns()

        def work() -> Started:
            with self._connect() as found:
                opened = ("open libvirt", begin, time.monotonic_ns())
                started = found.start(machine)
                return replace(started, steps=(opened, *started.steps))

        try:
            return in_child(work)
        except ChildDiedError:
            # What it forked may not be QEMU yet; whoever undoes this start looks for QEMU.
            time.sleep(_EXEC)
            raise

    def destroy(self, uuid: str, name: str) -> None:
        """See Hypervisor.destroy."""
        self._do(lambda found: found.destroy(uuid, name))

    def freeze(self, machine: Machine, into: Frozen, copies: Copies = (), *, go_on: bool = False) -> None:
        """See Hypervisor.freeze."""
        self._do(lambda found: found.freeze(machine, into, copies, go_on=go_on))

    def pause(self, machine: Machine) -> None:
        """See Hypervisor.pause."""
        self._do(lambda found: found.pause(machine))

    def resume(self, machine: Machine) -> None:
        """See Hypervisor.resume."""
        self._do(lambda found: found.resume(machine))

    def _do(self, action: Callable[[Hypervisor], None]) -> None:
        def work() -> None:
            with self._connect() as found:
                action(found)

        in_child(work)

    def close(self) -> None:
        """See Hypervisor.close."""


def in_child(work: Callable[[], T]) -> T:
    """Call the function in a child process, and return what it returns, or raise what it raises.

    To be called while this process has no threads. Raises ChildDiedError if the child dies.
    """
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:
        _serve(work, send)
    os.close(send)
    try:
        with os.fdopen(receive, "rb") as stream:
            told = stream.read()
    finally:
        # Also when we are interrupted: what the child has begun can be undone once it is done.
        _, status = os.waitpid(child, 0)
    if not told:
        raise ChildDiedError(f"libvirt's driver ended without a word (wait status {status})")
    result, error = pickle.loads(told)  # noqa: S301 - from our own child, not from outside
    if error is not None:
        raise error
    found: T = result
    return found


def _serve(work: Callable[[], object], send: int) -> NoReturn:
    """The child: answer and end, without what the parent will do at its own end."""
    try:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        with os.fdopen(send, "wb") as stream:
            stream.write(pickle.dumps(_answer(work)))
    finally:
        os._exit(0)


def _answer(work: Callable[[], object]) -> tuple[object, Exception | None]:
    """(result, None) or (None, error)."""
    try:
        return work(), None
    except Exception as error:  # whatever it is, it is the parent's
        if not isinstance(error, VmpodError):
            error.add_note(traceback.format_exc())
        return None, error
