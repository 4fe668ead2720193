"""What the rest of the program knows of a guest image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class GuestImage:
    """A built guest image.

    id: hash of everything it was made from.
    kernel: an uncompressed ELF kernel that QEMU enters directly.
    initrd: loads the drivers, mounts the root disk, starts the agent that it carries.
    root: the read-only root filesystem, a raw disk.
    command_line: kernel parameters by accelerator, 'tcg' and 'kvm'.
    """

    id: str
    kernel: Path
    initrd: Path
    root: Path
    command_line: dict[str, str]
