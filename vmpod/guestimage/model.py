"""What the rest of the program knows of a guest image."""

from __future__ import annotations

from pathlib import Path

from vmpod.dataclass import dataclass

KERNEL, INITRD, ROOT = "kernel", "initrd", "root"
"""The names of the files that make up a built image; everything else beside them describes it."""


@dataclass(frozen=True)
class GuestImage:
    """A built guest image.

    id: hash of everything it was made from, the agent included.
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


@dataclass(frozen=True)
class GuestInfo:
    """One guest image in the store, for lists.

    id: hash of kernel, base initrd and root. current: what `ensure` would take.
    created: seconds since the epoch; sizes: bytes, by file ('kernel', 'initrd', 'root').
    packages: the Debian packages it was made from, as 'name_version_architecture', sorted.
    """

    id: str
    current: bool
    created: float
    sizes: dict[str, int]
    kernel_release: str
    packages: tuple[str, ...]

    @property
    def size(self) -> int:
        """Bytes on the host."""
        return sum(self.sizes.values())
