"""Pods in the foreground: their output passes by, and who watches may stop them."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Collection, Sequence

from vmpod.errors import ConflictError
from vmpod.runtime.context import Runtime
from vmpod.runtime.copyout import EndReader
from vmpod.runtime.remove import kill, patience, request_stop
from vmpod.state.journal import OutputReader
from vmpod.state.store import PodEntry
from vmpod.wire.journal import Entry

_POLL = 0.02
_AT_ONCE = 2000  # entries; then it is seen to what else there is to do


class Foreground:
    """Watches pods until all their machines have ended. show(entry, journal entry) gets each output.

    fetch(entry) is called for each of the pods `keeping` when it has ended and its machine waits for that.
    """

    def __init__(
        self,
        runtime: Runtime,
        entries: Sequence[PodEntry],
        show: Callable[[PodEntry, Entry], None],
        *,
        keeping: Collection[str] = (),
        fetch: Callable[[PodEntry], None] = lambda _entry: None,
    ) -> None:
        self._runtime = runtime
        self._show = show
        self._fetch = fetch
        self._keeping = [(entry, EndReader(entry)) for entry in entries if entry.record.key in keeping]
        self._readers = [
            (entry, OutputReader(entry.journal, entry.record.logged_containers)) for entry in entries
        ]
        self._kill_at: float | None = None
        self._over: set[str] = set()
        """Pods that have ended, and whose machines are on their way."""

    def watch(self, *, deadline: float | None = None) -> bool:
        """Show output until the pods have ended, or the deadline (time.monotonic()) has come.

        Whether they have ended. An exception, such as KeyboardInterrupt, leaves it ready to go on.
        """
        while True:
            alive = bool(self._running())
            more = self._drain()
            if not alive and not more:
                return True
            now = time.monotonic()
            if deadline is not None and now > deadline and not self._all_over():
                return False
            if self._kill_at is not None and now > self._kill_at:
                self.kill()
            if not more:
                self._fetch_kept()
                time.sleep(_POLL)

    def stop(self, *, keep: bool = False) -> None:
        """Ask all pods to stop within their grace periods; go on with watch() to see them do it.

        keep: their files are still wanted.
        """
        running = self._running()
        if not keep:
            self._keeping.clear()
        for entry in running:
            request_stop(self._runtime, entry, None, keep=keep)
        self._kill_at = time.monotonic() + max((patience(entry) for entry in running), default=0.0)

    def kill(self) -> None:
        """End what still runs, at once."""
        for entry in self._running():
            # Whoever holds the pod's lock is ending it already.
            kill(self._runtime, self._runtime.pods.lookup(entry.record.key) or entry)

    def _fetch_kept(self) -> None:
        """Fetch files of pods that have ended, and let their machines go."""
        for each in [each for each in self._keeping if each[1].ended()]:
            entry, _ = each
            if entry.alive():
                self._over.add(entry.record.key)
                self._fetch(entry)
                request_stop(self._runtime, entry, None)
                if self._kill_at is not None:
                    self._kill_at = time.monotonic() + patience(entry)
            self._keeping.remove(each)

    def _all_over(self) -> bool:
        return all(entry.record.key in self._over for entry in self._running())

    def _running(self) -> list[PodEntry]:
        return [entry for entry, _ in self._readers if entry.alive()]

    def _drain(self) -> bool:
        """Show what has come; whether there may be more, for a pod may write faster than we show."""
        shown = 0
        for entry, reader in self._readers:
            for each in itertools.islice(reader.read(), _AT_ONCE):
                shown += 1
                self._show(entry, each)
        return shown >= _AT_ONCE


def check_distinct(keys: Sequence[str]) -> None:
    """Raise ConflictError if two pods of one manifest have the same name."""
    for key in keys:
        if keys.count(key) > 1:
            raise ConflictError(f"the manifest has two pods called {key}")
