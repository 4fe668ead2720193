"""Attending to a Job: a small loop around what the controller decides.

All that it must remember is written down before it is done, so that it may be killed at any moment: who
attends next finds the pods by their labels, and goes on.
"""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Protocol

from vmpod.errors import VmpodError
from vmpod.plan.forward import pod_key
from vmpod.plan.jobs.controller import Rules, Step, account, step
from vmpod.plan.jobs.course import Attempt, Course, Seen
from vmpod.plan.jobs.policy import FIRST_DELAY, MAX_DELAY
from vmpod.progress import SILENT, Progress
from vmpod.runtime.context import Runtime
from vmpod.runtime.generated import random_suffix
from vmpod.runtime.jobs.observe import observe, pods_of
from vmpod.runtime.jobs.tell import happenings
from vmpod.runtime.remove import MARGIN, kill, patience, remove_pod, request_stop
from vmpod.runtime.start import Options, start_pod
from vmpod.spec.jobmodel import Job
from vmpod.spec.jobpods import job_pod, pod_name
from vmpod.spec.model import Manifest
from vmpod.state.jobrecord import JobRecord
from vmpod.state.jobs import JobEntry
from vmpod.state.store import PodEntry
from vmpod.state.timeline import timed

_LOOK = 0.5  # seconds after which pods are looked at although none has ended
_POLL = 0.02


class Watcher(Protocol):
    """Looks on while a Job is attended to."""

    def started(self, entry: PodEntry) -> None:
        """A pod is there, be it new or found again."""

    def look(self) -> bool:
        """Called again and again; whether to call at once again."""

    def said(self, kind: str, reason: str, message: str) -> None:
        """Something has happened."""


class Nobody:
    """A watcher that does not look."""

    def started(self, entry: PodEntry) -> None:
        """See Watcher."""

    def look(self) -> bool:
        """See Watcher."""
        return False

    def said(self, kind: str, reason: str, message: str) -> None:
        """See Watcher."""


class Attending:
    """Attends to one Job. The caller holds its lock. manifest: what its pods refer to."""

    def __init__(
        self,
        runtime: Runtime,
        entry: JobEntry,
        job: Job,
        manifest: Manifest,
        *,
        watcher: Watcher | None = None,
        progress: Progress = SILENT,
    ) -> None:
        self._runtime = runtime
        self._entry = entry
        self._job = job
        self._manifest = manifest
        self._watcher = watcher or Nobody()
        self._progress = progress
        self._pods: dict[str, PodEntry] = {}
        self._kill_at: dict[str, float] = {}
        self._hold, self._delay = 0.0, FIRST_DELAY
        self._halting = False
        self.leaving = False
        """Whether to leave the Job to itself as soon as can be."""
        self.course = runtime.jobs.course(entry)
        """How far it is."""
        self._find_pods()

    def run(self, *, wait_suspended: bool = False, deadline: float | None = None) -> bool:
        """Attend to it until it is over, or its pods have ended after halt(), or we are to leave.

        wait_suspended: also while it is suspended. deadline: of time.monotonic(). Whether it is as it should
        be, False if the deadline has come. Raises what the start of the very first pod raises. Another
        exception, such as KeyboardInterrupt, leaves it ready to go on.
        """
        while not self.leaving:
            done = self._decide()
            self._keep(done.course)
            self._stop()
            if self._over(wait_suspended=wait_suspended):
                while self._watcher.look():
                    pass
                return True
            if done.start and time.time() >= self._hold:
                if self._pods:
                    # A start takes its time, and what others wrote is not to wait for it.
                    self._watcher.look()
                self._start(done.start[0])
            elif not self._wait(done.again, deadline):
                return False
        return True

    def halt(self) -> None:
        """Stop all pods, which counts neither as success nor as failure; go on with run() to see them end."""
        self._halting = True
        # One may have been started a moment before we were interrupted.
        self._find_pods()

    def kill(self) -> None:
        """End what still runs, at once."""
        for entry in list(self._pods.values()):
            self._kill(entry)

    # What is, and what follows from it.

    def _find_pods(self) -> None:
        """The pods that run, also those that were not written down; one whose start was cut off goes."""
        known = {each.uid for each in self.course.attempts if each.outcome}
        for entry in pods_of(self._runtime, self._entry.record):
            if entry.record.uid in known or entry.record.name in self._pods:
                continue
            if self._runtime.pods.status(entry).reason == "StartFailed":
                remove_pod(self._runtime, entry.record.called, force=True)
                continue
            self._pods[entry.record.name] = entry
            self._watcher.started(entry)

    def _decide(self) -> Step:
        now, pods = time.time(), self._look()
        if not self._halting:
            return step(self._job, self.course, pods, now)
        course = account(self.course, pods, now, Rules(self._job.failure_rules, self._job.namespace))
        names = tuple(each.name for each in course.active)
        return Step(course.told_to_stop(names), stop=names)

    def _look(self) -> list[Seen]:
        there = {name: self._runtime.pods.lookup(entry.record.key) for name, entry in self._pods.items()}
        uids = {name: entry.record.uid for name, entry in self._pods.items()}
        self._pods = {
            name: entry for name, entry in there.items() if entry and entry.record.uid == uids[name]
        }
        found = observe(self._runtime, self._pods.values())
        for name in (each.name for each in found if each.ending):
            # A machine that does not turn itself off.
            self._kill_at.setdefault(name, time.monotonic() + MARGIN)
        return found

    def _keep(self, course: Course) -> None:
        """Write down what has come, and say it."""
        if course == self.course:
            return
        self._runtime.jobs.save_course(self._entry, course)
        before, self.course = self.course, course
        for kind, reason, message in happenings(before, course):
            self._say(kind, reason, message)
        open_ = {each.name for each in course.of("")}
        if ended := self._pods.keys() - open_:
            # There may be room for what could not be started.
            self._hold = 0.0
        for name in ended:
            del self._pods[name]

    def _over(self, *, wait_suspended: bool) -> bool:
        if self.course.end:
            return True
        resting = self._halting or (self._job.suspend and not wait_suspended)
        return resting and not self.course.of("")

    def _say(self, kind: str, reason: str, message: str) -> None:
        self._runtime.jobs.say(self._entry, kind, reason, message)
        self._watcher.said(kind, reason, message)

    # Effects.

    def _start(self, index: int | None) -> None:
        record, job = self._entry.record, self._job
        name = _free_name(self._runtime, job, index)
        pod = job_pod(job, record.uid, name, index, self.course.failures(index))
        manifest = replace(self._manifest, pods=(pod,), jobs=())
        start = partial(start_pod, self._runtime, pod, manifest, options(record, job))
        try:
            entry = timed(start, SILENT if self.course.attempts else self._progress)
        except VmpodError as error:
            if not self.course.attempts:
                raise
            self._later(name, error)
            return
        self._hold, self._delay = 0.0, FIRST_DELAY
        self._pods[name] = entry
        self._watcher.started(entry)
        self._keep(self.course.with_attempt(Attempt(name, entry.record.uid, index)))

    def _later(self, name: str, error: VmpodError) -> None:
        """Try again in a while, or when a pod has ended."""
        self._say("Warning", "FailedCreate", f"Pod {name} cannot be started: {error.message}")
        self._hold = time.time() + self._delay
        self._delay = min(2 * self._delay, MAX_DELAY)

    def _stop(self) -> None:
        """Ask those to stop that are to: also if who wrote so was killed, or interrupted, before it did."""
        for name in (each.name for each in self.course.terminating):
            entry = self._pods.get(name)
            if entry is None or name in self._kill_at:
                continue
            if entry.alive():
                request_stop(self._runtime, entry, None)
            self._kill_at[name] = time.monotonic() + patience(entry)
            self._say("Normal", "PodStopped", f"Stopped pod: {name}")

    def _kill(self, entry: PodEntry) -> None:
        # Whoever holds the pod's lock is ending it already.
        if entry.alive():
            kill(self._runtime, self._runtime.pods.lookup(entry.record.key) or entry)

    def _wait(self, again: float | None, deadline: float | None) -> bool:
        """Wait until there may be something to decide; False if the deadline has come."""
        running = self._running()
        due = _LOOK if again is None else min(_LOOK, max(0.0, again - time.time()))
        until = time.monotonic() + due
        while not self.leaving:
            more = self._watcher.look()
            now = time.monotonic()
            if deadline is not None and now >= deadline:
                return False
            for name, entry in self._pods.items():
                if now >= self._kill_at.get(name, now + 1):
                    self._kill(entry)
            if now >= until or self._running() != running:
                return True
            if not more:
                time.sleep(_POLL)
        return True

    def _running(self) -> set[str]:
        return {name for name, entry in self._pods.items() if entry.alive()}


def options(record: JobRecord, job: Job) -> Options:
    """How a Job's pods are started."""
    return Options(
        accelerator=record.accelerator,
        uri=record.uri,
        source=job.source or "job",
        file=Path(record.manifest) if record.manifest else None,
        logs=record.logs,
        boot_timeout=record.boot_timeout,
        template=record.template,
    )


def _free_name(runtime: Runtime, job: Job, index: int | None) -> str:
    while True:
        name = pod_name(job, index, random_suffix())
        if not runtime.pods.directory(pod_key(job.namespace, name)).exists():
            return name
