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
    MissingProgramError,
    QemuEndedError,
    VmpodError,
    disk_full,
    mending,
)
from vmpod.log import logger
from vmpod.packages import LIBVIRT_DAEMON, LIBVIRT_DRIVER, as_root, install

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


def _half_installed(code: int, message: str, what: str) -> VmpodError | None:
    """What of libvirt is not there, or not for this user; None if that is not it."""
    if lacking := _USER.search(message):
        # Root's driver insists on its default user, whatever user its settings name.
        told = f"libvirt wants the system user {lacking[1]} to exist, and it does not"
        others = (f"or: {line}" for line in install(LIBVIRT_DAEMON))
        return HostError(told, hint=mending("libvirt", as_root(_ADD_USER.format(lacking[1])), *others))
    if code == libvirt.VIR_ERR_NO_CONNECT and "qemu:///embed" in message:
        told = f"{what}: libvirt's QEMU driver is not installed"
        return MissingProgramError(told, hint=mending("libvirt", *install(LIBVIRT_DRIVER)))
    if "Failed to create state dir" in message:
        mend = "set HOME to a directory of this user's: libvirt keeps files there"
        return HostError(f"{what}: {message}", hint=mending("libvirt", mend))
    if "Failed to connect socket" in message:
        join = (as_root("usermod --append --groups libvirt USER") + "  # then log in again",)
        begin = (*install(LIBVIRT_DAEMON), as_root("systemctl start libvirtd"))
        mends = join if "Permission denied" in message else begin
        return HypervisorError(f"{what}: {message}", hint=mending("connect", *mends))
    return None


# Of Debian's libvirt, or Fedora's.
_USER = re.compile("Failed to parse user '(libvirt-qemu|qemu)'")
_ADD_USER = "useradd --system --user-group --home-dir /var/lib/libvirt --shell /usr/sbin/nologin {}"


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
    if known := _half_installed(code, message, what):
        return known
    if _QEMU_ENDED.search(message):
        return _qemu_ended(what, message)
    hints = {
        libvirt.VIR_ERR_NO_CONNECT: "is the URI right, and does libvirtd run?",
        libvirt.VIR_ERR_AUTH_FAILED: "add the user to the group libvirt",
        libvirt.VIR_ERR_CONFIG_UNSUPPORTED: "is qemu-system-x86_64 installed?",
    }
    return HypervisorError(f"{what}: {message}", hint=hints.get(code))
