"""Waiting for a machine to say something."""

from __future__ import annotations

import time
from collections.abc import Callable

from vmpod.errors import VmpodError
from vmpod.plan.model import Accelerator

BOOT_TIMEOUT: dict[Accelerator, float] = {"kvm": 60.0, "tcg": 240.0}
"""Seconds a machine may take until its agent answers. Emulated guests are slow, and hosts may be busy."""

_POLL = 0.005


def wait_for(
    ready: Callable[[], bool],
    *,
    alive: Callable[[], bool],
    timeout: float,
    ended: Callable[[], VmpodError],
    late: Callable[[], VmpodError],
) -> None:
    """Wait until ready() is true.

    Raises what ended() returns if the machine ends before, and what late() returns after so many seconds.
    """
    deadline = time.monotonic() + timeout
    while not ready():
        if not alive():
            if ready():
                return
            raise ended()
        if time.monotonic() > deadline:
            raise late()
        time.sleep(_POLL)
