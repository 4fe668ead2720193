"""A process of its own that attends to one Job, and ends with it.

    python -m vmpod.runtime.jobs.background KEY

It gets its manifest on standard input, as Secrets are kept nowhere, says on standard output in one line of
JSON that it has begun or why it cannot, and is then alone. SIGTERM lets it go; what else ends it does no
harm: see attend.py.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import IO, Any

from vmpod.errors import HostError, VmpodError
from vmpod.paths import default_paths
from vmpod.plan.forward import pod_key
from vmpod.runtime.context import Runtime
from vmpod.runtime.jobs.attend import Attending, Nobody
from vmpod.runtime.jobs.make import expiry, remove_attended
from vmpod.spec.jobmodel import Job
from vmpod.spec.load import load_all
from vmpod.spec.model import Manifest
from vmpod.state.jobs import JobEntry

LOG = "controller.log"
"""What it writes to standard error, in the Job's directory: nothing, unless something is broken."""

LONGEST_STAY = 600
"""Seconds that it waits for a Job's time to be kept to be over. A longer one is left to other commands."""

_WELL = b"{}\n"
_POLL = 0.2
_BEFORE = 10.0  # seconds for who started it to let go of the lock


def begin(entry: JobEntry, texts: Sequence[tuple[str, str]], name: str | None = None) -> None:
    """Start the process, and return once it attends to the Job and has started a first pod if it could.

    texts: the manifest, as for load_all(). name: the Job's, if it is not the manifest's. Raises VmpodError.
    """
    key = entry.record.key
    request = json.dumps({"texts": list(texts), "name": name}).encode()
    with (entry.directory / LOG).open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "vmpod.runtime.jobs.background", key],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
            cwd="/",
        )
    assert process.stdin
    assert process.stdout
    with process.stdin as ask, process.stdout as answers:
        _write(ask, request)
        answer = answers.readline()
    if answer != _WELL:
        # It has ended, or is about to.
        process.wait()
    _check(entry, answer)


def _write(stream: IO[bytes], data: bytes) -> None:
    try:
        stream.write(data)
        stream.close()
    except BrokenPipeError:
        return  # its answer, or that there is none, tells more


def _check(entry: JobEntry, answer: bytes) -> None:
    try:
        found = json.loads(answer)
    except ValueError:
        raise HostError(
            "the process that was to attend to the Job has ended without a word",
            hint=f"{entry.directory / LOG} may tell why",
        ) from None
    if error := found.get("error"):
        kind = next((each for each in _errors(VmpodError) if each.code == error["code"]), VmpodError)
        raise kind(error["message"], hint=error["hint"])


def _errors(top: type[VmpodError]) -> Iterator[type[VmpodError]]:
    """A class and those that are made of it; only those that take a message."""
    for each in top.__subclasses__():
        if each.__init__ is VmpodError.__init__:
            yield each
        yield from _errors(each)


# In the process itself.


class _Answer(Nobody):
    """Tells who started us that all is well, once pods are looked at."""

    def __init__(self) -> None:
        self._given = False

    def look(self) -> bool:
        self.give({})
        return False

    def give(self, answer: dict[str, Any]) -> None:
        """Say something, the first time, and let go of the pipe."""
        if self._given:
            return
        self._given = True
        nowhere = os.open(os.devnull, os.O_WRONLY)
        # Who started us may have been killed, and the Job goes on.
        with suppress(BrokenPipeError):
            os.write(1, json.dumps(answer).encode() + b"\n")
        os.dup2(nowhere, 1)
        os.close(nowhere)


def main(key: str, request: bytes) -> None:
    """Attend to the Job of that key."""
    answer = _Answer()
    try:
        content = json.loads(request)
        manifest = load_all([(text, source) for text, source in content["texts"]])
        _attend(Runtime(default_paths()), key, manifest, content["name"], answer)
    except VmpodError as error:
        answer.give({"error": {"code": error.code, "message": error.message, "hint": error.hint}})
    except OSError as error:
        answer.give({"error": {"code": "system", "message": str(error), "hint": None}})
        raise


def _attend(runtime: Runtime, key: str, manifest: Manifest, name: str | None, answer: _Answer) -> None:
    with runtime.jobs.attending(key, foreground=False, timeout=_BEFORE):
        entry = runtime.jobs.lookup(key)
        if entry is None:
            raise HostError(f"the Job {key} is gone")
        job = named(manifest, key, name)
        attending = Attending(runtime, entry, job, manifest, watcher=answer)

        def leave(_number: int, _frame: object) -> None:
            attending.leaving = True

        signal.signal(signal.SIGTERM, leave)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        attending.run()
        answer.give({})
        if _stay(runtime, entry, attending):
            remove_attended(runtime, entry)


def named(manifest: Manifest, key: str, name: str | None = None) -> Job:
    """The Job of that key in a manifest. name: what the only one is called instead."""
    if name is not None:
        return replace(manifest.jobs[0], name=name)
    return next(job for job in manifest.jobs if pod_key(job.namespace, job.name) == key)


def _stay(runtime: Runtime, entry: JobEntry, attending: Attending) -> bool:
    """Wait for the Job's time to be kept to be over, if that is soon; whether it is."""
    due = expiry(runtime, entry)
    if due is None or due - time.time() > LONGEST_STAY:
        return False
    while not attending.leaving and time.time() < due:
        time.sleep(_POLL)
    return not attending.leaving


if __name__ == "__main__":
    main(sys.argv[1], sys.stdin.buffer.read())
