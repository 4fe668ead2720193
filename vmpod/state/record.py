"""What is written down about a pod. Its state is not: that follows from what is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from vmpod.dataclass import dataclass
from vmpod.plan.forward import Forward, called, machine_name
from vmpod.plan.loglimits import DEFAULT, LogLimits
from vmpod.process import Process
from vmpod.state import versioned
from vmpod.state.named import Named
from vmpod.wire.journal import timestamp
from vmpod.wire.logdisk import Layout

if TYPE_CHECKING:
    from vmpod.plan.model import Accelerator

Unwatched = Literal["live", "stop", "remove"]

VERSION = 3
FILE = "pod.json"
_TUPLES = (
    "containers",
    "init_containers",
    "sidecars",
    "images",
    "config",
    "immutable_secrets",
    "addresses",
)


@dataclass(frozen=True)
class Ephemeral:
    """A container that was added to a pod that ran.

    document: as in spec.ephemeralContainers. image: of its image the digest; disk, serial: of what was
    attached for it; attached: whether that still may be. number: how many came before it.
    """

    document: Mapping[str, Any]
    image: str
    disk: Path
    serial: str
    number: int
    attached: bool = True

    @property
    def name(self) -> str:
        """The container's."""
        return str(self.document["name"])


@dataclass(frozen=True)
class Record(Named):
    """One pod.

    created: RFC 3339. uri: the libvirt connection its machine was started on ('' for the embedded
    driver). sockets: directory of its sockets. images: digests it uses. document: the Pod, as JSON.
    config: the ConfigMaps that it uses. secrets: whether it has Secrets, which are not kept here but in
    the file manifest ('' if that was standard input). immutable_secrets: names of those that may not change.
    image_ids: by container, the digest of its image.
    sidecars: those of the init containers. logs: how much is kept of its output. addresses: in its own
    network. boot: the number of its machine, from 1. places: for so many ephemeral containers its journal
    disk has room; ephemeral: those in the first of them. qemu: the machine's process, None until it has
    started. stopped: a command ended the machine; paused: one let it stand still. unwatched: what is to
    become of it when the command that ran it was killed; see runtime/watched.py.
    """

    uid: str
    name: str
    namespace: str
    created: str
    uri: str
    accelerator: Accelerator
    sockets: Path
    containers: tuple[str, ...]
    init_containers: tuple[str, ...] = ()
    sidecars: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    forwards: tuple[Forward, ...] = ()
    document: Mapping[str, Any] = field(default_factory=dict)
    config: tuple[Mapping[str, Any], ...] = ()
    secrets: bool = False
    immutable_secrets: tuple[str, ...] = ()
    manifest: str = ""
    image_ids: Mapping[str, str] = field(default_factory=dict)
    logs: LogLimits = DEFAULT
    addresses: tuple[str, ...] = ()
    boot: int = 1
    places: int = 0
    ephemeral: tuple[Ephemeral, ...] = ()
    qemu: Process | None = None
    stopped: bool = False
    paused: bool = False
    unwatched: Unwatched = "live"

    @property
    def all_containers(self) -> tuple[str, ...]:
        """Every container of its manifest, init containers first."""
        return self.init_containers + self.containers

    @property
    def logged_containers(self) -> tuple[str, ...]:
        """Every container that has a log, as the journal disk counts them."""
        return self.all_containers + tuple(each.name for each in self.ephemeral)

    @property
    def layout(self) -> Layout:
        """The layout of its journal disk."""
        return Layout(len(self.all_containers) + self.places, self.logs.size, self.logs.files)

    @property
    def machine_name(self) -> str:
        """What libvirt calls the pod's machine."""
        return machine_name(self.key)

    def with_process(self, process: Process) -> Record:
        """The record of the pod with its machine started."""
        return replace(self, qemu=process)


def containers_of(spec: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Every container of a pod's spec, init containers first."""
    return [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]


def moment(seconds: float) -> str:
    """A time since the epoch as the API has it: RFC 3339, to the second."""
    return timestamp(int(seconds) * 10**9).replace(".000000000", "")


def save(record: Record, directory: Path) -> None:
    """Write the record into the pod's directory."""
    versioned.save(directory / FILE, VERSION, asdict(record))


def load(directory: Path, *, remove: str = "rm --force") -> Record | None:
    """Read the record of a pod's directory; None if there is none (yet, or any more).

    remove: the command that removes what is kept there. Raises HostError if it is of another version or
    damaged.
    """
    return versioned.load(
        directory / FILE,
        VERSION,
        _from_json,
        other=f"use that one, or remove it (`vmpod {remove} {called(directory.name)}`)",
        damaged=f"`vmpod {remove} {called(directory.name)}` removes it",
    )


def _from_json(content: dict[str, Any]) -> Record:
    content["sockets"] = Path(content["sockets"])
    content["forwards"] = tuple(Forward(**forward) for forward in content["forwards"])
    content["logs"] = LogLimits(**content["logs"])
    content["ephemeral"] = tuple(
        Ephemeral(**each | {"disk": Path(each["disk"])}) for each in content.get("ephemeral", ())
    )
    content["qemu"] = Process(**content["qemu"]) if content["qemu"] else None
    # Of a pod that was run before there was any.
    content.setdefault("immutable_secrets", ())
    for name in _TUPLES:
        content[name] = tuple(content[name])
    return Record(**content)
