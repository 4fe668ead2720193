"""How long-running work tells what it is doing, without knowing who looks."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol


class Phase(Protocol):
    """One step under way."""

    def update(self, detail: str) -> None:
        """Say how far it is, in a few words: '12 of 40 MiB'."""


class Progress(Protocol):
    """Takes phases one after the other."""

    def phase(self, title: str) -> AbstractContextManager[Phase]:
        """A step for the time of a `with` block; leaving it by an exception marks it as failed."""

    def note(self, text: str) -> None:
        """Say something that is neither a step nor an error, between two steps."""

    def part(self, name: str, begin: int, end: int) -> None:
        """Tell a part of the step under way: when it was on the monotonic clock (ns)."""


class _SilentPhase:
    def update(self, detail: str) -> None:
        pass


class Silent:
    """Progress that nobody looks at."""

    def phase(self, title: str) -> AbstractContextManager[Phase]:  # noqa: ARG002
        return nullcontext(_SilentPhase())

    def note(self, text: str) -> None:
        pass

    def part(self, name: str, begin: int, end: int) -> None:
        pass


SILENT: Progress = Silent()
