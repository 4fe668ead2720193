"""Giving up capabilities. Source: capabilities(7)."""

from __future__ import annotations

from vmpod.wire import capabilities
from vmpod_agent import syscalls

SETUID = capabilities.mask(["SETUID"])


def limit(bounding: int) -> None:
    """Let no program that is executed from now on have more than these. Raises OSError."""
    number = 0
    try:
        while True:
            if not bounding >> number & 1:
                syscalls.prctl(syscalls.PR_CAPBSET_DROP, number)
            number += 1
    except OSError:
        # A kernel may know more than we do: it refuses the first that it does not know.
        if number < len(capabilities.NUMBERS):
            raise
