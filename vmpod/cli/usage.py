"""What `stats` and `top` share: which pods, and how their figures look."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from vmpod.cli.common import runtime
from vmpod.errors import VmpodError
from vmpod.runtime.usage import Watch
from vmpod.state.store import PodEntry

INTERVAL = 1.0  # seconds between the two samples of a rate
MEBIBYTE = 1024 * 1024


@contextmanager
def watching(names: Sequence[str]) -> Iterator[Watch]:
    """A watch on the named pods, or on all that run. What is wrong with one is no reason to show no other."""
    entries, problems = _entries(names)
    with ExitStack() as stack:
        watch = Watch(entries, stack)
        watch.problems[:0] = problems
        yield watch


def millicores(cores: float) -> str:
    """As kubectl writes it: '250m'."""
    return f"{round(cores * 1000)}m"


def mebibytes(count: int) -> str:
    """As kubectl writes it: '64Mi'."""
    return f"{count // MEBIBYTE}Mi"


def _entries(names: Sequence[str]) -> tuple[list[PodEntry], list[VmpodError]]:
    pods = runtime().pods
    found: list[PodEntry] = []
    problems: list[VmpodError] = []
    for name in dict.fromkeys(names) or [each.record.called for each in pods.list() if each.alive()]:
        try:
            found.append(pods.find_awake(name))
        except VmpodError as error:
            # Who has named none wants those that run: not one that is paused, or has just gone.
            problems += [error] if names else []
    return found, problems
