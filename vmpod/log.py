"""Diagnostics for whoever debugs vmpod; `VMPOD_DEBUG=1` or `--debug` sends them to stderr.

What a user must know is never said here: progress and errors have their own ways. The logging module
would be a tenth of what `vmpod ps` takes.
"""

from __future__ import annotations

import sys
import time


class Logger:
    """Says what is being done, once somebody wants to know."""

    def __init__(self) -> None:
        self.enabled = False
        self._start = time.monotonic()

    def debug(self, message: str, *values: object) -> None:
        """Write a line with the milliseconds since the start; values replace its % places, as in logging."""
        if self.enabled:
            milliseconds = (time.monotonic() - self._start) * 1000
            sys.stderr.write(f"{milliseconds:7.0f} ms {message % values if values else message}\n")


logger = Logger()


def to_stderr() -> None:
    """Show every diagnostic on stderr."""
    logger.enabled = True
