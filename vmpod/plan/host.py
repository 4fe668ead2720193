"""What a plan depends on besides the manifest: facts of the host and choices of the user.

The runtime gathers them; the plan only reads them, so that the same input gives the same plan.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Literal

from vmpod.dataclass import dataclass
from vmpod.guestimage.model import GuestImage
from vmpod.oci.model import Image
from vmpod.plan.forward import Forward
from vmpod.plan.loglimits import DEFAULT, LogLimits
from vmpod.plan.model import Accelerator
from vmpod.spec.model import Manifest

PathKind = Literal["directory", "file", "socket", "char-device", "block-device", "missing"]


@dataclass(frozen=True)
class Resolver:
    """The host's resolv.conf, as far as it concerns the pod."""

    search: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Host:
    """Facts of the host.

    cpus: how many it has; memory: bytes, with its swap, 0 if unknown; root: whether QEMU will run as root;
    host_paths: what each hostPath is now; obstacles: by hostPath, why a file that it is, or would be, cannot
    be shared; '' if it can. ipv6: whether it has an IPv6 address that leads out of it. name: what it calls
    itself.
    """

    accelerator: Accelerator
    cpus: int
    root: bool
    resolver: Resolver = Resolver()
    memory: int = 0
    host_paths: Mapping[str, PathKind] = field(default_factory=dict)
    obstacles: Mapping[str, str] = field(default_factory=dict)
    ipv6: bool = False
    name: str = "localhost"


@dataclass(frozen=True)
class Storage:
    """What is behind a claim: its disk, which is or will be there.

    modes: its accessModes. block: it has no file system (volumeMode Block).
    """

    disk: Path
    serial: str
    modes: tuple[str, ...]
    block: bool = False

    @property
    def read_only(self) -> bool:
        """Whether nobody may write to it."""
        return set(self.modes) == {"ReadOnlyMany"}


@dataclass(frozen=True)
class Request:
    """All that a plan of one pod is made from.

    images: by the name that the manifest gives; None for one that is not on this host yet.
    state, sockets: the pod's directories. publish: forwards that the command line adds.
    profiles: seccomp profiles by their path, None for one that cannot be read.
    claims: by name, those that are there or will be.
    boot: the number of the pod's machine. runs: by container, how often it has run before.
    """

    manifest: Manifest
    uid: str
    host: Host
    guest: GuestImage
    images: Mapping[str, Image | None]
    state: Path
    sockets: Path
    publish: tuple[Forward, ...] = ()
    logs: LogLimits = DEFAULT
    profiles: Mapping[str, bytes | None] = field(default_factory=dict)
    claims: Mapping[str, Storage] = field(default_factory=dict)
    boot: int = 1
    runs: Mapping[str, int] = field(default_factory=dict)
