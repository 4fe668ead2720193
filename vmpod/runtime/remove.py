"""Stopping pods, and removing all that is left of them."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from vmpod.client.session import session
from vmpod.errors import ConflictError, NotFoundError, VmpodError
from vmpod.hypervisor import machines
from vmpod.hypervisor.machines import RunningMachine
from vmpod.hypervisor.open import EMBEDDED
from vmpod.log import logger
from vmpod.plan.forward import called
from vmpod.runtime import claims
from vmpod.runtime.context import Runtime
from vmpod.runtime.pausing import wake
from vmpod.state.store import PodEntry, key_of
from vmpod.wire import messages

_WRITING = 10.0  # seconds for a machine to write down what its claims are to keep
MARGIN = 20.0
"""Seconds beyond the grace period in which a machine must have turned itself off."""


def stop_pod(runtime: Runtime, name: str, *, grace: int | None = None) -> None:
    """Ask the pod's containers to end, wait, and see the machine off; by force if it does not go.

    grace: seconds, None for the pod's own. No error if it has ended already.
    Raises NotFoundError, ConflictError.
    """
    entry = runtime.pods.find(name)
    with runtime.pods.locked(entry.record.key):
        stop_locked(runtime, entry, grace=grace)


def stop_locked(runtime: Runtime, entry: PodEntry, *, grace: int | None = None) -> None:
    """As stop_pod, by who holds the pod's lock."""
    process = entry.record.qemu
    if process is None or not process.alive():
        end_stray(entry)
        return
    request_stop(runtime, entry, grace)
    if not process.wait(patience(entry, grace)):
        logger.debug("the machine of %s does not turn itself off", entry.record.key)
        kill(runtime, entry)


def request_stop(runtime: Runtime, entry: PodEntry, grace: int | None, *, keep: bool = False) -> None:
    """Ask the agent to stop the pod, which runs on if it is paused; that it does not answer is no error here.

    keep: the machine still waits for who fetches files, if it was told to at its start.
    """
    try:
        wake(runtime, entry)
        with session(entry.record.sockets, timeout=10.0) as found:
            found.request(messages.STOP, {"grace": grace, "keep": keep})
    except (VmpodError, OSError) as error:
        logger.debug("stop request: %s", error)


def kill(runtime: Runtime, entry: PodEntry) -> None:
    """End the pod's machine at once."""
    try:
        runtime.pods.save(replace(entry, record=replace(entry.record, stopped=True, paused=False)))
    except OSError as error:
        # On a full disk, say. Then the pod's end will be told as a machine that died.
        logger.debug("the record of %s is not written: %s", entry.record.key, error)
    _forget_domain(runtime, entry)
    # The embedded driver keeps nothing outside of the pod's own directories, so the process is all there is
    # to end, and that cannot hang on a lock in libvirt.
    if entry.record.qemu:
        machines.end(entry.record.qemu, entry.record.key)
    end_stray(entry)


def end_stray(entry: PodEntry) -> None:
    """End a machine of the pod that its record does not know: whoever started it was killed at once."""
    process = machines.find(entry.record.uid)
    if process and process != entry.record.qemu:
        machines.end(process, entry.record.key)


def remove_pod(runtime: Runtime, name: str, *, force: bool = False) -> None:
    """Remove a pod and everything kept of it. Raises NotFoundError, ConflictError if it runs.

    force: stop it first, at once.
    """
    key = key_of(name)
    if not runtime.pods.directory(key).exists() and not machines_of(runtime, key):
        raise NotFoundError(f"there is no pod {name!r}", hint="`vmpod ps --all` lists all pods")
    with runtime.pods.locked(key):
        remove_locked(runtime, key, force=force)


def remove_locked(runtime: Runtime, key: str, *, force: bool) -> None:
    """As remove_pod, by who holds the lock of the pod of that key."""
    try:
        entry = runtime.pods.lookup(key)
    except VmpodError:
        if not force:
            raise
        entry = None
    if entry is None:
        # A start that was cut off before it wrote its record, or a damaged record. QEMU knows its name.
        for machine in machines_of(runtime, key):
            machine.end()
        for directory in stray_sockets(runtime):
            shutil.rmtree(directory, ignore_errors=True)
        runtime.pods.delete(key, None)
        return
    if not force and not runtime.pods.status(entry, locked=True).ended and entry.alive():
        raise ConflictError(
            f"the pod {called(key)} is running", hint=f"stop it first, or `vmpod rm --force {called(key)}`"
        )
    if entry.alive() and claims.writes(entry):
        _end_well(runtime, entry)
    kill_if_there(runtime, entry)
    runtime.pods.delete(key, entry.record.sockets)


def _end_well(runtime: Runtime, entry: PodEntry) -> None:
    """Have a machine end by itself, within seconds: what its claims are to keep may be in its memory yet."""
    request_stop(runtime, entry, 0)
    if entry.record.qemu:
        entry.record.qemu.wait(_WRITING)


def _forget_domain(runtime: Runtime, entry: PodEntry) -> None:
    """Have libvirtd end the machine: of one that was only killed it would keep the name for a moment."""
    record = entry.record
    if record.uri == EMBEDDED:
        return
    try:
        with runtime.hypervisor(record.uri, record.sockets) as found:
            found.destroy(record.uid, record.machine_name)
    except VmpodError as error:
        # The daemon may be gone; its machine is not, and is ended as a process.
        logger.debug("libvirt: %s", error)


def kill_if_there(runtime: Runtime, entry: PodEntry) -> None:
    """End the machine if there is one, also one that was started but not yet written down."""
    if entry.alive() or machines.find(entry.record.uid):
        kill(runtime, entry)
    else:
        _forget_domain(runtime, entry)


def machines_of(runtime: Runtime, key: str) -> list[RunningMachine]:
    """The machines of the pod of that key, whether or not its record knows them."""
    return [each for each in machines.below(runtime.paths.pods) if each.key == key]


def stray_sockets(runtime: Runtime, *, ending: Collection[int] = ()) -> list[Path]:
    """Directories of sockets that belong to no pod and are of no machine.

    ending: processes of machines that do not count.
    """
    found = runtime.pods.unclaimed()
    running = [each for each in machines.all_machines() if each.process.pid not in ending] if found else []
    return [path for path in found if not any(each.uses(path) for each in running)]


def patience(entry: PodEntry, grace: int | None = None) -> float:
    """Seconds in which a pod's machine must have turned itself off once it was asked to.

    grace: instead of the pod's own grace period.
    """
    own = entry.record.spec.get("terminationGracePeriodSeconds")
    seconds = grace if grace is not None else own if isinstance(own, int) else 30
    return seconds + MARGIN
