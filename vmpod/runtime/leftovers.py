"""Finds and removes what commands that were killed have left of pods.

What a pod is, is told by its record. What a living command may be at is left alone: its lock is held.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, MutableSequence
from pathlib import Path

from vmpod import files, lock
from vmpod.errors import HostError, VmpodError
from vmpod.hypervisor import machines
from vmpod.hypervisor.machines import RunningMachine
from vmpod.plan.forward import called
from vmpod.progress import SILENT, Progress
from vmpod.removable import Removable, disk_usage
from vmpod.runtime import claims, copies, watched
from vmpod.runtime.context import Runtime
from vmpod.runtime.jobs.leftovers import prune_jobs, unfinished
from vmpod.runtime.jobs.observe import job_of
from vmpod.runtime.remove import remove_locked, stray_sockets
from vmpod.runtime.templates import still_wanted
from vmpod.state.store import PodEntry


class Leftovers:
    """One round. ended: pods that have ended go as well; notes: gets what is left alone, and why."""

    def __init__(self, runtime: Runtime, *, ended: bool, dry_run: bool, notes: MutableSequence[str]) -> None:
        self._runtime = runtime
        self._ended = ended
        self._dry_run = dry_run
        self._notes = notes
        self._ending: list[int] = []
        self.going: set[str] = set()
        """Keys of the pods that have gone, or would."""
        self._needed = unfinished(runtime)

    def prune(self) -> Iterator[Removable]:
        """Remove what nobody needs, and tell each thing. Raises ConflictError."""
        yield from prune_jobs(self._runtime, dry_run=self._dry_run)
        pods = self._runtime.pods
        locks = [path for path in pods.locks() if not lock.held(path)]
        running = machines.below(self._runtime.paths.pods)
        for key in sorted({*pods.keys(), *(machine.key for machine in running)}):
            with pods.if_free(key) as free:
                if free:
                    yield from self._pod(key, [each for each in running if each.key == key])
                else:
                    self._notes.append(f"the pod {called(key)} is left alone: another command works on it")
        for machine in self._runtime.templates.abandoned():
            yield self._machine(machine)
        yield from self._sockets()
        yield from map(self._file, copies.abandoned(self._runtime))
        yield from self._claims()
        for path in locks:
            yield Removable("lock", path.name, disk_usage(path))
            self._remove_lock(path)

    def images_in_use(self) -> set[str]:
        """Digests of the images of the pods that stay."""
        problems: list[HostError] = []
        entries = self._runtime.pods.list(problems=problems)
        if problems:
            raise _UnknownUseError(problems[0].message)
        staying = [entry.record for entry in entries if entry.record.key not in self.going]
        return {digest for record in (*staying, *self._runtime.kept()) for digest in record.images}

    def _pod(self, key: str, running: list[RunningMachine]) -> Iterator[Removable]:
        """What can go of what is kept under the key, whose lock we hold."""
        try:
            entry = self._runtime.pods.lookup(key)
        except HostError as error:
            self._notes.append(
                f"{error.message}; it is left alone" + (f": {error.hint}" if error.hint else "")
            )
            return
        known = entry.record.qemu if entry else None
        going = entry is None or self._goes(entry)
        if entry and going and not self._dry_run and watched.abandoned(entry):
            watched.end(self._runtime, entry)
        for machine in running:
            if going or machine.process != known:
                yield self._machine(machine)
        directory = self._runtime.pods.directory(key)
        if going and (entry or directory.exists()):
            yield self._whole_pod(key, entry, directory)
        elif entry:
            yield from map(self._file, files.abandoned(directory))

    def _goes(self, entry: PodEntry) -> bool:
        status = self._runtime.pods.status(entry, locked=True)
        if watched.abandoned(entry):
            return True
        # Of a pod that has run before, the logs are worth keeping.
        cut_off = status.reason == "StartFailed" and entry.record.boot == 1
        if job_of(entry) in self._needed:
            # How it ended is yet to be counted.
            return cut_off
        return cut_off or (self._ended and status.ended and not entry.alive())

    def _whole_pod(self, key: str, entry: PodEntry | None, directory: Path) -> Removable:
        self.going.add(key)
        sockets = entry.record.sockets if entry else None
        size = disk_usage(directory) + (disk_usage(sockets) if sockets else 0)
        if not self._dry_run:
            if entry:
                remove_locked(self._runtime, key, force=True)
            else:
                self._runtime.pods.delete(key, None)
        return Removable("pod" if entry else "leftover", called(key) if entry else str(directory), size)

    def _machine(self, machine: RunningMachine) -> Removable:
        self._ending.append(machine.process.pid)
        if not self._dry_run:
            machine.end()
        return Removable("machine", f"{called(machine.key)} (process {machine.process.pid})", 0)

    def _sockets(self) -> Iterator[Removable]:
        # A pod of another home may have its sockets here, too, and be about to use them.
        if any(lock.held(path) for path in self._runtime.pods.locks()):
            return
        yield from map(self._file, stray_sockets(self._runtime, ending=self._ending))

    def _claims(self) -> Iterator[Removable]:
        """What was being made of claims, or removed, by who was killed at it. Claims themselves stay."""
        claims = self._runtime.claims
        if claims.abandoned():
            with claims.locked():
                yield from map(self._file, claims.abandoned())

    def _file(self, path: Path) -> Removable:
        size = disk_usage(path)
        if not self._dry_run:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        return Removable("leftover", str(path), size)

    def _remove_lock(self, path: Path) -> None:
        with lock.if_free(path) as free:
            if free and not self._dry_run:
                path.unlink(missing_ok=True)


def prune(
    runtime: Runtime,
    *,
    ended: bool,
    everything: bool,
    volumes: bool = False,
    dry_run: bool,
    notes: MutableSequence[str],
    progress: Progress = SILENT,
) -> Iterator[Removable]:
    """Remove what nobody uses, and tell each thing as it goes.

    ended: also pods that have ended. everything: also images with names that no pod uses. volumes: also
    claims that no pod names. dry_run: only tell. notes: gets what is left alone and why. Raises VmpodError.
    """
    leftovers = Leftovers(runtime, ended=ended, dry_run=dry_run, notes=notes)
    yield from leftovers.prune()
    if volumes:
        yield from claims.prune(runtime, gone=leftovers.going, dry_run=dry_run)
    try:
        yield from runtime.images.prune(
            leftovers.images_in_use, everything=everything, dry_run=dry_run, progress=progress
        )
    except _UnknownUseError:
        notes.append("images are left alone: a pod may use them whose record cannot be read")
    # Before guest images: a template of one that goes is of no use.
    yield from runtime.templates.prune(still_wanted(runtime), dry_run=dry_run)
    yield from runtime.guests.prune(dry_run=dry_run, progress=progress)
    yield from runtime.toolbox.prune(dry_run=dry_run)


class _UnknownUseError(VmpodError):
    """Nobody knows which images are in use."""
