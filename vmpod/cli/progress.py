"""Shows progress on stderr: one live line a phase on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from vmpod.progress import SILENT, Phase, Progress

_CLEAR = "\r\x1b[K"


class _Live:
    """A phase as one line that is written over."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._write(f"{title} ...")

    def update(self, detail: str) -> None:
        self._write(f"{self._title}: {detail}")

    def end(self, how: str) -> None:
        self._write(f"{self._title}: {how}")
        sys.stderr.write("\n")

    def _write(self, text: str) -> None:
        columns = shutil.get_terminal_size().columns
        sys.stderr.write(_CLEAR + text[: max(20, columns - 1)])
        sys.stderr.flush()


class _Plain:
    """A phase as two lines: one when it begins, one when it ends."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._say(f"{title} ...")

    def update(self, detail: str) -> None:
        """Details would be many lines in a log file."""

    def end(self, how: str) -> None:
        self._say(f"{self._title}: {how}")

    def _say(self, text: str) -> None:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


class Shown:
    """Progress for a person to look at."""

    def __init__(self) -> None:
        self._kind = _Live if _can_be_written_over() else _Plain

    def phase(self, title: str) -> AbstractContextManager[Phase]:
        return self._phase(title)

    def note(self, text: str) -> None:
        sys.stderr.write(f"vmpod: {text}\n")

    def part(self, name: str, begin: int, end: int) -> None:
        """Nothing to see: see `vmpod timeline`."""

    @contextmanager
    def _phase(self, title: str) -> Iterator[Phase]:
        shown = self._kind(title)
        start = time.monotonic()
        try:
            yield shown
        except BaseException:
            shown.end("failed")
            raise
        shown.end(f"{time.monotonic() - start:.1f} s")


def _can_be_written_over() -> bool:
    """Whether stderr is a terminal that knows escape sequences, and its user wants any.

    NO_COLOR counts if it is not empty: https://no-color.org. What CI shows of a terminal are lines.
    """
    plain = os.environ.get("TERM") == "dumb" or bool(os.environ.get("NO_COLOR")) or _in_ci()
    return sys.stderr.isatty() and not plain


def _in_ci() -> bool:
    """Whether CI runs us, as GitHub, GitLab and most others say."""
    return os.environ.get("CI", "").lower() not in {"", "0", "false"}


def progress(*, quiet: bool = False) -> Progress:
    """Progress on stderr, or none."""
    return SILENT if quiet else Shown()
