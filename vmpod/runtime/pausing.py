"""Lets pods stand still, and run on."""

from __future__ import annotations

from dataclasses import replace

from vmpod.errors import ConflictError
from vmpod.runtime.context import Runtime
from vmpod.state.machine import load as load_machine
from vmpod.state.store import PodEntry


def pause(runtime: Runtime, name: str) -> None:
    """Let a pod's machine stand still: it keeps its memory, and uses no processor. No error if it does.

    Raises NotFoundError, ConflictError if it does not run, HypervisorError.
    """
    _set(runtime, name, paused=True)


def resume(runtime: Runtime, name: str) -> None:
    """Let a paused pod run on; no error if it runs. Raises as pause()."""
    _set(runtime, name, paused=False)


def _set(runtime: Runtime, name: str, *, paused: bool) -> None:
    entry = runtime.pods.find(name)
    with runtime.pods.locked(entry.record.key):
        entry = running(runtime, name)
        # What is written down is never that it runs while it stands still: that would look like a fault.
        if paused:
            runtime.pods.save(replace(entry, record=replace(entry.record, paused=True)))
            with runtime.hypervisor(entry.record.uri, entry.record.sockets) as found:
                found.pause(load_machine(entry.directory))
        else:
            _resume(runtime, entry)


def _resume(runtime: Runtime, entry: PodEntry) -> None:
    with runtime.hypervisor(entry.record.uri, entry.record.sockets) as found:
        found.resume(load_machine(entry.directory))
    runtime.pods.save(replace(entry, record=replace(entry.record, paused=False)))


def running(runtime: Runtime, name: str) -> PodEntry:
    """The pod of that name. Raises NotFoundError, and ConflictError if its machine does not run."""
    entry = runtime.pods.find(name)
    if not entry.alive():
        raise ConflictError(
            f"the pod {entry.record.called} is not running", hint=f"`vmpod start {name}` starts it"
        )
    return entry


def wake(runtime: Runtime, entry: PodEntry) -> None:
    """Let a pod run on if it is paused, by who is about to stop it: it could not hear of that.

    Raises HypervisorError.
    """
    now = runtime.pods.lookup(entry.record.key)
    if now and now.record.uid == entry.record.uid and now.record.paused and now.alive():
        _resume(runtime, now)
