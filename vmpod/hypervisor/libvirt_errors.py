"""Turns libvirt's errors into ours. The only module, with connection.py, that knows libvirt's names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import libvirt

from vmpod.errors import (
    ConflictError,
    HostError,
    HostMemoryError,
    HypervisorError,
    QemuEndedError,
    VmpodError,
    disk_full,
)
from vmpod.log import logger

_CONFLICTS = (libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_ERR_OPERATION_FAILED, libvirt.VIR_ERR_DOM_EXIST)


_QEMU_ENDED = re.compile(r"closed the monitor|exited while connecting to monitor|unexpectedly quit")
_OWN_WORDS = re.compile(r"^.*?qemu-system-\w+: ", re.DOTALL)


def _qemu_ended(what: str, message: str) -> VmpodError:
    """QEMU refused to begin: its own words tell why."""
    told = _OWN_WORDS.sub("", message).strip()
    if "annot allocate memory" in told or "cannot set up guest memory" in told:
        return HostMemoryError(
            f"{what}: the host has not the memory for it: {told}",
            hint="`free -h` tells what there is; lower the pod's resources.limits.memory, or stop another",
        )
    if "No space left" in told:
        return disk_full(f"{what}: {told}")
    return QemuEndedError(
        f"{what}: QEMU ended at once: {told}", hint="`vmpod --debug` shows the domain that it was given"
    )


def silence() -> None:
    """Keep libvirt from printing errors: they are raised, too."""
    libvirt.registerErrorHandler(lambda _context, error: logger.debug("libvirt: %s", error), None)


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Raise libvirt's errors as ours, saying what was being done."""
    try:
        yield
    except libvirt.libvirtError as error:
        raise translate(error, what) from error


def translate(error: libvirt.libvirtError, what: str) -> VmpodError:
    """Our error for one of libvirt's."""
    code, message = error.get_error_code(), error.get_error_message()
    if code in _CONFLICTS and "already" in message:
        return ConflictError(f"{what}: {message}", hint="`vmpod ps` lists what runs")
    if "libvirt-qemu" in message:
        # Root's driver insists on its default user, whatever user its settings name.
        return HostError(
            "libvirt wants the system user libvirt-qemu to exist, and it does not",
            hint="Debian's package libvirt-daemon-system makes it; or: useradd --system --user-group "
            "--home-dir /var/lib/libvirt --shell /usr/sbin/nologin libvirt-qemu",
        )
    if _QEMU_ENDED.search(message):
        return _qemu_ended(what, message)
    hints = {
        libvirt.VIR_ERR_NO_CONNECT: "is the URI right, and does libvirtd run?",
        libvirt.VIR_ERR_AUTH_FAILED: "add the user to the group libvirt",
        libvirt.VIR_ERR_CONFIG_UNSUPPORTED: "is qemu-system-x86_64 installed?",
    }
    return HypervisorError(f"{what}: {message}", hint=hints.get(code))
