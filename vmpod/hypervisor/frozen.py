"""Freezes machines, and brings copies of them to life.

A machine is frozen into two files: its memory, sparse, and the state of its devices, a few hundred
kilobytes. A copy is a machine of the same build that maps the memory privately and loads the state: so
however many copies there are, what they do not change is in the host's memory once. QEMU's `exec:` and file
transports are forbidden by its own sandbox or younger than the versions in use: state goes through a
socket.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import libvirt

from vmpod.errors import HypervisorError, TimeoutExpiredError
from vmpod.hypervisor.domain import FROZEN_MEMORY
from vmpod.hypervisor.monitor import qmp
from vmpod.hypervisor.stream import split
from vmpod.plan.model import Frozen, Machine

_UNLIMITED = 1 << 60  # bytes a second
_POLL = 0.002
_FREEZE_TIMEOUT = 120.0
_THAW_TIMEOUT = 30.0
_CANCEL_TIMEOUT = 10.0
_UNDER_WAY = {"setup", "active", "device", "pre-switchover", "wait-unplug", "cancelling"}
_BUFFER = 4 * 1024 * 1024


def freeze(domain: libvirt.virDomain, into: Frozen, size: int, scratch: Path) -> None:
    """Write a stopped machine into two new files.

    size: of its memory, bytes; scratch: a directory for a socket. The machine stays as it is.
    Raises HypervisorError, OSError, libvirtError.
    """
    qmp(domain, "migrate-set-capabilities", capabilities=_CAPABILITIES)
    qmp(domain, "migrate-set-parameters", max_bandwidth=_UNLIMITED)
    try:
        _write(domain, into, size, scratch / "out")
        _settled(domain, _FREEZE_TIMEOUT)
    except BaseException:
        # QEMU notices some time later that nobody reads, and gives no disk back before.
        _cancel(domain)
        raise


def _write(domain: libvirt.virDomain, into: Frozen, size: int, path: Path) -> None:
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket(socket.AF_UNIX))
        path.unlink(missing_ok=True)
        listener.bind(str(path))
        stack.callback(path.unlink, missing_ok=True)
        listener.listen(1)
        listener.settimeout(_FREEZE_TIMEOUT)
        qmp(domain, "migrate", uri=f"unix:{path}")
        connection = stack.enter_context(listener.accept()[0])
        connection.settimeout(_FREEZE_TIMEOUT)
        stream = stack.enter_context(connection.makefile("rb", buffering=_BUFFER))
        memory = stack.enter_context(_new(into.memory))
        memory.truncate(size)
        state = split(cast(BinaryIO, stream), memory.fileno(), FROZEN_MEMORY.encode())
        with _new(into.state) as file:
            file.write(state)


def _cancel(domain: libvirt.virDomain) -> None:
    """End a migration that has failed here, and wait until QEMU is done with it."""
    qmp(domain, "migrate_cancel")
    deadline = time.monotonic() + _CANCEL_TIMEOUT
    while qmp(domain, "query-migrate").get("status") in _UNDER_WAY and time.monotonic() < deadline:
        time.sleep(_POLL)


def thaw(domain: libvirt.virDomain, frozen: Frozen, scratch: Path) -> None:
    """Load the state of a frozen machine into one that was started for it and is paused.

    Raises HypervisorError, libvirtError.
    """
    qmp(domain, "migrate-set-capabilities", capabilities=_CAPABILITIES)
    path = scratch / "in"
    qmp(domain, "migrate-incoming", uri=f"unix:{path}")
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_THAW_TIMEOUT)
            connection.connect(str(path))
            connection.sendall(frozen.state.read_bytes())
        _settled(domain, _THAW_TIMEOUT)
    except OSError as error:
        # The state is gone, or QEMU has ended: it does so on a state that it cannot load.
        raise HypervisorError(f"the machine does not take the frozen state: {error}") from error
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def movable(domain: libvirt.virDomain, machine: Machine) -> Iterator[None]:
    """Take away what keeps a stopped machine from being frozen, for the time of the block.

    QEMU does not migrate a machine with a VMDK disk, for fear of what its driver may have cached. The
    images' disk is read-only, and nothing reads it meanwhile: it is put aside, and nothing put in its
    place.
    """
    if machine.disks.images.suffix != ".vmdk":
        yield
        return
    mend(domain)
    nothing = {"driver": "null-co", "node-name": _NOTHING, "size": 1 << 40, "read-only": True}
    qmp(domain, "blockdev-add", **nothing)
    qmp(domain, "qom-set", path=_DEVICE, property="drive", value=_NOTHING)
    qmp(domain, "blockdev-del", node_name=_IMAGES)
    try:
        yield
    finally:
        mend(domain)


def runs(domain: libvirt.virDomain) -> bool:
    """Whether a machine runs. QEMU is asked: libvirt may not have noted yet what who was killed has done."""
    return bool(qmp(domain, "query-status")["running"])


def rouse(domain: libvirt.virDomain) -> None:
    """Let a stopped machine that has stood still since it was frozen run for an instant.

    QEMU migrates none a second time that has not run since the first.
    """
    if qmp(domain, "query-status").get("status") == "postmigrate":
        mend(domain)
        domain.resume()
        domain.suspend()


def mend(domain: libvirt.virDomain) -> None:
    """Put the images' disk of a stopped machine back, where movable() has put it aside and was killed."""
    nodes = {each["node-name"] for each in qmp(domain, "query-named-block-nodes", flat=True)}
    if _NOTHING not in nodes:
        return
    if _IMAGES not in nodes:
        back = {"driver": "vmdk", "node-name": _IMAGES, "read-only": True, "file": "libvirt-3-storage"}
        qmp(domain, "blockdev-add", **back)
    qmp(domain, "qom-set", path=_DEVICE, property="drive", value=_IMAGES)
    qmp(domain, "blockdev-del", node_name=_NOTHING)


# libvirt's names: the third disk's device, and its node.
_DEVICE = "/machine/peripheral/virtio-disk2/virtio-backend"
_IMAGES = "libvirt-3-format"
_NOTHING = "vmpod-nothing"
_CAPABILITIES = [{"capability": "x-ignore-shared", "state": True}]


def _settled(domain: libvirt.virDomain, timeout: float) -> None:
    """Wait until a migration is complete. Raises HypervisorError."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        told = qmp(domain, "query-migrate")
        status = told.get("status")
        if status == "completed":
            return
        if status in ("failed", "cancelled"):
            raise HypervisorError(
                f"QEMU could not move the machine's state: {told.get('error-desc', status)}"
            )
        time.sleep(_POLL)
    raise TimeoutExpiredError("QEMU has not moved the machine's state in time")


def _new(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w+b")
