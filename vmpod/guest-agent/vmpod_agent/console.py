"""Words for the machine's serial console: what the agent says of itself.

The console may be slow or absent, and PID 1 must not fail for it.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType


def report(message: str, error: BaseException | None = None) -> None:
    """Write a line to the console, and where in the code the error arose."""
    text = f"vmpod-agent: {message}\n"
    if error is not None:
        text += "".join(f"  at {place}\n" for place in _places(error.__traceback__))
    try:
        os.write(2, text.encode(errors="replace"))
    except OSError:
        sys.exc_info()  # nowhere left to say it


def _places(trace: TracebackType | None) -> list[str]:
    # The traceback module would cost an import of its own at every boot.
    places = []
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append(f"{code.co_filename}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return places
