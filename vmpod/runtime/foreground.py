"""Pods in the foreground: their output passes by, and who watches may stop them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

from vmpod.errors import ConflictError
from vmpod.runtime.context import Runtime
from vmpod.runtime.remove import kill, request_stop
from vmpod.state import journal
from vmpod.state.store import PodEntry
from vmpod.wire.journal import Entry

_POLL = 0.02
_MARGIN = 20.0


class Foreground:
    """Watches pods until all their machines have ended. show(entry, journal entry) gets each output."""

    def __init__(
        self, runtime: Runtime, entries: Sequence[PodEntry], show: Callable[[PodEntry, Entry], None]
    ) -> None:
        self._runtime = runtime
        self._show = show
        self._readers = [(entry, journal.Reader(entry.output)) for entry in entries]
        self._kill_at: float | None = None

    def watch(self, *, deadline: float | None = None) -> bool:
        """Show output until the pods have ended, or the deadline (time.monotonic()) has come.

        Whether they have ended. An exception, such as KeyboardInterrupt, leaves it ready to go on.
        """
        while True:
            alive = [entry for entry, _ in self._readers if entry.alive()]
            self._drain()
            if not alive:
                return True
            now = time.monotonic()
            if deadline is not None and now > deadline:
                return False
            if self._kill_at is not None and now > self._kill_at:
                self.kill()
            time.sleep(_POLL)

    def stop(self) -> None:
        """Ask all pods to stop within their grace periods; go on with watch() to see them do it."""
        grace = [30]
        for entry in self._running():
            request_stop(entry, None)
            own = (entry.record.document.get("spec") or {}).get("terminationGracePeriodSeconds")
            grace.append(own if isinstance(own, int) else 30)
        self._kill_at = time.monotonic() + max(grace) + _MARGIN

    def kill(self) -> None:
        """End what still runs, at once."""
        for entry in self._running():
            # Whoever holds the pod's lock is ending it already.
            kill(self._runtime, self._runtime.pods.lookup(entry.record.key) or entry)

    def _running(self) -> Iterable[PodEntry]:
        return [entry for entry, _ in self._readers if entry.alive()]

    def _drain(self) -> None:
        for entry, reader in self._readers:
            for each in reader.read():
                if each.stream != "event":
                    self._show(entry, each)


def check_distinct(keys: Sequence[str]) -> None:
    """Raise ConflictError if two pods of one manifest have the same name."""
    for key in keys:
        if keys.count(key) > 1:
            raise ConflictError(f"the manifest has two pods called {key}")
