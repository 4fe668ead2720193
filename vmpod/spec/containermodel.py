"""A container, and what it consists of. Names as in `model.py`."""

from __future__ import annotations

from enum import Enum

from vmpod.dataclass import dataclass
from vmpod.spec.probemodel import Lifecycle, Probe
from vmpod.wire.capabilities import DEFAULT as DEFAULT_CAPABILITIES


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
class ResolvedVar:
    """An environment variable with its final value; sensitive if any part of it came from a Secret."""

    name: str
    value: str
    sensitive: bool = False

    def __repr__(self) -> str:
        return f"ResolvedVar({self.name!r}, {'...' if self.sensitive else repr(self.value)})"


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
class RestartRule:
    """What exit codes do, whatever the restart policy. everything: all containers start again."""

    values: tuple[int, ...]
    operator: str = "In"
    everything: bool = False


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
