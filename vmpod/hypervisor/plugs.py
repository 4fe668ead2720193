"""Disks that are attached to a machine that is there already: one that is about to wake, or runs.

They are behind a virtio-scsi controller, which every machine has. A SCSI disk comes and goes without the
guest's firmware: a PCI device would take a second.
"""

from __future__ import annotations

import libvirt

from vmpod.errors import ConflictError
from vmpod.hypervisor.domain import plug_xml
from vmpod.plan.model import Plug

_LOCKED = "lock"
"""In what QEMU says of a file that another QEMU has open (block/file-posix.c)."""


def attach(domain: libvirt.virDomain, plug: Plug) -> None:
    """Attach a disk. Raises ConflictError if another machine has it, libvirtError."""
    try:
        domain.attachDevice(plug_xml(plug))
    except libvirt.libvirtError as error:
        if _LOCKED in (error.get_error_message() or ""):
            raise ConflictError(
                f"the disk of {plug.label} is in use by another machine",
                hint="`vmpod ps` lists pods that run; `vmpod prune` ends machines that no pod knows",
            ) from error
        raise


def detach(domain: libvirt.virDomain, plug: Plug) -> None:
    """Detach a disk that the guest has given up. Raises libvirtError."""
    domain.detachDevice(plug_xml(plug))
