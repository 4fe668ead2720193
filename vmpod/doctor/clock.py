"""The clock: certificates are not valid at any time."""

from __future__ import annotations

import ctypes
import time
from datetime import UTC, datetime

from vmpod.doctor.model import Finding, Host, ok
from vmpod.packages import as_root

_SANE = range(2024, 2100)
_TIMEX_SIZE = 208  # bytes of struct timex on x86-64, all 0: only read
_TIME_ERROR = 5  # the clock is not synchronized; include/uapi/linux/timex.h


def clock(_host: Host) -> Finding:
    """What time it is, and whether the kernel is told to be in step with others."""
    now = datetime.fromtimestamp(time.time(), UTC)
    told = f"{now:%Y-%m-%d %H:%M:%S} UTC"
    if now.year not in _SANE:
        mend = as_root("timedatectl set-ntp true") + "  # or: date --set=..."
        return Finding("unusable", f"{told}: registries' certificates will seem invalid", (mend,), "degraded")
    return ok(f"{told}{_synchronised()}")


def _synchronised() -> str:
    """Many that keep the clock right, as hypervisors do, leave the kernel without a word: no fault."""
    state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_SIZE))
    if state < 0:
        return ""
    return ", not known to be synchronised" if state == _TIME_ERROR else ", synchronised"
