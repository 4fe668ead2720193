"""All Jobs of this user.

<state>/jobs/<key>/job.json      what the user wants
<state>/jobs/<key>/course.json   how far it is; written by who attends to it
<state>/jobs/<key>/events        what happened, a line each
<runtime>/jobs/<key>             held by who attends to the Job, with the number of the process in it

Who holds the lock may write. It ends with its process, so that never two attend to one Job, and that nobody
does is seen.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, MutableSequence, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vmpod import lock
from vmpod.dataclass import dataclass
from vmpod.errors import HostError, NotFoundError
from vmpod.files import write_atomically
from vmpod.paths import Paths, private_dir
from vmpod.plan.jobs.course import Attempt, Condition, Course
from vmpod.process import Process
from vmpod.state.jobrecord import FILE, JobRecord
from vmpod.state.jobrecord import load as load_record
from vmpod.state.jobrecord import save as save_record
from vmpod.state.store import key_of
from vmpod.wire.journal import timestamp

COURSE, EVENTS = "course.json", "events"
_MAX_EVENTS = 1024 * 1024
"""Bytes of events that are kept; what comes after is not written."""


@dataclass(frozen=True)
class JobEntry:
    """A Job that is there."""

    record: JobRecord
    directory: Path


@dataclass(frozen=True)
class Attendant:
    """Who attends to a Job. process: None for the moment in which it has not said so yet."""

    process: Process | None
    foreground: bool = False


@dataclass(frozen=True)
class JobEvent:
    """moment: RFC 3339; kind: Normal or Warning."""

    moment: str
    kind: str
    reason: str
    message: str


class JobStore:
    """Finds, adds and removes Jobs. Nothing is cached: other commands work on the same files."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths

    def directory(self, key: str) -> Path:
        """Where a Job of that key is kept, whether or not it is there."""
        return self._paths.jobs / key

    def list(self, *, problems: MutableSequence[HostError] | None = None) -> list[JobEntry]:
        """Every Job, by key. A record that cannot be read goes to problems; without that, it is raised."""
        found = []
        for key in self.keys():
            try:
                entry = self.lookup(key)
            except HostError as error:
                if problems is None:
                    raise
                problems.append(error)
                continue
            found += [entry] if entry else []
        return found

    def keys(self) -> Sequence[str]:
        """What has a directory among the Jobs, be it a Job or not."""
        return sorted(path.name for path in self._paths.jobs.iterdir()) if self._paths.jobs.is_dir() else []

    def find(self, name: str) -> JobEntry:
        """The Job of that name, 'NAME' or 'NAMESPACE/NAME'. Raises NotFoundError."""
        entry = self.lookup(key_of(name))
        if entry is None:
            raise NotFoundError(f"there is no Job {name!r}", hint="`vmpod get jobs` lists all Jobs")
        return entry

    def lookup(self, key: str) -> JobEntry | None:
        """The Job of that key, None if there is none."""
        directory = self.directory(key)
        record = load_record(directory)
        return JobEntry(record, directory) if record else None

    def save(self, record: JobRecord) -> JobEntry:
        """Write the Job's record; makes its directory."""
        private_dir(self._paths.state)
        directory = self.directory(record.key)
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        save_record(record, directory)
        return JobEntry(record, directory)

    def delete(self, key: str) -> None:
        """Remove all that is kept of a Job but its pods."""
        import shutil  # noqa: PLC0415 - slow to import, and most commands delete nothing

        # First, so that what is left if we are killed meanwhile is not taken for a Job.
        (self.directory(key) / FILE).unlink(missing_ok=True)
        shutil.rmtree(self.directory(key), ignore_errors=True)

    def course(self, entry: JobEntry) -> Course:
        """How far it is, by what was written down last. Raises HostError if that is damaged."""
        path = entry.directory / COURSE
        try:
            return _course(json.loads(path.read_bytes()))
        except FileNotFoundError:
            return Course()
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise HostError(
                f"{path} is damaged: {error}",
                hint=f"`vmpod delete job/{entry.record.called}` removes the Job",
            ) from error

    def save_course(self, entry: JobEntry, course: Course) -> None:
        """Write down how far it is. Raises OSError."""
        write_atomically(entry.directory / COURSE, json.dumps(asdict(course)).encode())

    # Who attends to it.

    @contextmanager
    def attending(self, key: str, *, foreground: bool, timeout: float = 60.0) -> Iterator[None]:
        """Be the one who attends to a Job. Raises ConflictError if another does for that many seconds."""
        path = self._lock(key)
        private_dir(self._paths.runtime)
        with lock.locked(path, f"the Job {key}", timeout=timeout):
            me = Process.of(os.getpid())
            assert me
            path.write_text(json.dumps(asdict(Attendant(me, foreground))))
            yield

    def attendant(self, key: str) -> Attendant | None:
        """Who attends to a Job; None if nobody does."""
        path = self._lock(key)
        if not lock.held(path):
            return None
        try:
            content = json.loads(path.read_bytes())
            return Attendant(Process(**content["process"]), content["foreground"] is True)
        except (OSError, ValueError, TypeError, KeyError):
            return Attendant(None)

    def stale_locks(self) -> Sequence[Path]:
        """Files of locks that nobody holds: their processes were killed."""
        directory = self._paths.runtime / "jobs"
        found = sorted(directory.iterdir()) if directory.is_dir() else []
        return [path for path in found if not lock.held(path)]

    def _lock(self, key: str) -> Path:
        return self._paths.runtime / "jobs" / key

    # What happened.

    def say(self, entry: JobEntry, kind: str, reason: str, message: str) -> None:
        """Note that something happened; nothing if there is no room for it."""
        path = entry.directory / EVENTS
        line = json.dumps(asdict(JobEvent(timestamp(_now()), kind, reason, message)))
        try:
            with path.open("a") as file:
                if file.tell() < _MAX_EVENTS:
                    file.write(line + "\n")
        except OSError:
            return  # a full disk shall not end the Job

    def events(self, entry: JobEntry) -> Iterator[JobEvent]:
        """What happened, in order."""
        try:
            lines = (entry.directory / EVENTS).read_text().splitlines()
        except FileNotFoundError:
            return
        for line in lines:
            try:
                yield JobEvent(**json.loads(line))
            except (ValueError, TypeError):
                continue  # one that was cut off


def _now() -> int:
    import time  # noqa: PLC0415 - only to write

    return time.time_ns()


def _course(content: Any) -> Course:
    attempts = tuple(Attempt(**each) for each in content["attempts"])
    conditions = tuple(Condition(**each) for each in content["conditions"])
    return Course(content["started"], content["completed"], attempts, conditions)
