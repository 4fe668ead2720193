"""Diagnostics for whoever debugs vmpod; `VMPOD_DEBUG=1` or `--debug` sends them to stderr.

What a user must know is never said here: progress and errors have their own ways.
"""

from __future__ import annotations

import logging

logger = logging.getLogger("vmpod")
logger.addHandler(logging.NullHandler())


def to_stderr() -> None:
    """Show every diagnostic on stderr, with the time since the program started."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(relativeCreated)7.0f ms %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
