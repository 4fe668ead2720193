"""Starting several pods at once: what one start waits for, the next one does not."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from functools import partial

from vmpod.dataclass import dataclass
from vmpod.errors import HostError, NotFoundError, VmpodError
from vmpod.hypervisor import ahead
from vmpod.hypervisor.child import import_ahead
from vmpod.progress import Progress, Silent
from vmpod.runtime.context import Runtime
from vmpod.runtime.remove import remove_pod
from vmpod.runtime.start import Options, ensure_images, start_pod
from vmpod.spec.model import Manifest, Pod
from vmpod.state.store import PodEntry
from vmpod.state.timeline import timed
from vmpod.workers import Outcome, WorkerDiedError, at_once

# By processor of the host: while the guest of one is busy, the host's part of another can be done.
_AT_ONCE = 2


@dataclass(frozen=True)
class Wanted:
    """A pod to start. begin: when its start has begun (ns since the epoch), None for when it does."""

    pod: Pod
    options: Options
    begin: int | None = None


@dataclass(frozen=True)
class Came:
    """What came of it: neither an entry nor an error if it was not begun.

    recorded: whether Options.failed has been called for the error; notes: what its progress had to say.
    """

    entry: PodEntry | None = None
    error: VmpodError | None = None
    recorded: bool = False
    notes: tuple[str, ...] = ()


def start_pods(
    runtime: Runtime,
    wanted: Sequence[Wanted],
    manifest: Manifest,
    progress: Progress,
    *,
    all_or_none: bool = False,
) -> list[Came]:
    """Start pods as start_pod() does, several at a time, and return what came of each.

    all_or_none: begin no other pod once one has failed, and remove those that were started. Raises VmpodError
    for what all need; then, and after an interruption, none of them is left.
    """
    if not wanted:
        return []
    with ExitStack() as undo:
        if len(wanted) == 1:
            found = [_start(runtime, wanted[0], manifest, progress)]
        else:
            found = _start_several(runtime, wanted, manifest, progress, undo, all_or_none=all_or_none)
        if not (all_or_none and any(each.error for each in found)):
            undo.pop_all()
    return found


def _start(runtime: Runtime, wanted: Wanted, manifest: Manifest, progress: Progress) -> Came:
    recorded = False

    def failed(key: str, error: VmpodError) -> None:
        nonlocal recorded
        recorded = True
        wanted.options.failed(key, error)

    start = partial(start_pod, runtime, wanted.pod, manifest, replace(wanted.options, failed=failed))
    try:
        return Came(timed(start, progress, begin=wanted.begin))
    except VmpodError as error:
        return Came(error=error, recorded=recorded)


def _start_several(
    runtime: Runtime,
    wanted: Sequence[Wanted],
    manifest: Manifest,
    progress: Progress,
    undo: ExitStack,
    *,
    all_or_none: bool,
) -> list[Came]:
    """undo: gets what removes those that were started."""
    _prepare(runtime, wanted, progress)
    processors = len(os.sched_getaffinity(0))
    # Where they could not boot side by side, a template is quicker, and they share its memory.
    template_first = len(wanted) > processors
    found = [Came()] * len(wanted)

    def add(outcome: Outcome[Came]) -> None:
        pod, options = wanted[outcome.number].pod, wanted[outcome.number].options
        options.watch.adopt(outcome.files)
        if outcome.value is None or outcome.value.entry:
            undo.callback(_remove, runtime, f"{pod.namespace}/{pod.name}")
        found[outcome.number] = _came(outcome, pod)

    with progress.phase(f"Starting {len(wanted)} pods") as phase:
        works = [
            partial(_in_worker, runtime, each, manifest, template_first=template_first) for each in wanted
        ]
        with closing(at_once(works, limit=_AT_ONCE * processors, late=add)) as outcomes:
            for number, outcome in enumerate(outcomes, start=1):
                add(outcome)
                phase.update(f"{number} of {len(wanted)}")
                if all_or_none and found[outcome.number].error:
                    break
    # Replicas have the same to say.
    for note in dict.fromkeys(note for came in found for note in came.notes):
        progress.note(note)
    return found


def _prepare(runtime: Runtime, wanted: Sequence[Wanted], progress: Progress) -> None:
    """Do what each would do for itself once, and where it can be seen."""
    runtime.guests.ensure(progress)
    for each in wanted:
        with suppress(VmpodError):  # the pod's own start meets it again
            ensure_images(runtime, each.pod, progress)
    ahead.dismiss()
    import_ahead()


def _in_worker(
    runtime: Runtime, wanted: Wanted, manifest: Manifest, *, template_first: bool
) -> tuple[Came, Sequence[int]]:
    notes = _Notes()
    options = replace(wanted.options, template_first=template_first)
    came = _start(runtime, replace(wanted, options=options), manifest, notes)
    return replace(came, notes=tuple(notes.told)), options.watch.held


class _Notes(Silent):
    """Keeps what is to be said when no other pod's progress is being shown."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def note(self, text: str) -> None:
        self.told.append(text)


def _came(outcome: Outcome[Came], pod: Pod) -> Came:
    if outcome.value is not None:
        return outcome.value
    if isinstance(outcome.error, WorkerDiedError):
        return Came(error=HostError(f"the process that started the pod {pod.name} has died"))
    assert outcome.error is not None
    raise outcome.error


def _remove(runtime: Runtime, name: str) -> None:
    with suppress(NotFoundError):
        remove_pod(runtime, name, force=True)
