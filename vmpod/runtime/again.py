"""Starting a pod again that has ended: same name and uid, its logs and emptyDirs kept, a machine anew."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from vmpod.dataclass import dataclass
from vmpod.errors import ConflictError
from vmpod.plan.host import Request
from vmpod.plan.make import make_plan
from vmpod.plan.model import Accelerator, Planned
from vmpod.plan.security import profiles
from vmpod.progress import SILENT, Progress
from vmpod.runtime import claims
from vmpod.runtime.bringup import bring_up
from vmpod.runtime.context import Runtime
from vmpod.runtime.documents import manifest_again
from vmpod.runtime.facts import host_facts, read_profiles
from vmpod.runtime.ports import check_free
from vmpod.runtime.preflight import check_host, check_memory
from vmpod.runtime.remove import end_stray, kill_if_there, stop_locked
from vmpod.runtime.start import addresses, ensure_images, image_ids
from vmpod.spec.model import Manifest, Pod
from vmpod.state import journal
from vmpod.state.record import Record
from vmpod.state.store import PodEntry


@dataclass(frozen=True)
class How:
    """The user's choices.

    file: where the pod's Secrets are, None for the manifest it was run from. boot_timeout, template: see
    start.Options.
    """

    accelerator: Accelerator
    file: Path | None = None
    boot_timeout: float | None = None
    template: bool = True


def start_again(runtime: Runtime, name: str, how: How, *, progress: Progress = SILENT) -> PodEntry:
    """Start a pod that has ended; returns while it is coming up.

    Raises VmpodError: NotFoundError, ConflictError if it runs; then it is as it was, with the machine ended.
    """
    entry = runtime.pods.find(name)
    with runtime.pods.locked(entry.record.key):
        entry = runtime.pods.find(name)
        if entry.alive():
            raise ConflictError(
                f"the pod {entry.record.called} is running", hint=f"`vmpod restart {name}` stops it first"
            )
        return _start(runtime, entry, how, progress)


def restart(
    runtime: Runtime, name: str, how: How, *, grace: int | None = None, progress: Progress = SILENT
) -> PodEntry:
    """Stop the pod if it runs, as stop_pod does, and start it again. Raises as start_again()."""
    entry = runtime.pods.find(name)
    with runtime.pods.locked(entry.record.key):
        entry = runtime.pods.find(name)
        # What it needs is looked for while it still runs.
        manifest_again(entry.record, how.file)
        with progress.phase(f"Stopping {entry.record.called}"):
            stop_locked(runtime, entry, grace=grace)
        return _start(runtime, runtime.pods.find(name), how, progress)


def _start(runtime: Runtime, entry: PodEntry, how: How, progress: Progress) -> PodEntry:
    record = entry.record
    with runtime.using(), ExitStack() as undo:
        check_host(runtime.paths.state)
        manifest = manifest_again(record, how.file)
        (pod,) = manifest.pods
        planned = make_plan(pod, _request(runtime, entry, manifest, how, progress), source=record.key)
        machine = planned.plan.machine
        check_free(machine.forwards)
        check_memory(machine.memory)
        undo.callback(_end, runtime, record.key)
        end_stray(entry)
        # Nothing is behind them any more.
        shutil.rmtree(record.sockets, ignore_errors=True)
        with claims.taking(runtime, pod, manifest, machine.plugs):
            entry = runtime.pods.save(replace(entry, record=_record(record, pod, planned, how.accelerator)))
        started = bring_up(
            runtime, entry, pod, planned, progress, boot_timeout=how.boot_timeout, template=how.template
        )
        undo.pop_all()
    return started


def _request(runtime: Runtime, entry: PodEntry, manifest: Manifest, how: How, progress: Progress) -> Request:
    record, (pod,) = entry.record, manifest.pods
    return Request(
        manifest=manifest,
        uid=record.uid,
        host=host_facts(how.accelerator, manifest, runtime.paths.pods),
        guest=runtime.guests.ensure(progress),
        profiles=read_profiles(runtime.paths.seccomp, profiles(pod)),
        claims=claims.storage(runtime, pod, manifest),
        images=ensure_images(runtime, pod, progress),
        state=entry.directory,
        sockets=record.sockets,
        publish=record.forwards,
        logs=record.logs,
        boot=record.boot + 1,
        runs=_runs(entry),
    )


def _record(old: Record, pod: Pod, planned: Planned, accelerator: Accelerator) -> Record:
    return replace(
        old,
        accelerator=accelerator,
        images=tuple(image.digest for image in planned.plan.images if image.digest),
        image_ids=image_ids(pod, planned),
        addresses=addresses(planned),
        boot=old.boot + 1,
        # They are never started again.
        ephemeral=(),
        qemu=None,
        stopped=False,
        paused=False,
        unwatched="live",
    )


def _end(runtime: Runtime, key: str) -> None:
    """Undo: the pod stays, and what is left of it; its machine does not."""
    if entry := runtime.pods.lookup(key):
        kill_if_there(runtime, entry)


def _runs(entry: PodEntry) -> dict[str, int]:
    """By container, how often it has run: its next run must not take the log of the last."""
    newest = {
        name: journal.newest_run(entry.journal, number)
        for number, name in enumerate(entry.record.all_containers)
    }
    return {name: run + 1 for name, run in newest.items() if run is not None}
