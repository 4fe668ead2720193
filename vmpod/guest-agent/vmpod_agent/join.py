"""A further process in a container that runs (see `launch`)."""

from __future__ import annotations

import os

from vmpod_agent import cgroups, syscalls
from vmpod_agent.launch import Process
from vmpod_agent.syscalls import CLONE_NEWCGROUP, CLONE_NEWNS, CLONE_NEWPID

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmpod_agent.launch import Command, Starting


def start(pid: int, container: str, command: Command, streams: list[int]) -> Starting:
    """Start a process beside a container's first one.

    pid: the number of that one, which is a child of ours; container: its id; streams: for standard input,
    output and error, none with a terminal. Raises OSError.
    """
    pidfd = os.pidfd_open(pid)
    try:
        process = Joining(pidfd, pid, container, command, streams)
        return process.launch(lambda: syscalls.set_namespaces(pidfd, CLONE_NEWPID))
    finally:
        os.close(pidfd)


class Joining(Process):
    """A child that goes to where another process is already."""

    def __init__(self, pidfd: int, pid: int, container: str, command: Command, streams: list[int]) -> None:
        super().__init__(command, streams)
        self._pidfd = pidfd
        self._pid = pid
        self._container = container

    def entering(self) -> Iterator[str]:
        yield "enter the container's cgroup"
        cgroups.join(self._container, self._pid)
        yield "enter the container"
        syscalls.set_namespaces(self._pidfd, CLONE_NEWNS | CLONE_NEWCGROUP)
