"""The first process of a process namespace that all containers of a pod share.

It does what such a process has to: it takes over the processes whose parents have ended, and waits for their
ends. Without it the namespace would end with the container that came first.
"""

from __future__ import annotations

import os

from vmpod_agent import cgroups, create, launch, layout, syscalls
from vmpod_agent.signals import signal
from vmpod_agent.syscalls import CLONE_NEWCGROUP, CLONE_NEWNS, CLONE_NEWPID

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vmpod_agent.reaper import Reaper

_GROUP = f"{layout.POD}/pause"


def begin(reaper: Reaper) -> Callable[[], None]:
    """Start it; what sets the namespace for the children of this process. Raises OSError, LaunchError."""
    cgroups.create(_GROUP)
    starting = launch.fork(_Pause(), create.alone, "")
    reaper.adopt(starting.pid, lambda _status: None)
    starting.wait()
    starting.close()
    pidfd = os.pidfd_open(starting.pid)
    return lambda: syscalls.set_namespaces(pidfd, CLONE_NEWPID)


class _Pause:
    """What the child does."""

    def steps(self, report: int) -> Iterator[str]:
        yield "begin"
        launch.begin()
        syscalls.close_range(3, report - 1)
        syscalls.close_range(report + 1, syscalls.LAST_FD)
        yield "leave the machine"
        cgroups.enter(_GROUP)
        syscalls.unshare(CLONE_NEWNS | CLONE_NEWCGROUP)
        syscalls.set_capabilities(permitted=0, effective=0)
        os.write(report, b"R")
        os.close(report)
        yield "wait"
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        while True:
            try:
                while os.waitpid(-1, 0)[0]:
                    pass
            except ChildProcessError:
                # Until one is left to us.
                signal.pause()
