"""The errors that vmpod raises, each with a stable code and what to do about it.

Libraries raise these; only the command line turns them into text and an exit status. A code never
changes its meaning: scripts may compare it.
"""

from __future__ import annotations

import errno
from typing import ClassVar, NamedTuple


class VmpodError(Exception):
    """Something that the user can understand and act on.

    message: one sentence in the user's words, naming the file, field or thing at fault.
    hint: what to do about it, or None where the message says it all.
    """

    code: ClassVar[str] = "error"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class Problem(NamedTuple):
    """One fault in a manifest.

    source: the file as the user named it ('<stdin>' for standard input).
    line: 1-based line in that file, 0 where no line is known.
    path: the field, as in `spec.containers[0].image`; empty for the document itself.
    """

    source: str
    line: int
    path: str
    message: str

    def __str__(self) -> str:
        where = f"{self.source}:{self.line}" if self.line else self.source
        return f"{where}: {self.path}: {self.message}" if self.path else f"{where}: {self.message}"


class ManifestError(VmpodError):
    """The manifest cannot be run as it is; every fault found is listed."""

    code = "manifest"

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class UsageError(VmpodError):
    """The command line asks for something impossible."""

    code = "usage"


class NotFoundError(VmpodError):
    """A pod, container, image or file that was named does not exist."""

    code = "not-found"


class ConflictError(VmpodError):
    """What was asked for clashes with what is there: a name, a port, a lock, a state."""

    code = "conflict"


class PortTakenError(ConflictError):
    """A port of the host that leads to the pod cannot be bound."""

    code = "port"


class ImageError(VmpodError):
    """A container image cannot be pulled, read or converted."""

    code = "image"


class ArchitectureError(ImageError):
    """A container image is for other machines than this one."""

    code = "architecture"


class GuestImageError(VmpodError):
    """The guest image cannot be built or used."""

    code = "guest-image"


class HostError(VmpodError):
    """The host lacks something: a program, a permission, space."""

    code = "host"


class MissingProgramError(HostError):
    """A program, or a library, that is needed is not installed, or too old."""

    code = "missing-program"


class KvmError(HostError):
    """KVM was asked for, and runs no guests here."""

    code = "no-kvm"


class HostMemoryError(HostError):
    """The host has not the memory that the machine needs."""

    code = "host-memory"


class DiskFullError(HostError):
    """A file system of the host is full, or the user's quota is used up."""

    code = "disk-full"


class CommandError(HostError):
    """A host command failed; the message quotes it and what it wrote to stderr."""

    code = "host-command"


class HypervisorError(VmpodError):
    """libvirt or QEMU refused or failed."""

    code = "hypervisor"


class MachineError(VmpodError):
    """The pod's machine did not come up, or died."""

    code = "machine"


class QemuEndedError(MachineError):
    """QEMU ended, and neither the guest nor vmpod had told it to."""

    code = "qemu-ended"


class GuestPanicError(MachineError):
    """The guest's kernel panicked."""

    code = "guest-panic"


class GuestInitError(MachineError):
    """The guest's initrd could not load a driver, or mount the guest's root."""

    code = "guest-init"


class AgentFailedError(MachineError):
    """The guest's agent could not go on."""

    code = "agent-failed"


class ProtocolError(VmpodError):
    """The other end of the channel broke the protocol."""

    code = "protocol"


class SshError(VmpodError):
    """The machine's SSH server does not do what it should."""

    code = "ssh"


class HostKeyError(SshError):
    """The machine's SSH server shows a key that is not the machine's."""

    code = "host-key"


class TimeoutExpiredError(VmpodError):
    """Something did not happen in the time it was given."""

    code = "timeout"


class BootTimeoutError(TimeoutExpiredError):
    """The guest did not come up in the time that it was given."""

    code = "boot-timeout"


class SystemCallError(VmpodError):
    """The system refused something that vmpod has no better words for."""

    code = "system"


_FULL = (errno.ENOSPC, errno.EDQUOT)


def from_system(error: OSError) -> VmpodError:
    """Our error for one of the system's that nobody has given a meaning yet."""
    if error.errno in _FULL:
        where = error.filename or "a file system of this host"
        return disk_full(f"{where} cannot be written: {error.strerror}")
    return SystemCallError(str(error), hint="`vmpod --debug ...` tells where it comes from")


DOCTOR = "`vmpod doctor`"


def mending(check: str, *mend: str) -> str:
    """A hint: what mends something that the host lacks, and the check of `vmpod doctor` that tells more."""
    return "\n".join([*mend, f"{DOCTOR} makes this check, '{check}', and all others"])


def disk_full(message: str) -> DiskFullError:
    """The error for a host without space."""
    return DiskFullError(
        message,
        hint="`df -h` tells which file system is full, `vmpod prune` and `vmpod image prune` make room in "
        "vmpod's; VMPOD_HOME=DIR puts its files elsewhere",
    )
