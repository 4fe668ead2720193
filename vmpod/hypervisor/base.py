"""What the runtime asks of a hypervisor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, Protocol

from vmpod.dataclass import dataclass
from vmpod.plan.model import Frozen, Machine, Plug


@dataclass(frozen=True)
class Started:
    """A machine that runs. pid: of its QEMU; steps: (name, begin, end) on the monotonic clock, ns."""

    pid: int
    steps: tuple[tuple[str, int, int], ...]


Copies = Sequence[tuple[Path, Path]]

Moment = Literal["loaded", "running"]
"""Where a start is. loaded: the machine's sockets take connections; running: it goes from there on."""


def nothing(_value: object) -> None:
    """Is called, and does nothing."""


class Hypervisor(Protocol):
    """Starts and ends machines. A machine lives on when the program that started it ends.

    Every method raises HypervisorError when the hypervisor refuses or fails.
    """

    def start(self, machine: Machine, at: Callable[[Moment], None] = nothing) -> Started:
        """Start a machine with its ports forwarded.

        at: called when the start is so far. On failure, also of that, nothing of the machine is left.
        """

    def destroy(self, uuid: str, name: str) -> None:
        """End a machine at once, without asking it; no error if there is none."""

    def freeze(self, machine: Machine, into: Frozen, copies: Copies = (), *, go_on: bool = False) -> None:
        """Stop a machine, and write it into two new files.

        copies: (file, new file) of its disks, which are copied while it stands still. go_on: let it run on,
        if it ran, also if this fails.
        """

    def pause(self, machine: Machine) -> None:
        """Let a machine stand still; no error if it does."""

    def resume(self, machine: Machine) -> None:
        """Let it run on; no error if it runs."""

    def plug(self, machine: Machine, plug: Plug) -> None:
        """Attach a disk to a machine that is there. Raises ConflictError if another machine has it."""

    def unplug(self, machine: Machine, plug: Plug) -> None:
        """Take a disk away that the guest has given up."""

    def close(self) -> None:
        """Let go of the connection. Machines are not affected."""
