"""Follows what several pods use, over a session with each."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack

from vmpod.client.session import Session, session
from vmpod.client.stats import PodUsage, Sample, sample, usage
from vmpod.errors import VmpodError
from vmpod.plan.forward import called
from vmpod.state.store import PodEntry


class Watch:
    """Samples of pods. problems: why those that could not be asked, or no longer, are missing."""

    def __init__(self, entries: Iterable[PodEntry], stack: ExitStack) -> None:
        self.problems: list[VmpodError] = []
        self._entries = {entry.record.key: entry for entry in entries}
        self._sessions: dict[str, Session] = {}
        self._last: dict[str, Sample] = {}
        for key, entry in self._entries.items():
            try:
                self._sessions[key] = stack.enter_context(session(entry.record.sockets))
                self._last[key] = sample(self._sessions[key])
            except VmpodError as error:
                self._drop(key, error)

    def rounds(self, interval: float) -> Iterator[list[tuple[PodEntry, PodUsage]]]:
        """What each pod used, every so many seconds, while there is a pod."""
        while True:
            if self._sessions:
                time.sleep(interval)
            yield self._round()
            if not self._sessions:
                return

    def _round(self) -> list[tuple[PodEntry, PodUsage]]:
        found = []
        for key, each in list(self._sessions.items()):
            try:
                now = sample(each)
            except VmpodError as error:
                self._drop(key, error)
                continue
            found.append((self._entries[key], usage(self._last[key], now)))
            self._last[key] = now
        return found

    def _drop(self, key: str, error: VmpodError) -> None:
        self._sessions.pop(key, None)
        error.message = f"{called(key)}: {error.message}"
        self.problems.append(error)
