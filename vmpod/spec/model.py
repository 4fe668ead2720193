"""What a manifest says, as immutable objects with every default filled in.

Names are the Kubernetes API's own (core/v1), in Python's spelling. A field that is not here is refused
by the parser; see `fields.py` for what is said about each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from enum import Enum
from typing import TYPE_CHECKING, Any

from vmpod.dataclass import dataclass
from vmpod.errors import Problem
from vmpod.wire.capabilities import DEFAULT as DEFAULT_CAPABILITIES

if TYPE_CHECKING:
    from vmpod.spec.jobmodel import Job


class RestartPolicy(Enum):
    """When an ended container is started again."""

    ALWAYS = "Always"
    ON_FAILURE = "OnFailure"
    NEVER = "Never"


class PullPolicy(Enum):
    """When an image is asked for at its registry."""

    ALWAYS = "Always"
    IF_NOT_PRESENT = "IfNotPresent"
    NEVER = "Never"


@dataclass(frozen=True)
class KeyRef:
    """A key of a ConfigMap or Secret in the same manifest."""

    name: str
    key: str
    optional: bool = False


@dataclass(frozen=True)
class ResourceRef:
    """An amount of a container ('' for the one that asks), as 'limits.cpu', in units of the divisor."""

    resource: str
    container: str = ""
    divisor: str = "0"


@dataclass(frozen=True)
class FileKeyRef:
    """A variable in a file of a volume, which is there when the container starts."""

    volume_name: str
    path: str
    key: str
    optional: bool = False


@dataclass(frozen=True)
class EnvVar:
    """One `env` entry; at most one of the sources is set. `value` is as written, `$(VAR)` included."""

    name: str
    value: str = ""
    config_map_key_ref: KeyRef | None = None
    secret_key_ref: KeyRef | None = None
    field_ref: str = ""
    resource_field_ref: ResourceRef | None = None
    file_key_ref: FileKeyRef | None = None


@dataclass(frozen=True)
class EnvFrom:
    """One `envFrom` entry: every key of one ConfigMap or of one Secret, with a prefix."""

    prefix: str = ""
    config_map: str | None = None
    secret: str | None = None
    optional: bool = False


@dataclass(frozen=True)
class Port:
    """One `ports` entry. Only a port with a host_port (or `--publish`) is bound on the host."""

    container_port: int
    protocol: str = "TCP"
    name: str = ""
    host_port: int | None = None
    host_ip: str = ""


@dataclass(frozen=True)
class VolumeMount:
    """Where a container sees a volume."""

    name: str
    mount_path: str
    read_only: bool = False
    sub_path: str = ""
    sub_path_expr: str = ""
    recursive_read_only: bool = False
    bind_mount_options: tuple[str, ...] = ()


@dataclass(frozen=True)
class VolumeDevice:
    """Where a container sees a claim's disk."""

    name: str
    path: str


@dataclass(frozen=True)
class Resources:
    """Requests and limits; CPU in thousandths of a core, pids a number, the rest bytes; None if not given."""

    cpu_request: int | None = None
    cpu_limit: int | None = None
    memory_request: int | None = None
    memory_limit: int | None = None
    storage_request: int | None = None
    storage_limit: int | None = None
    huge_pages: int | None = None
    pids_limit: int | None = None

    def amount(self, kind: str, name: str) -> int | None:
        """By the API's names: 'limits' or 'requests', and 'cpu', 'memory', ..."""
        found = {
            "cpu": (self.cpu_request, self.cpu_limit),
            "memory": (self.memory_request, self.memory_limit),
            "ephemeral-storage": (self.storage_request, self.storage_limit),
            "hugepages-2Mi": (self.huge_pages, self.huge_pages),
        }[name]
        return found[kind == "limits"]


@dataclass(frozen=True)
class ExecAction:
    """Runs a command in the container."""

    command: tuple[str, ...]


@dataclass(frozen=True)
class HTTPGetAction:
    """Asks a web server. host: '' for the pod itself."""

    port: int
    path: str = "/"
    host: str = ""
    scheme: str = "HTTP"
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class TCPSocketAction:
    """Opens a connection. host: '' for the pod itself."""

    port: int
    host: str = ""


@dataclass(frozen=True)
class GRPCAction:
    """Asks a server of the gRPC health checking protocol."""

    port: int
    service: str = ""
    tls: bool = False


@dataclass(frozen=True)
class SleepAction:
    """Lets time pass."""

    seconds: int


Action = ExecAction | HTTPGetAction | TCPSocketAction | GRPCAction | SleepAction


@dataclass(frozen=True)
class Probe:
    """What is asked of a container, and how often."""

    action: Action
    initial_delay_seconds: int = 0
    timeout_seconds: int = 1
    period_seconds: int = 10
    success_threshold: int = 1
    failure_threshold: int = 3
    termination_grace_period_seconds: int | None = None


@dataclass(frozen=True)
class Lifecycle:
    """The hooks of a container, and the signal that asks it to end ('' for the image's)."""

    post_start: Action | None = None
    pre_stop: Action | None = None
    stop_signal: str = ""


@dataclass(frozen=True)
class RestartRule:
    """What exit codes do, whatever the restart policy. everything: all containers start again."""

    values: tuple[int, ...]
    operator: str = "In"
    everything: bool = False


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
class Security:
    """The securityContext of a container, with what the pod says.

    capabilities: as a mask. seccomp_profile: 'Unconfined', 'RuntimeDefault', 'Localhost/PATH', or '' where it
    is not said.
    """

    run_as_user: int | None = None
    run_as_group: int | None = None
    run_as_non_root: bool = False
    privileged: bool = False
    read_only_root_filesystem: bool = False
    allow_privilege_escalation: bool = True
    capabilities: int = DEFAULT_CAPABILITIES
    proc_mount: str = "Default"
    seccomp_profile: str = ""


@dataclass(frozen=True)
class Dns:
    """How names are resolved: by these servers alone, or by the host's as well."""

    alone: bool = False
    nameservers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Container:
    """An init container or a container. `command` replaces the image's entrypoint, `args` its cmd."""

    name: str
    image: str
    image_pull_policy: PullPolicy
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    working_dir: str = ""
    env: tuple[EnvVar, ...] = ()
    env_from: tuple[EnvFrom, ...] = ()
    ports: tuple[Port, ...] = ()
    resources: Resources = Resources()
    volume_mounts: tuple[VolumeMount, ...] = ()
    volume_devices: tuple[VolumeDevice, ...] = ()
    security: Security = Security()
    stdin: bool = False
    stdin_once: bool = False
    tty: bool = False
    liveness_probe: Probe | None = None
    readiness_probe: Probe | None = None
    startup_probe: Probe | None = None
    lifecycle: Lifecycle = Lifecycle()
    restart_policy: RestartPolicy | None = None
    restart_policy_rules: tuple[RestartRule, ...] = ()
    resize_restarts: frozenset[str] = frozenset()
    """Of 'cpu' and 'memory' those whose change needs a new run."""
    termination_message_path: str = "/dev/termination-log"
    termination_message_policy: str = "File"

    @property
    def sidecar(self) -> bool:
        """Of an init container: whether it runs beside all that comes after it."""
        return self.restart_policy is RestartPolicy.ALWAYS


@dataclass(frozen=True)
class EmptyDir:
    """An empty directory that lives as long as the pod; `medium` is '' (disk), 'Memory' or 'HugePages'."""

    medium: str = ""
    size_limit: int | None = None
    mode: int | None = None


@dataclass(frozen=True)
class HostPath:
    """A directory or file of the host; `type` as in Kubernetes, '' for no check."""

    path: str
    type: str = ""


@dataclass(frozen=True)
class KeyToPath:
    """One `items` entry: which key becomes which file, with which mode and owner (None: the volume's)."""

    key: str
    path: str
    mode: int | None = None
    user: int | None = None


@dataclass(frozen=True)
class ConfigMapVolume:
    """The keys of a ConfigMap as files; no items means every key."""

    name: str
    items: tuple[KeyToPath, ...] = ()
    default_mode: int = 0o644
    optional: bool = False
    default_user: int | None = None


@dataclass(frozen=True)
class SecretVolume:
    """The keys of a Secret as files; no items means every key."""

    name: str
    items: tuple[KeyToPath, ...] = ()
    default_mode: int = 0o644
    optional: bool = False
    default_user: int | None = None


@dataclass(frozen=True)
class DownwardItem:
    """A file with something that the pod is told about itself."""

    path: str
    field_ref: str = ""
    resource_field_ref: ResourceRef | None = None
    mode: int | None = None
    user: int | None = None


@dataclass(frozen=True)
class DownwardVolume:
    """Files that tell the pod about itself."""

    items: tuple[DownwardItem, ...] = ()
    default_mode: int = 0o644
    default_user: int | None = None


@dataclass(frozen=True)
class ProjectedVolume:
    """Several volumes of files in one directory."""

    sources: tuple[ConfigMapVolume | SecretVolume | DownwardVolume, ...] = ()
    default_mode: int = 0o644
    default_user: int | None = None


@dataclass(frozen=True)
class ImageVolume:
    """The files of a container image, read-only."""

    reference: str
    pull_policy: PullPolicy


@dataclass(frozen=True)
class ClaimVolume:
    """Storage that outlives the pod. claim: the name of a PersistentVolumeClaim."""

    claim: str
    read_only: bool = False


VolumeSource = (
    EmptyDir
    | HostPath
    | ConfigMapVolume
    | SecretVolume
    | DownwardVolume
    | ProjectedVolume
    | ImageVolume
    | ClaimVolume
)


@dataclass(frozen=True)
class Volume:
    """A named volume of the pod."""

    name: str
    source: VolumeSource


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


@dataclass(frozen=True)
class ResolvedVar:
    """An environment variable with its final value; sensitive if any part of it came from a Secret."""

    name: str
    value: str
    sensitive: bool = False

    def __repr__(self) -> str:
        return f"ResolvedVar({self.name!r}, {'...' if self.sensitive else repr(self.value)})"
