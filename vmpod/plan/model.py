"""What will be done to run a pod: pure data, that `vmpod plan` prints and the runtime carries out.

A plan holds no secret values: where the boot document refers to one, its value is in
`Planned.secrets`, which is never written anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from vmpod.dataclass import dataclass
from vmpod.plan.forward import Forward, pod_key
from vmpod.plan.loglimits import LogLimits

if TYPE_CHECKING:
    from vmpod.wire.boot import BootDocument


Accelerator = Literal["kvm", "tcg"]

MAX_SHARES = 18
"""As many places as a machine has for shares."""

BOOT, IMAGES, SCRATCH, JOURNAL = "boot.iso", "images.vmdk", "scratch.raw", "journal.raw"
"""The files of a pod's own disks, in its directory."""

CONSOLE = "console.log"
"""What its machine writes to the serial console, there as well."""

FILES = "files"
"""Where, in a pod's directory, directories for files of the host are."""


def share_tag(place: int) -> str:
    """What the guest knows a share by. Of its place alone: a machine that was frozen has read the tags."""
    # A volume's name may have 63 bytes, and a tag of virtio-9p at most 31.
    return f"share{place}"


@dataclass(frozen=True)
class Share:
    """A directory of the host that the guest can mount by its tag (9p).

    keep_owners: whether the guest may set owners on the host, which only root's QEMU can do. file: the one
    file that the directory, the pod's own then, gets a name of; None for a directory that is shared as it is.
    """

    tag: str
    path: Path
    read_only: bool
    keep_owners: bool
    file: Path | None = None


@dataclass(frozen=True)
class Disks:
    """The machine's disks, in the fixed order in which every machine has them: vda to vde."""

    root: Path
    boot: Path
    images: Path
    scratch: Path
    journal: Path

    @classmethod
    def below(cls, directory: Path, *, root: Path) -> Disks:
        """Those of a pod, or of a snapshot of one, in its directory. root: the guest image's."""
        return cls(
            root=root,
            boot=directory / BOOT,
            images=directory / IMAGES,
            scratch=directory / SCRATCH,
            journal=directory / JOURNAL,
        )


@dataclass(frozen=True)
class Plug:
    """A disk that is attached to a machine that is there already.

    target: its place on the bus; serial: by which the guest knows it; label: what messages call it.
    """

    path: Path
    serial: str
    target: int
    read_only: bool
    label: str


@dataclass(frozen=True)
class Frozen:
    """A machine that was frozen: the file of its memory, and that of its devices' state."""

    memory: Path
    state: Path


@dataclass(frozen=True)
class Machine:
    """The virtual machine. memory: bytes; sockets: directory of the control and console sockets.

    plugs: disks beside those that every machine has.
    frozen: what it begins as, None to boot. balloon: whether it gives free memory back to the host; such a
    machine can be no copy, and cannot be copied, as QEMU would punch holes into the memory that copies share.
    ipv6: whether its card has an address of that family.
    """

    name: str
    uuid: str
    accelerator: Accelerator
    memory: int
    cpus: int
    kernel: Path
    initrd: Path
    command_line: str
    disks: Disks
    mac: str
    sockets: Path
    console_log: Path
    forwards: tuple[Forward, ...] = ()
    shares: tuple[Share, ...] = ()
    plugs: tuple[Plug, ...] = ()
    frozen: Frozen | None = None
    balloon: bool = False
    ipv6: bool = False

    def control_socket(self, number: int) -> Path:
        """The socket that leads to a control port of the agent."""
        return self.sockets / f"c{number}"

    @property
    def console_socket(self) -> Path:
        """The socket of the serial console."""
        return self.sockets / "console"


@dataclass(frozen=True)
class ImageUse:
    """A container image of the pod. digest and disk are None until the image is on this host."""

    name: str
    digest: str | None
    disk: Path | None


@dataclass(frozen=True)
class Identity:
    """Who the pod is."""

    name: str
    namespace: str
    uid: str

    @property
    def key(self) -> str:
        """The pod's name among all pods of this user: 'name', or 'namespace_name'."""
        return pod_key(self.namespace, self.name)


@dataclass(frozen=True)
class Plan:
    """Everything that running a pod takes. scratch_size: bytes, of a sparse file; logs: what is kept."""

    pod: Identity
    machine: Machine
    images: tuple[ImageUse, ...]
    scratch_size: int
    logs: LogLimits
    boot: BootDocument
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Planned:
    """A plan, and the secret values that its boot document refers to, by id."""

    plan: Plan
    secrets: Mapping[str, str] = field(repr=False)
