"""`vmpod run` of a Job: in the foreground, or by a process of its own."""

from __future__ import annotations

from contextlib import ExitStack

import click

from vmpod.cli.interrupt import Interruption, interruptible
from vmpod.cli.main import TIMED_OUT
from vmpod.cli.output import Printer
from vmpod.cli.run_pods import Wish
from vmpod.errors import ConflictError, UsageError
from vmpod.progress import Progress
from vmpod.runtime.context import Runtime
from vmpod.runtime.follow import Selection
from vmpod.runtime.jobs.apply import Given, create, resume
from vmpod.runtime.jobs.attend import Attending
from vmpod.runtime.jobs.make import check, existing, expire, going_on, record_of, remove_attended, remove_job
from vmpod.runtime.jobs.output import Outputs
from vmpod.runtime.start import Options
from vmpod.spec.model import Manifest
from vmpod.state.jobs import JobEntry
from vmpod.state.jobstatus import complete, failed_code
from vmpod.state.store import PodEntry
from vmpod.text import printable_lines


def run_job(  # noqa: PLR0917 - what a command has
    runtime: Runtime,
    manifest: Manifest,
    text: tuple[str, str],
    options: Options,
    wish: Wish,
    progress: Progress,
) -> int:
    """Run the one Job of a manifest. Returns the exit status. Raises VmpodError."""
    _check(manifest, options, wish)
    # The manifest has another name, or none: who reads it again is told.
    name = manifest.jobs[0].name if manifest.unnamed else wish.name
    given = Given(manifest.jobs[0], manifest, [text], options, name)
    for note in given.job.notes:
        click.echo(f"{options.source}: {note}", err=True)
    with interruptible():
        try:
            expire(runtime)
            if wish.detach and not options.replace and (entry := resume(runtime, given, progress)):
                click.echo(f"job/{entry.record.called} continued")
                return 0
            _make_room(runtime, given)
            if wish.detach:
                entry = create(runtime, given, progress)
                click.echo(f"job/{entry.record.called}")
                return 0
            check(runtime, given.job, manifest, options, progress)
            return _Foreground(runtime, given, wish, progress).run()
        except Interruption as interruption:
            return interruption.status


def _check(manifest: Manifest, options: Options, wish: Wish) -> None:
    if manifest.pods or len(manifest.jobs) > 1:
        raise UsageError(
            f"{options.source} has a Job beside others, and `vmpod run` runs one Job by itself",
            hint="`vmpod apply -f FILE` starts all of them",
        )
    if options.publish:
        raise UsageError("--publish: the pods of a Job are several, and cannot share a port")
    if wish.timings:
        raise UsageError("--timings: a Job starts pods as it goes", hint="`vmpod timeline POD` tells of each")
    if wish.detach and wish.deadline is not None:
        raise UsageError(
            "--timeout: with -d nobody waits for the Job", hint="write spec.activeDeadlineSeconds"
        )
    if manifest.jobs[0].suspend and not wish.detach:
        raise UsageError(
            f"the Job {manifest.jobs[0].name} is suspended, so there is nothing to run",
            hint="write `suspend: false`, or `vmpod apply` it for later",
        )


def _make_room(runtime: Runtime, given: Given) -> None:
    entry = existing(runtime, given.job)
    if entry is None:
        return
    called = entry.record.called
    if not given.options.replace:
        raise ConflictError(
            f"there is a Job {called} already",
            hint=f"remove it (`vmpod delete job/{called}`), or use --replace, or --name for another name; "
            f"`{going_on(given.name)}` goes on with it if it is not over",
        )
    remove_job(runtime, called)


class _Shown:
    """Shows what pods write, and what else there is to say."""

    def __init__(self, runtime: Runtime, printer: Printer) -> None:
        self._outputs = Outputs(
            runtime, lambda entry, each: printer.show(each, entry.record.name), Selection()
        )

    def started(self, entry: PodEntry) -> None:
        """See Watcher."""
        self._outputs.add(entry)

    def look(self) -> bool:
        """See Watcher."""
        return self._outputs.drain()

    def said(self, kind: str, reason: str, message: str) -> None:  # noqa: ARG002 - see Watcher
        """See Watcher."""
        if reason in {"PodFailed", "FailedCreate"}:
            click.echo(f"vmpod: {printable_lines(message)}", err=True)


class _Foreground:
    """A Job in the foreground, to its end."""

    def __init__(self, runtime: Runtime, given: Given, wish: Wish, progress: Progress) -> None:
        self._runtime, self._given, self._wish, self._progress = runtime, given, wish, progress
        self._printer = Printer(prefix=True)

    def run(self) -> int:
        """Attend to it, stop when asked to, clean up. Returns the exit status."""
        runtime, job = self._runtime, self._given.job
        renamed = self._given.name is not None
        record = record_of(job, self._given.manifest, self._given.options, renamed=renamed)
        with runtime.jobs.attending(record.key, foreground=True), ExitStack() as undo:
            undo.callback(runtime.jobs.delete, record.key)
            entry = runtime.jobs.save(record)
            attending = Attending(
                runtime,
                entry,
                job,
                self._given.manifest,
                watcher=_Shown(runtime, self._printer),
                progress=self._progress,
            )
            status = self._attend(attending)
            undo.pop_all()
            self._printer.finish()
            if self._wish.remove or (attending.course.end and job.ttl == 0):
                remove_attended(runtime, entry, force=True)
            elif not attending.course.end:
                self._say_unfinished(entry)
        return status

    def _attend(self, attending: Attending) -> int:
        try:
            if attending.run(wait_suspended=True, deadline=self._wish.deadline):
                return self._result(attending)
            click.echo("vmpod: time is up; stopping", err=True)
            return self._stop(attending, TIMED_OUT)
        except Interruption as interruption:
            return self._stop(attending, interruption.status)

    def _stop(self, attending: Attending, status: int) -> int:
        """Stop all pods gracefully; at once if we are interrupted again meanwhile."""
        attending.halt()
        try:
            click.echo("vmpod: stopping; Ctrl-C again to stop at once", err=True)
            attending.run()
        except Interruption:
            attending.kill()
            attending.run()
        return status

    def _result(self, attending: Attending) -> int:
        course = attending.course
        if complete(course) or course.end is None:
            return 0
        name = self._given.job.name
        told = printable_lines(course.end.message)
        click.echo(f"vmpod: the Job {name} failed: {told} ({course.end.reason})", err=True)
        return failed_code(course)

    def _say_unfinished(self, entry: JobEntry) -> None:
        told = f"the Job {entry.record.called} is not over; `{going_on(self._given.name)}` goes on with it"
        click.echo(f"vmpod: {told}", err=True)
