"""A machine without a pod: it has booted, and waits to be frozen and copied.

The host says so by what it puts in place of the boot disk.
"""

from __future__ import annotations

import os
import time

from vmpod import wire
from vmpod.wire import boot, messages
from vmpod_agent import layout
from vmpod_agent.console import report
from vmpod_agent.launch import LaunchError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmpod.wire.boot import Card
    from vmpod_agent.reaper import Reaper
    from vmpod_agent.spare import Spare


_SIZE = 512  # bytes, at most, that the host says in place of a boot disk
_STATE = "/sys/class/net/eth0/operstate"
_SETTLING, _POLL = 3.0, 0.05  # seconds


class Ahead:
    """What was done before the machine had a pod: its card is set up, its scratch disk mounted.

    scratch: whether the disk that is there now is a copy of the one that was mounted.
    """

    __slots__ = ("scratch",)

    def __init__(self, *, scratch: bool) -> None:
        self.scratch = scratch


def card() -> Card | None:
    """The card that the copies of this machine have, if it has no pod yet. Raises OSError, MessageError."""
    fd = os.open(layout.BOOT_DISK, os.O_RDONLY | os.O_CLOEXEC)
    try:
        found = os.read(fd, _SIZE)
    finally:
        # Nobody else has the disk open, so nothing of it stays in memory: the copies have another one.
        os.close(fd)
    if not found.startswith(wire.TEMPLATE):
        return None
    return boot.check_card(messages.parse(found.removeprefix(wire.TEMPLATE).partition(b"\n")[0]))


def warm(reaper: Reaper) -> Spare | None:
    """Import and prepare what every pod may need, so that no copy has to."""
    from vmpod_agent import attached, clock, exec, probes, users  # noqa: A004, F401, PLC0415 - to have them loaded
    from vmpod_agent.methods import adopt, load_all  # noqa: F401, PLC0415
    from vmpod_agent.spare import Spare  # noqa: PLC0415

    load_all()
    try:
        attached.load_drivers()
    except OSError as error:
        report(f"the drivers of attached disks are not loaded: {error}")
    try:
        return Spare(reaper)
    except (OSError, LaunchError) as error:
        report(f"containers will start without a child that is prepared: {error}")
        return None


def settle(state: str = _STATE, seconds: float = _SETTLING) -> None:
    """Wait until the kernel has heard that the card is up, for a while at most.

    It hears of such things once a second, and the first is the loopback's. A machine that is frozen before
    makes each copy hear of it, with all that follows: routes, multicast groups, and who else is told.
    """
    deadline, up = time.monotonic() + seconds, False
    while not up and time.monotonic() < deadline:
        with open(state) as file:
            up = file.read() == "up\n"
        # Once more when it is: there is work that follows.
        time.sleep(_POLL)
