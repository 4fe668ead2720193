"""What `vmpod apply` does, and says."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vmpod.cli.main import FAILED, show_error
from vmpod.cli.removed import remove_claims
from vmpod.errors import ConflictError, VmpodError
from vmpod.plan.forward import called, pod_key
from vmpod.progress import Progress
from vmpod.runtime import claims
from vmpod.runtime.changes import changeable, differences, existing, surplus
from vmpod.runtime.context import Runtime
from vmpod.runtime.follow import check_ready, wait_any
from vmpod.runtime.immutable import check_immutable
from vmpod.runtime.remove import remove_pod, stop_pod
from vmpod.runtime.retention import claims_of_the_surplus
from vmpod.runtime.start import Options
from vmpod.runtime.together import Wanted, start_pods
from vmpod.runtime.update import update
from vmpod.spec.machine import OWNER
from vmpod.spec.model import Claim, Manifest, Pod
from vmpod.state.status import PodStatus
from vmpod.state.store import PodEntry
from vmpod.text import printable_lines

if TYPE_CHECKING:
    from vmpod.cli.sources import Text
    from vmpod.spec.jobmodel import Job


class _Queue:
    """Pods of which each is started when the one before is ready.

    entry: the first one's, once it has been started; deadline: of time.monotonic() for that to be ready, None
    for no limit.
    """

    def __init__(self) -> None:
        self.pods: deque[Wanted] = deque()
        self.entry: PodEntry | None = None
        self.deadline: float | None = None


class Applying:
    """Makes what is on this host what a manifest says. What fails holds up only what waits for it."""

    def __init__(  # noqa: PLR0917 - what the command was given
        self,
        runtime: Runtime,
        manifest: Manifest,
        given: list[Text],
        options: Options,
        timeout: float | None,
        progress: Progress,
    ) -> None:
        """given: the texts that the manifest was read from; timeout: seconds for a pod to be ready."""
        self._runtime = runtime
        self._manifest = manifest
        self._given = given
        self._options = options
        self._timeout = timeout
        self._progress = progress
        self._status = 0
        self._there: set[str] = set()  # keys of pods that are replaced

    def run(self) -> int:
        """Do so, and return the exit status. An interruption leaves no pod that was not told of."""
        for claim in self._manifest.claims:
            with self._telling():
                self._claim(claim)
        wanted: list[Wanted] = []
        for pod in self._manifest.pods:
            with self._telling():
                wanted += self._to_start(pod)
        self._start(wanted)
        for key in surplus(self._runtime, self._manifest):
            going = claims_of_the_surplus(self._runtime, self._manifest, key)
            stop_pod(self._runtime, key)
            remove_pod(self._runtime, key)
            click.echo(f"pod/{key.removeprefix('default/')} deleted")
            self._status = remove_claims(self._runtime, going, ignore_not_found=True) or self._status
        return self._status

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except VmpodError as error:
            self._failed(error)

    def _failed(self, error: VmpodError) -> None:
        show_error(error)
        self._status = FAILED

    def _claim(self, claim: Claim) -> None:
        done = claims.apply(self._runtime, claim)
        if done != "unchanged":
            _note(claim.source, claim.notes)
        click.echo(f"persistentvolumeclaim/{claims.shown(claim)} {done}")

    # Pods.

    def _to_start(self, pod: Pod) -> list[Wanted]:
        """The pod, unless it is there; then what can change in place is brought to it."""
        options, entry = self._options, existing(self._runtime, pod)
        if entry is not None and OWNER in pod.annotations and not entry.alive():
            # A workload wants its pods to run.
            options = replace(options, replace=True)
        elif entry is not None:
            lines = differences(entry, pod, self._manifest)
            # What Secrets say is in no difference: they are not kept.
            if not lines or (not options.replace and changeable(entry, pod)):
                click.echo(f"pod/{entry.record.called} {self._configure(entry, pod, changed=bool(lines))}")
                return []
            click.echo(printable_lines("\n".join(lines)), err=True)
            if not options.replace:
                raise ConflictError(
                    f"the pod {entry.record.called} is there already, and not as {pod.source} says",
                    hint="--replace removes it, and starts it anew",
                )
        if entry is not None:
            self._there.add(entry.record.key)
        return [Wanted(pod, replace(options, source=pod.source, file=_file(pod.source)))]

    def _configure(self, entry: PodEntry, pod: Pod, *, changed: bool) -> str:
        """Bring what has changed to a pod that need not be made anew for it; what was done."""
        record = entry.record
        check_immutable(
            f"the pod {entry.record.called}",
            pod,
            self._manifest,
            config=record.config,
            secrets=record.immutable_secrets,
        )
        found = update(self._runtime, entry, pod, self._manifest)
        if found.containers:
            names = ", ".join(found.containers)
            told = f"variables have changed, which {names} of {pod.name} will see when started again"
            click.echo(f"{pod.source}: {told} (vmpod restart {entry.record.called})", err=True)
        return "configured" if changed or found.volumes or found.containers else "unchanged"

    def _start(self, wanted: Sequence[Wanted]) -> None:
        """Start the pods, and wait for them: one may need another that comes later in the file."""
        for source in dict.fromkeys(each.pod.source for each in wanted):
            _note(source, [note for each in wanted if each.pod.source == source for note in each.pod.notes])
        queues = _queues(wanted)
        with ExitStack() as undo:
            undo.callback(self._undo, queues)
            self._start_first(queues)
            # Pods may need what a Job does, and a Job what pods do.
            self._start_jobs()
            while queues := [queue for queue in queues if queue.pods]:
                self._start_first([queue for queue in queues if queue.entry is None])
                for queue, status in self._wait([queue for queue in queues if queue.entry]):
                    self._came(queue, status)
            undo.pop_all()

    def _start_first(self, queues: Sequence[_Queue]) -> None:
        wanted = [queue.pods[0] for queue in queues]
        found = start_pods(self._runtime, wanted, self._manifest, self._progress)
        for queue, came in zip(queues, found, strict=True):
            if came.error:
                self._failed(came.error)
                _give_up(queue)
            queue.entry = came.entry
            queue.deadline = None if self._timeout is None else time.monotonic() + self._timeout

    def _wait(self, queues: Sequence[_Queue]) -> list[tuple[_Queue, PodStatus]]:
        """Wait until all are ready, or one is for which another waits."""
        done: dict[int, PodStatus] = {}
        with self._progress.phase("Starting the containers") as phase:
            while len(done) < len(queues) and not any(len(queues[number].pods) > 1 for number in done):
                waiting = {
                    number: (queue.entry, queue.deadline)
                    for number, queue in enumerate(queues)
                    if queue.entry and number not in done
                }
                done |= wait_any(self._runtime, waiting)
                if len(queues) > 1:
                    phase.update(f"{len(done)} of {len(queues)}")
        return [(queues[number], done[number]) for number in sorted(done)]

    def _came(self, queue: _Queue, status: PodStatus) -> None:
        """Tell of a pod. One that fails or takes too long is kept for what it has to tell."""
        entry, queue.entry = queue.entry, None
        assert entry is not None
        try:
            check_ready(entry, status)
        except VmpodError as error:
            self._failed(error)
            _give_up(queue)
        else:
            queue.pods.popleft()
            done = "replaced" if entry.record.key in self._there else "created"
            click.echo(f"pod/{entry.record.called} {done}")

    def _undo(self, queues: Sequence[_Queue]) -> None:
        for queue in queues:
            if queue.entry:
                remove_pod(self._runtime, queue.entry.record.called, force=True)

    # Jobs.

    def _start_jobs(self) -> None:
        for job in self._manifest.jobs:
            with self._telling():
                self._job(job)

    def _job(self, job: Job) -> None:
        from vmpod.runtime.jobs.apply import Given, apply  # noqa: PLC0415 - most manifests have none
        from vmpod.runtime.jobs.make import expire  # noqa: PLC0415

        expire(self._runtime)
        _note(job.source, job.notes)
        options = replace(self._options, source=job.source, file=_file(job.source))
        done = apply(
            self._runtime,
            Given(job, self._manifest, self._given, options),
            self._progress,
            lambda lines: click.echo(printable_lines("\n".join(lines)), err=True),
        )
        click.echo(f"job/{called(pod_key(job.namespace, job.name))} {done}")


def _queues(wanted: Iterable[Wanted]) -> list[_Queue]:
    """Pods that a workload wants one after the other are in one queue, and others in one each."""
    queues: dict[tuple[str, str], _Queue] = {}
    for each in wanted:
        pod = each.pod
        place = (pod.namespace, pod.annotations[OWNER] if pod.ordered else f"/{pod.name}")
        queues.setdefault(place, _Queue()).pods.append(each)
    return list(queues.values())


def _give_up(queue: _Queue) -> None:
    """Its first pod is of no use to those that would come after it."""
    first, *others = queue.pods
    queue.pods.clear()
    if others:
        names = ", ".join(each.pod.name for each in others)
        _note(first.pod.source, [f"not started, as {first.pod.name} comes before them: {names}"])


def _note(source: str, notes: Iterable[str]) -> None:
    """Say each once: replicas have the same to say."""
    for note in dict.fromkeys(notes):
        click.echo(f"{source}: {note}", err=True)


def _file(source: str) -> Path | None:
    path = Path(source)
    return path if path.is_file() else None
