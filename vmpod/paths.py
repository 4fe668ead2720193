"""Where vmpod keeps its files: XDG directories for a user, the system's for root.

    data     container images, guest images, claims: big, worth keeping
    state    one directory a pod: what it is, its events, its output
    runtime  sockets and libvirt's own files: gone after a reboot, as the machines are

Sources: XDG Base Directory Specification 0.8, Filesystem Hierarchy Standard 3.0.
"""

from __future__ import annotations

import os
from pathlib import Path

from vmpod.dataclass import dataclass
from vmpod.errors import HostError


@dataclass(frozen=True)
class Paths:
    """The top directories. Nothing is made until something is kept there."""

    data: Path
    state: Path
    runtime: Path

    @property
    def images(self) -> Path:
        """Container images, converted to disks."""
        return self.data / "images"

    @property
    def guests(self) -> Path:
        """Guest images."""
        return self.data / "guests"

    @property
    def templates(self) -> Path:
        """Frozen machines."""
        return self.data / "templates"

    @property
    def snapshots(self) -> Path:
        """Pods as they were at a moment, to go on from there."""
        return self.data / "snapshots"

    @property
    def toolbox(self) -> Path:
        """Programs to look into machines, as a disk."""
        return self.data / "toolbox"

    @property
    def claims(self) -> Path:
        """Disks of PersistentVolumeClaims."""
        return self.data / "claims"

    @property
    def seccomp(self) -> Path:
        """Seccomp profiles, which the user puts there."""
        return self.data / "seccomp"

    @property
    def libvirt_cache(self) -> Path:
        """What libvirt has learned about QEMU, for all of its embedded drivers."""
        return self.data / "libvirt-cache"

    @property
    def verdict(self) -> Path:
        """Whether KVM runs guests here, as it was last tried."""
        return self.data / "kvm.json"

    @property
    def pods(self) -> Path:
        """One directory a pod, named by the pod's key."""
        return self.state / "pods"

    @property
    def template_attempts(self) -> Path:
        """What makers of templates said that have failed in the background."""
        return self.state / "template-attempts"

    @property
    def jobs(self) -> Path:
        """One directory a Job, named as a pod's is."""
        return self.state / "jobs"


def default_paths() -> Paths:
    """The directories of the user who runs the command.

    `VMPOD_HOME` puts all three under one directory. Raises HostError if they cannot be told.
    """
    if home := os.environ.get("VMPOD_HOME"):
        top = Path(home).absolute()
        return Paths(data=top / "data", state=top / "state", runtime=top / "run")
    if os.geteuid() == 0:
        return Paths(data=Path("/var/lib/vmpod"), state=Path("/var/lib/vmpod"), runtime=Path("/run/vmpod"))
    return Paths(
        data=_xdg("XDG_DATA_HOME", ".local/share") / "vmpod",
        state=_xdg("XDG_STATE_HOME", ".local/state") / "vmpod",
        runtime=_runtime(),
    )


def _xdg(variable: str, default: str) -> Path:
    value = os.environ.get(variable, "")
    # The specification: a relative path is invalid and must be ignored.
    if value.startswith("/"):
        return Path(value)
    try:
        return Path.home() / default
    except RuntimeError:
        raise HostError(
            "the user has no home directory", hint="set HOME, or VMPOD_HOME to where vmpod may keep files"
        ) from None


def _runtime() -> Path:
    value = os.environ.get("XDG_RUNTIME_DIR", "")
    if value.startswith("/") and Path(value).is_dir():
        return Path(value) / "vmpod"
    # No login session (su, cron, CI). Socket paths are limited to 107 bytes: stay short.
    return Path(f"/tmp/vmpod-{os.geteuid()}")  # noqa: S108 - private_dir() checks who owns it


def private_dir(path: Path) -> Path:
    """Make a directory (and its parents) that only its user can enter, and return it.

    Raises HostError if it exists and is another user's: /tmp is shared.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = path.lstat()
    if status.st_uid != os.geteuid() or not path.is_dir() or path.is_symlink():
        raise HostError(
            f"{path} belongs to somebody else", hint="remove it, or set VMPOD_HOME to a directory of your own"
        )
    return path
