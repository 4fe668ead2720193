"""`vmpod run` of pods: all of them are started, or none, and then watched to their end, or left to run."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import replace

import click

from vmpod.cli.attended import Attended
from vmpod.cli.common import say
from vmpod.cli.failures import Failures
from vmpod.cli.interrupt import Interruption, interruptible
from vmpod.cli.main import FAILED, TIMED_OUT, show_error
from vmpod.cli.timings import show_timings
from vmpod.dataclass import dataclass
from vmpod.errors import MachineError
from vmpod.plan.forward import pod_key
from vmpod.progress import Progress
from vmpod.runtime.context import Runtime
from vmpod.runtime.copyout import Copies
from vmpod.runtime.follow import NotReadyError, check_ready, wait_until
from vmpod.runtime.remove import remove_pod, stop_pod
from vmpod.runtime.start import Options
from vmpod.runtime.together import Wanted, start_pods
from vmpod.runtime.watched import Watch, sweep
from vmpod.spec.model import Manifest
from vmpod.state.status import PodStatus
from vmpod.state.store import PodEntry
from vmpod.stopwatch import process_start


@dataclass(frozen=True)
class Wish:
    """What the command line asks for, beside how pods are started.

    deadline: of time.monotonic(), None for no limit; name: None for the manifest's.
    """

    detach: bool
    remove: bool
    deadline: float | None
    timings: bool
    name: str | None


class Running:
    """The pods of one command. copies: what is wanted of them in the end."""

    def __init__(  # noqa: PLR0917 - what the command was given
        self,
        runtime: Runtime,
        manifest: Manifest,
        options: Options,
        wish: Wish,
        copies: Copies,
        failures: Failures,
        progress: Progress,
    ) -> None:
        self._runtime = runtime
        self._manifest = manifest
        self._options = options
        self._wish = wish
        self._copies = copies
        self._failures = failures
        self._progress = progress

    def run(self) -> int:
        """Run them, and return the exit status. Raises VmpodError if one cannot be started."""
        wish = self._wish
        watch = Watch("live" if wish.detach else "remove" if wish.remove else "stop")
        with interruptible(), closing(watch):
            sweep(self._runtime, say)
            try:
                with ExitStack() as undo:
                    entries = self._start(watch, undo)
                    statuses = self._until_ready(entries) if wish.detach else []
                    undo.pop_all()
                if wish.timings:
                    show_timings(self._runtime, entries)
                if wish.detach:
                    return self._detached(entries, statuses)
                return self._attended(entries)
            except Interruption as interruption:
                return interruption.status

    def _start(self, watch: Watch, undo: ExitStack) -> list[PodEntry]:
        """Start every pod, or none. undo: gets what removes them."""
        self._say_notes()
        # All starts began with the command.
        begin, wanted = process_start(), list[Wanted]()
        for pod in self._manifest.pods:
            keep = {each.container for each in self._copies[pod_key(pod.namespace, pod.name)]}
            wanted.append(Wanted(pod, replace(self._options, watch=watch, keep=tuple(keep)), begin))
        found = start_pods(self._runtime, wanted, self._manifest, self._progress, all_or_none=True)
        for pod, came in zip(self._manifest.pods, found, strict=True):
            if came.error:
                self._failures.refused(pod_key(pod.namespace, pod.name), came.error, recorded=came.recorded)
        if failed := [came.error for came in found if came.error]:
            for error in failed[1:]:
                show_error(error)
            raise failed[0]
        entries = [came.entry for came in found if came.entry]
        for entry in entries:
            undo.callback(remove_pod, self._runtime, entry.record.called, force=True)
        return entries

    def _say_notes(self) -> None:
        claims = [note for claim in self._manifest.claims for note in claim.notes]
        pods = [note for pod in self._manifest.pods for note in pod.notes]
        # Replicas have the same to say.
        for note in dict.fromkeys(claims + pods):
            click.echo(f"{self._options.source}: {note}", err=True)

    def _until_ready(self, entries: Sequence[PodEntry]) -> list[PodStatus]:
        """Wait until every pod is ready, or has ended, or time is up; how each was then."""
        statuses, deadline = list[PodStatus](), self._wish.deadline
        with self._progress.phase("Starting the containers"):
            for entry in entries:
                timeout = None if deadline is None else max(0.0, deadline - time.monotonic())
                statuses.append(
                    wait_until(self._runtime, entry, lambda status: status.ready, timeout=timeout)
                )
        return statuses

    def _detached(self, entries: Sequence[PodEntry], statuses: Sequence[PodStatus]) -> int:
        """Say which pods there are now. One that is not ready is kept, ended, for what it has to tell."""
        result = 0
        for entry, status in zip(entries, statuses, strict=True):
            try:
                check_ready(entry, status)
            except NotReadyError as error:
                self._failures.add(entry.record.key, error)
                stop_pod(self._runtime, entry.record.called)
                show_error(error)
                result = result or TIMED_OUT
            except MachineError as error:
                self._failures.add(entry.record.key, error)
                show_error(error)
                result = FAILED
            else:
                click.echo(entry.record.called)
        return result

    def _attended(self, entries: list[PodEntry]) -> int:
        wish = self._wish
        attended = Attended(
            self._runtime, entries, wish.deadline, self._copies, self._failures, remove=wish.remove
        )
        return attended.run()
