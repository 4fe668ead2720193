"""A child that has made the surroundings of a container before there is a container.

A machine that is to be copied has one: each copy then starts its first container in a part of the time. It
knows nothing of a pod until it gets its orders, and from then on does what `create` does.
"""

from __future__ import annotations

import _socket
import marshal
import os
import struct

from vmpod_agent import cgroups, create, launch, layout, syscalls
from vmpod_agent.create import Creating
from vmpod_agent.launch import Command, Rights, Starting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vmpod_agent.create import Taken
    from vmpod_agent.reaper import ExitStatus, Reaper

_WAITING = b"W"
_MAX_ORDER = 128 * 1024  # bytes; a longer one is nothing for a socket
_MAX_PASSED = 253  # descriptors in one message: SCM_MAX_FD in net/scm.h


class Spare:
    """The child, as the agent sees it. group: the name of its cgroup."""

    group = f"{layout.POD}/first"

    def __init__(self, reaper: Reaper) -> None:
        """Returns once the child waits for its orders. Raises OSError, LaunchError."""
        self._ended: Callable[[ExitStatus], None] | None = None
        self._gone = False
        cgroups.create(self.group)
        self._starting = launch.fork(_Waiting(), create.alone, "")
        reaper.adopt(self._starting.pid, self._end)
        self._starting.wait()

    def start(
        self, taken: Taken, command: Command, streams: list[int], ended: Callable[[ExitStatus], None]
    ) -> Starting | None:
        """As create.start(); ended(status): once the process ends. None: it cannot be done by this child."""
        places = [path for _, path in taken.trees]
        order = marshal.dumps((command.packed(), places, len(streams)))
        passed = [*(fd for fd, _ in taken.trees), *streams]
        if self._gone or len(order) > _MAX_ORDER or len(passed) > _MAX_PASSED:
            self.dismiss()
            return None
        try:
            self._starting.send(order, passed)
        except OSError:
            self.dismiss()
            return None
        self._ended = ended
        self._starting.command = command.name
        return self._starting

    def dismiss(self) -> None:
        """Let the child end: at the end of its socket."""
        if self._starting.fd >= 0:
            self._starting.close()

    def _end(self, status: ExitStatus) -> None:
        self._gone = True
        if self._ended:
            self._ended(status)
        else:
            self.dismiss()
            cgroups.remove(self.group)


class _Waiting:
    """What the child does."""

    def steps(self, report: int) -> Iterator[str]:
        yield "begin"
        launch.begin()
        # Nothing that the agent has open is kept from anybody.
        syscalls.close_range(3, report - 1)
        syscalls.close_range(report + 1, syscalls.LAST_FD)
        made = yield from create.surroundings(Spare.group, Rights())
        os.write(report, _WAITING)
        yield "wait for a container"
        order, passed = _receive(report)
        command, places, count = marshal.loads(order)  # noqa: S302 - from the agent
        streams = passed[-count:]
        trees = list(zip(passed, places, strict=False))
        process = Creating(Spare.group, trees, Command.unpack(command), streams)
        yield from process.moving_in(made)
        yield from process.becoming(report)


def _receive(report: int) -> tuple[bytes, list[int]]:
    """Wait for orders; without any, end."""
    os.set_blocking(report, True)
    socket = _socket.socket(fileno=report)
    size = struct.calcsize("i")
    order, passed, _, _ = socket.recvmsg(
        _MAX_ORDER, _socket.CMSG_LEN(size * _MAX_PASSED), _socket.MSG_CMSG_CLOEXEC
    )
    socket.detach()
    if not order:
        os._exit(0)
    return order, [fd for _, _, data in passed for (fd,) in struct.iter_unpack("i", data)]
