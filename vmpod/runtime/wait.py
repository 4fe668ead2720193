"""Waiting for a machine to say something, and telling why it did not."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from vmpod.errors import MachineError, TimeoutExpiredError
from vmpod.text import printable

_POLL = 0.005
_CONSOLE_LINES = 12
_CONSOLE_BYTES = 16 * 1024


def wait_for(
    ready: Callable[[], bool],
    *,
    alive: Callable[[], bool],
    timeout: float,
    what: str,
    console: Path,
) -> None:
    """Wait until ready() is true.

    what: the thing waited for, as in 'the agent to answer'. Raises MachineError if the machine ends
    before, TimeoutExpiredError after so many seconds; both show the console's last lines.
    """
    deadline = time.monotonic() + timeout
    while not ready():
        if not alive():
            if ready():
                return
            raise MachineError(f"the machine ended while waiting for {what}", hint=console_tail(console))
        if time.monotonic() > deadline:
            raise TimeoutExpiredError(
                f"gave up after {timeout:g} seconds of waiting for {what}", hint=console_tail(console)
            )
        time.sleep(_POLL)


def console_tail(path: Path) -> str:
    """The last lines of a console log, fit for a terminal, and where the log is."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _CONSOLE_BYTES))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return f"the machine wrote no console log ({path})"
    lines = [printable(line) for line in text.splitlines() if line.strip()][-_CONSOLE_LINES:]
    if not lines:
        return f"the console log is empty: {path}"
    return f"the console's last lines, from {path}:\n" + "\n".join(f"  | {line}" for line in lines)
