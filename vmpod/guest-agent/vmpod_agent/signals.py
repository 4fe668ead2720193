"""The signal module without its enumerations: importing enum takes an emulated guest a tenth of a second.

`_signal` is the C half of Python's own signal module, with the same functions and plain numbers.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
else:
    import _signal as signal

__all__ = ["signal"]
