"""A container that is added to a pod that runs, to look around in it: Kubernetes' ephemeral container.

Its image is on a disk of its own, which was attached for it. It shares the machine's network as every
container does, and with a target that one's process namespace. It is never started again, and the pod neither
waits for it nor counts it.
"""

from __future__ import annotations

import os

from vmpod_agent import attached, layout, syscalls
from vmpod_agent.console import report
from vmpod_agent.container import Run
from vmpod_agent.member import Member
from vmpod_agent.operations import Mount
from vmpod_agent.syscalls import CLONE_NEWPID, MS_NODEV, MS_RDONLY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from vmpod.wire.boot import BootContainer, BootDisk
    from vmpod_agent.member import Pod

    class Watcher(Protocol):
        def began(self) -> None:
            """The container runs."""

        def failed(self, code: int, message: str) -> None:
            """It could not be started."""

        def over(self) -> None:
            """It has ended, and all that is to be told of that has been told."""


_IMAGES = 10_000
"""Images of the pod have lower numbers."""


class Debugger(Member):
    """The container."""

    def __init__(
        self, pod: Pod, spec: BootContainer, disk: BootDisk, target: Member | None, *, machine: bool = False
    ) -> None:
        """Mounts its image. target: whose processes it sees; None for its own. machine: or the machine's.

        Raises OSError.
        """
        self._device = attached.find(disk["target"], disk["serial"])
        number = _IMAGES + disk["target"]
        self._image = layout.image(number)
        Mount(self._device, self._image, "squashfs", flags=MS_RDONLY | MS_NODEV).execute()
        spec["image"] = number
        super().__init__(pod, spec, init=False)
        self._target = target
        self._machine = machine
        self.watcher: Watcher | None = None

    def _new_run(self) -> Run:
        target = self._target.run if self._target else None
        enter = _enter(target.pid) if target else _stay if self._machine else None
        return Run(self.spec, self._attempts - 1, self._pod.volumes, self._pod.services, enter)

    def _up(self, *, serving: bool = True) -> None:
        super()._up(serving=serving)
        if self.watcher:
            self.watcher.began()

    def _terminated(self, code: int, number: int, reason: str, message: str) -> None:
        began = self.running
        super()._terminated(code, number, reason, message)
        self._give_up_disk()
        if self.watcher and began:
            self.watcher.over()
        elif self.watcher:
            self.watcher.failed(code, message)

    def _give_up_disk(self) -> None:
        """From now on the host may take it away."""
        try:
            syscalls.unmount(self._image)
            attached.forget(self._device)
        except OSError as error:
            report(f"{self.name}: its disk stays: {error}")


def _stay() -> None:
    """Sets the process namespace for children to our own, which is the machine's."""


def _enter(pid: int) -> Callable[[], None]:
    """Sets the process namespace for children to that of a process of ours."""

    def enter() -> None:
        pidfd = os.pidfd_open(pid)
        try:
            syscalls.set_namespaces(pidfd, CLONE_NEWPID)
        finally:
            os.close(pidfd)

    return enter
