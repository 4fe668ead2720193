"""What the runtime asks of a hypervisor."""

from __future__ import annotations

from typing import Protocol

from vmpod.plan.model import Machine


class Hypervisor(Protocol):
    """Starts and ends machines. A machine lives on when the program that started it ends.

    Every method raises HypervisorError when the hypervisor refuses or fails.
    """

    def start(self, machine: Machine) -> int:
        """Start a machine with its ports forwarded, and return the process id of its QEMU.

        On failure nothing of the machine is left.
        """

    def destroy(self, uuid: str, name: str) -> None:
        """End a machine at once, without asking it; no error if there is none."""

    def close(self) -> None:
        """Let go of the connection. Machines are not affected."""
