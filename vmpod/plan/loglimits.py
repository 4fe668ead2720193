"""How much of what containers write is kept. Apart from model.py, because every list of pods needs it."""

from __future__ import annotations

from vmpod.dataclass import dataclass


@dataclass(frozen=True)
class LogLimits:
    """How much of a container's output is kept: so many files of so many bytes for each of two runs.

    The defaults are the kubelet's (containerLogMaxSize, containerLogMaxFiles).
    """

    size: int = 10 * 1024 * 1024
    files: int = 5


DEFAULT = LogLimits()
