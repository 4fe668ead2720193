"""How long to wait before an ended container is started again.

The kubelet's rule: at once, then 10 s, doubled each time up to 5 minutes; a run of 10 minutes forgets
the past. Source: Kubernetes, Pod Lifecycle, "How Pods handle problems with containers".
"""

from __future__ import annotations

import time

_FIRST = 10.0
_LONGEST = 300.0
_FORGET_AFTER = 600.0


class Backoff:
    """The delays of one container."""

    def __init__(self) -> None:
        self._delay = 0.0
        self._started: float | None = None

    def started(self) -> None:
        """A run has begun."""
        self._started = time.monotonic()

    def next_delay(self) -> float:
        """Seconds to wait after a run that has just ended, or could not even begin."""
        if self._started is not None and time.monotonic() - self._started >= _FORGET_AFTER:
            self._delay = 0.0
        self._started = None
        delay = self._delay
        self._delay = min(max(_FIRST, delay * 2), _LONGEST)
        return delay
