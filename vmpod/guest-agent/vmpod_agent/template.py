"""A machine without a pod: it has booted, and waits to be frozen and copied.

The host says so by what it puts in place of the boot disk.
"""

from __future__ import annotations

import os

from vmpod import wire
from vmpod_agent import layout


def is_template() -> bool:
    """Whether this machine has no pod yet. Raises OSError."""
    fd = os.open(layout.BOOT_DISK, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, len(wire.TEMPLATE)) == wire.TEMPLATE
    finally:
        # Nobody else has the disk open, so nothing of it stays in memory: the copies have another one.
        os.close(fd)


def warm() -> None:
    """Import and prepare what every pod may need, so that no copy has to. Raises OSError."""
    from vmpod_agent import cgroups, clock, exec, join, users  # noqa: A004, F401, PLC0415 - to have them loaded
    from vmpod_agent.methods import adopt, load_all  # noqa: F401, PLC0415

    load_all()
    cgroups.prepare()
