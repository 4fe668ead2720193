"""What a manifest says, as immutable objects with every default filled in.

Names are the Kubernetes API's own (core/v1), in Python's spelling. A field that is not here is refused
by the parser; see `fields.py` for what is said about each. What a pod consists of is in `containermodel.py`,
`probemodel.py` and `volumemodel.py`, a Job in `jobmodel.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any

from vmpod.dataclass import dataclass
from vmpod.errors import Problem
from vmpod.spec.containermodel import Container, PullPolicy, Resources, RestartPolicy
from vmpod.spec.volumemodel import ImageVolume, Volume

if TYPE_CHECKING:
    from vmpod.spec.jobmodel import Job


@dataclass(frozen=True)
class PodSecurity:
    """The securityContext of a pod. seccomp_profile: see Security."""

    run_as_user: int | None = None
    run_as_group: int | None = None
    run_as_non_root: bool = False
    supplemental_groups: tuple[int, ...] = ()
    supplemental_groups_policy: str = "Merge"
    fs_group: int | None = None
    fs_group_always: bool = True
    sysctls: tuple[tuple[str, str], ...] = ()
    seccomp_profile: str = ""


@dataclass(frozen=True)
class Dns:
    """How names are resolved: by these servers alone, or by the host's as well."""

    alone: bool = False
    nameservers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class MachineSize:
    """What the machine has at least, whatever its pod needs: bytes, and processors; 0 asks for nothing."""

    memory: int = 0
    cpus: int = 0


@dataclass(frozen=True)
class Claim:
    """A PersistentVolumeClaim. size: bytes; modes: its accessModes; document: the manifest as read.

    block: it has no file system. source: the file that it stands in, as the user named it. notes: see Pod.
    """

    name: str
    namespace: str
    size: int
    modes: tuple[str, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    document: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""
    notes: tuple[str, ...] = ()
    block: bool = False


@dataclass(frozen=True)
class Pod:
    """One Pod document. `document` is the manifest as read (JSON-like), for `get -o yaml`."""

    name: str
    containers: tuple[Container, ...]
    namespace: str = "default"
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    init_containers: tuple[Container, ...] = ()
    volumes: tuple[Volume, ...] = ()
    restart_policy: RestartPolicy = RestartPolicy.ALWAYS
    termination_grace_period_seconds: int = 30
    active_deadline_seconds: int | None = None
    hostname: str = ""
    fqdn: str = ""
    host_aliases: tuple[tuple[str, tuple[str, ...]], ...] = ()
    dns: Dns = Dns()
    share_process_namespace: bool = False
    host_pid: bool = False
    host_network: bool = False
    security: PodSecurity = PodSecurity()
    resources: Resources = Resources()
    machine: MachineSize = MachineSize()
    document: Mapping[str, Any] = field(default_factory=dict)

    @property
    def every_container(self) -> tuple[Container, ...]:
        """Init containers, and then containers."""
        return self.init_containers + self.containers

    def placed(self) -> Iterator[tuple[str, Container]]:
        """Every container with its field path."""
        for group, containers in (("initContainers", self.init_containers), ("containers", self.containers)):
            for index, container in enumerate(containers):
                yield f"spec.{group}[{index}]", container

    def images(self) -> dict[str, PullPolicy]:
        """Every image that the pod needs, by the name that it gives, and when its registry is asked."""
        found: dict[str, PullPolicy] = {}
        for container in self.every_container:
            found.setdefault(container.image, container.image_pull_policy)
        for volume in self.volumes:
            if isinstance(volume.source, ImageVolume):
                found.setdefault(volume.source.reference, volume.source.pull_policy)
        return found

    claims: tuple[Claim, ...] = ()
    """What is claimed for this pod alone, by the StatefulSet that makes it."""
    ordered: bool = False
    """Whether the pod that comes after it in the file waits until it is ready."""
    source: str = ""
    """The file that it stands in, as the user named it."""
    notes: tuple[str, ...] = ()
    """Fields that were accepted and have no effect on one node, each as a sentence to be said once."""


@dataclass(frozen=True)
class ConfigMap:
    """A ConfigMap document; `data` and `binaryData` joined.

    binary_keys: those of `binaryData`, which become files but never environment variables. source: the file
    that it stands in.
    """

    name: str
    data: Mapping[str, bytes]
    binary_keys: frozenset[str] = frozenset()
    immutable: bool = False
    source: str = field(default="", compare=False)


@dataclass(frozen=True)
class Secret:
    """A Secret document; `data` (decoded) and `stringData` joined. Its repr shows no value."""

    name: str
    data: Mapping[str, bytes] = field(repr=False)
    immutable: bool = False
    source: str = field(default="", compare=False)


@dataclass(frozen=True)
class Retention:
    """What becomes of a StatefulSet's claims. templates: their names' beginnings; else: whether they go."""

    templates: tuple[str, ...]
    when_deleted: bool = False
    when_scaled: bool = False

    def claims(self, pod: str) -> list[str]:
        """The names of a pod's claims."""
        return [f"{template}-{pod}" for template in self.templates]


@dataclass(frozen=True)
class Manifest:
    """Every document of one input."""

    pods: tuple[Pod, ...]
    config_maps: Mapping[str, ConfigMap] = field(default_factory=dict)
    secrets: Mapping[str, Secret] = field(default_factory=dict, repr=False)
    claims: tuple[Claim, ...] = ()
    owners: frozenset[tuple[str, str]] = frozenset()
    """What makes pods, as its namespace and 'Deployment/NAME'."""
    retentions: Mapping[tuple[str, str], Retention] = field(default_factory=dict)
    """Of those among them that make claims."""
    jobs: tuple[Job, ...] = ()
    unnamed: tuple[Problem, ...] = ()
    """Why what has a generated name cannot be applied: each is another one the next time."""
