"""Opens the hypervisor that a pod's machine is, or will be, on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from vmpod.errors import UsageError
from vmpod.hypervisor.binding import check_binding, importing
from vmpod.hypervisor.child import ChildHypervisor, Driver

if TYPE_CHECKING:
    from vmpod.hypervisor.base import Hypervisor

EMBEDDED = ""
"""The URI that means: libvirt's embedded driver, with a root of the pod's own."""

_LOCAL = ("qemu:///system", "qemu:///session", "qemu:///embed")


def check_uri(uri: str) -> str:
    """The URI, if machines can be started on it. Raises UsageError."""
    if uri != EMBEDDED and not uri.startswith(_LOCAL):
        raise UsageError(
            f"--connect {uri}: not a QEMU driver of this host",
            hint=f"a pod's disks and sockets are local files: use one of {', '.join(_LOCAL)}",
        )
    return uri


@contextmanager
def hypervisor(uri: str, *, root: Path, cache: Path) -> Iterator[Hypervisor]:
    """The hypervisor at the URI for the time of the block.

    root: the embedded driver's directory for this pod; cache: what its drivers share.
    Raises HypervisorError, HostError.
    """
    check_binding()
    if uri == EMBEDDED or uri.startswith("qemu:///embed"):
        yield ChildHypervisor(Driver(uri, root, cache))
    else:
        os.environ.setdefault("LIBVIRT_DEBUG", "4")  # see child.serve()
        with importing():
            from vmpod.hypervisor.connection import LibvirtHypervisor  # noqa: PLC0415 - takes time to import

        with LibvirtHypervisor(uri) as found:
            yield found
