"""What the pods of a Job write, as it comes."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable

from vmpod.runtime.context import Runtime
from vmpod.runtime.follow import Output, Selection
from vmpod.runtime.jobs.observe import pods_of, state_of
from vmpod.state.jobs import JobEntry
from vmpod.state.store import PodEntry
from vmpod.wire.journal import Entry

Show = Callable[[PodEntry, Entry], None]

_AT_ONCE = 2000  # entries of a pod; then it is the next one's turn
_POLL = 0.05
_LOOK = 0.5  # seconds until it is looked for new pods again


class Outputs:
    """The output of any number of pods; of those that have ended it is forgotten once it is read."""

    def __init__(self, runtime: Runtime, show: Show, wanted: Selection) -> None:
        self._runtime, self._show, self._wanted = runtime, show, wanted
        self._readers: dict[str, tuple[PodEntry, Output]] = {}

    def add(self, entry: PodEntry) -> None:
        """One more pod."""
        self._readers[entry.record.uid] = entry, Output(self._runtime, entry, self._wanted, follow=True)

    def drain(self) -> bool:
        """Show what has come; whether there may be more, for a pod may write faster than we show."""
        more = False
        for uid, (entry, output) in list(self._readers.items()):
            shown = 0
            for each in itertools.islice(output.read(), _AT_ONCE):
                shown += 1
                self._show(entry, each)
            more = more or shown >= _AT_ONCE
            if output.over and shown < _AT_ONCE:
                del self._readers[uid]
        return more


def show_all(runtime: Runtime, job: JobEntry, show: Show, wanted: Selection) -> None:
    """Show what the pods of a Job have written, one pod after the other."""
    for entry in pods_of(runtime, job.record):
        for each in Output(runtime, entry, wanted, follow=False).read():
            show(entry, each)


def follow(runtime: Runtime, job: JobEntry, show: Show, wanted: Selection) -> None:
    """Show what they have written and what they write, until the Job is over or nobody attends to it."""
    outputs, known = Outputs(runtime, show, wanted), set[str]()
    while True:
        # In this order: what was written before the end must be read after it is known.
        over = _over(runtime, job)
        for entry in pods_of(runtime, job.record):
            if entry.record.uid not in known:
                known.add(entry.record.uid)
                outputs.add(entry)
        until = time.monotonic() + (0 if over else _LOOK)
        while outputs.drain() or time.monotonic() < until:
            time.sleep(_POLL)
        if over:
            return


def _over(runtime: Runtime, job: JobEntry) -> bool:
    entry = runtime.jobs.lookup(job.record.key)
    if entry is None or entry.record.uid != job.record.uid:
        return True
    state = state_of(runtime, entry)
    return bool(state.course.end) or (state.attendant is None and not state.course.of(""))
