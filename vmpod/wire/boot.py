"""The boot document: what the agent is told to run. Pure data, made by the plan.

JSON on the boot disk. Secrets are not in it: where a value came from a Secret it holds a reference
`{"secret": ID}`, and the value travels over the channel into guest memory. The types below exist for the
type checker alone; `check` is what reads a document at run time.
"""

from __future__ import annotations

from vmpod.wire.messages import MessageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal, TypedDict

    class SecretRef(TypedDict):
        secret: str

    Value = str | SecretRef

    class PodIdentity(TypedDict):
        name: str
        namespace: str
        uid: str
        hostname: str
        fqdn: str

    class Address(TypedDict):
        """Of one family, dotted or hexadecimal."""

        address: str
        prefix: int
        gateway: str

    class Card(Address):
        """The network card's IPv4 address, and that of IPv6 where the host has it."""

        ipv6: Address | None

    class Network(Card):
        """Static settings; hosts as [address, name] pairs."""

        nameservers: list[str]
        search: list[str]
        options: list[str]
        hosts: list[list[str]]

    class BootImage(TypedDict):
        """Where a container image lies on the images disk: bytes, multiples of 512."""

        start: int
        length: int

    class BootDisk(TypedDict):
        """A disk that is attached by itself. target: its place on the bus, serial: by which it is known.

        block: it has no file system, and is a device for containers.
        """

        target: int
        serial: str
        read_only: bool
        block: bool

    class VolumeFile(TypedDict):
        """A file below a 'files' volume. base64: its content, or a secret whose value is base64."""

        path: str
        mode: int
        user: int
        base64: Value

    class BootVolume(TypedDict):
        """kind: disk (on the scratch disk), memory (tmpfs), huge (hugetlbfs), share (9p, by tag),
        shared-file (the file SHARED_FILE of such a share), files (read-only), image, claim (a disk that was
        attached).

        size: bytes that a tmpfs can hold, 0 for half of the memory, or a directory on disk may, 0 for all.
        mode: of a directory on disk or in memory. image, claim: index into the document's images or disks,
        -1 for none.
        group: who owns it, -1 for nobody but root. always: the files of a claim are given to the group each
        time, also if its directory is the group's already.
        """

        name: str
        kind: Literal["disk", "memory", "huge", "share", "shared-file", "files", "image", "claim"]
        size: int
        mode: int
        group: int
        always: bool
        tag: str
        image: int
        claim: int
        files: list[VolumeFile]

    class BootMount(TypedDict):
        volume: str
        path: str
        sub_path: str
        read_only: bool
        recursive: bool
        options: list[str]

    class BootDevice(TypedDict):
        """A claim's disk that a container sees as a device of this path."""

        volume: str
        path: str
        read_only: bool

    class EnvFile(TypedDict):
        """A variable that stands in a file of a volume when the container starts."""

        name: str
        volume: str
        path: str
        key: str
        optional: bool

    class Action(TypedDict):
        """What a probe or a hook does: which attributes mean something depends on the kind.

        exec: argv; http: scheme, host, port, path, headers as [name, value]; tcp: host, port; grpc: scheme,
        port, service; sleep: seconds. host: '' for the pod's own address.
        """

        kind: Literal["exec", "http", "tcp", "grpc", "sleep"]
        argv: list[str]
        scheme: str
        host: str
        port: int
        path: str
        headers: list[list[str]]
        service: str
        seconds: int

    class Probe(TypedDict):
        """Seconds, and how many results in a row count. grace: -1 for the pod's."""

        action: Action
        delay: int
        timeout: int
        period: int
        successes: int
        failures: int
        grace: int

    class Probes(TypedDict):
        startup: Probe | None
        readiness: Probe | None
        liveness: Probe | None

    class Hooks(TypedDict):
        post_start: Action | None
        pre_stop: Action | None

    class RestartRule(TypedDict):
        """all: start every container of the pod again. codes: exit codes; within: or all but these."""

        all: bool
        within: bool
        codes: list[int]

    class Restart(TypedDict):
        """policy: '' for the pod's. The first rule that fits goes before the policy."""

        policy: Literal["", "Always", "OnFailure", "Never"]
        rules: list[RestartRule]

    class Security(TypedDict):
        """What a container may do.

        groups: of its processes, beside those that the image gives to its user, or (strict_groups) in their
        place. bounding: capabilities, as a mask. unmasked: nothing of /proc and /sys is hidden or protected.
        filter: a seccomp program in base64, '' for none.
        """

        groups: list[int]
        strict_groups: bool
        bounding: int
        privileged: bool
        read_only: bool
        no_new_privileges: bool
        unmasked: bool
        filter: str

    class LastWords(TypedDict):
        """Where a container may write why it ended; log: else the end of its output, if it failed."""

        path: str
        log: bool

    class BootContainer(TypedDict):
        """stdin: whether it has one, for `attach` to write to; stdin_once: it ends with the first who does.

        first_run: how often it has run before. image: index into the document's images.

        memory and storage in bytes, cpu in 1/1000 core, 0 for no limit. huge_pages: bytes of them that it
        may use, -1 where the pod has none. user: 'name', 'uid', 'name:group' or 'uid:gid', looked up in the
        image; '' for root.
        """

        name: str
        first_run: int
        image: int
        argv: list[Value]
        env: list[list[Value]]
        env_files: list[EnvFile]
        cwd: str
        user: str
        mounts: list[BootMount]
        devices: list[BootDevice]
        memory: int
        cpu: int
        cpu_request: int
        storage: int
        huge_pages: int
        stop_signal: str
        stdin: bool
        stdin_once: bool
        tty: bool
        probes: Probes
        hooks: Hooks
        restart: Restart
        last_words: LastWords
        security: Security

    class BootDocument(TypedDict):
        """boot: the number of the pod's machine, from 1: a pod that was stopped can be started again.

        deadline: seconds that the pod may take, 0 for any time. processes: whether each container sees its
        own alone, those of all containers, or those of the machine. sysctls: [name, value] pairs.
        memory, cpu: of all containers together, as of one. huge_pages: bytes to be set aside. pids: processes
        and threads that all containers may have together, 0 for any number. An init
        container whose own restart policy is Always runs beside all that comes after it.
        """

        version: int
        boot: int
        pod: PodIdentity
        network: Network | None
        images: list[BootImage]
        disks: list[BootDisk]
        volumes: list[BootVolume]
        init_containers: list[BootContainer]
        containers: list[BootContainer]
        restart_policy: Literal["Always", "OnFailure", "Never"]
        grace: int
        deadline: int
        processes: Literal["own", "shared", "machine"]
        memory: int
        cpu: int
        huge_pages: int
        pids: int
        sysctls: list[list[str]]

    Shape = type | dict[str, "Shape"] | list["Shape"] | tuple["Shape", ...]

BOOT_VERSION = 4

# Shapes: a type, {attribute: shape}, [shape of every member], or a tuple of alternatives.
_VALUE: Shape = (str, {"secret": str})
_ACTION: Shape = {
    "kind": str,
    "argv": [str],
    "scheme": str,
    "host": str,
    "port": int,
    "path": str,
    "headers": [[str]],
    "service": str,
    "seconds": int,
}
_PROBE: Shape = (
    type(None),
    {
        "action": _ACTION,
        "delay": int,
        "timeout": int,
        "period": int,
        "successes": int,
        "failures": int,
        "grace": int,
    },
)
_HOOK: Shape = (type(None), _ACTION)
_CONTAINER: Shape = {
    "name": str,
    "first_run": int,
    "image": int,
    "argv": [_VALUE],
    "env": [[_VALUE]],
    "env_files": [{"name": str, "volume": str, "path": str, "key": str, "optional": bool}],
    "cwd": str,
    "user": str,
    "mounts": [
        {"volume": str, "path": str, "sub_path": str, "read_only": bool, "recursive": bool, "options": [str]}
    ],
    "devices": [{"volume": str, "path": str, "read_only": bool}],
    "memory": int,
    "cpu": int,
    "cpu_request": int,
    "storage": int,
    "huge_pages": int,
    "stop_signal": str,
    "stdin": bool,
    "stdin_once": bool,
    "tty": bool,
    "probes": {"startup": _PROBE, "readiness": _PROBE, "liveness": _PROBE},
    "hooks": {"post_start": _HOOK, "pre_stop": _HOOK},
    "restart": {"policy": str, "rules": [{"all": bool, "within": bool, "codes": [int]}]},
    "last_words": {"path": str, "log": bool},
    "security": {
        "groups": [int],
        "strict_groups": bool,
        "bounding": int,
        "privileged": bool,
        "read_only": bool,
        "no_new_privileges": bool,
        "unmasked": bool,
        "filter": str,
    },
}
_ADDRESS: dict[str, Shape] = {"address": str, "prefix": int, "gateway": str}
_CARD: dict[str, Shape] = {**_ADDRESS, "ipv6": (type(None), _ADDRESS)}
_NETWORK: Shape = {
    **_CARD,
    "nameservers": [str],
    "search": [str],
    "options": [str],
    "hosts": [[str]],
}
_VOLUME: Shape = {
    "name": str,
    "kind": str,
    "size": int,
    "mode": int,
    "group": int,
    "always": bool,
    "tag": str,
    "image": int,
    "claim": int,
    "files": [{"path": str, "mode": int, "user": int, "base64": _VALUE}],
}
_DISK: Shape = {"target": int, "serial": str, "read_only": bool, "block": bool}
_DOCUMENT: Shape = {
    "version": int,
    "boot": int,
    "pod": {"name": str, "namespace": str, "uid": str, "hostname": str, "fqdn": str},
    "network": (type(None), _NETWORK),
    "images": [{"start": int, "length": int}],
    "disks": [_DISK],
    "volumes": [_VOLUME],
    "init_containers": [_CONTAINER],
    "containers": [_CONTAINER],
    "restart_policy": str,
    "grace": int,
    "deadline": int,
    "processes": str,
    "memory": int,
    "cpu": int,
    "huge_pages": int,
    "pids": int,
    "sysctls": [[str]],
}


def check(document: Any) -> BootDocument:
    """The document, if it has the shape and version that this agent knows. Raises MessageError."""
    if isinstance(document, dict) and document.get("version") != BOOT_VERSION:
        raise MessageError(
            f"boot document version {document.get('version')!r}; this agent reads {BOOT_VERSION}"
        )
    _check(document, _DOCUMENT, "boot document")
    checked: BootDocument = document
    return checked


def check_identity(pod: Any) -> PodIdentity:
    """Who a pod is, checked as in a document. Raises MessageError."""
    shape = _DOCUMENT["pod"] if isinstance(_DOCUMENT, dict) else dict
    _check(pod, shape, "pod")
    checked: PodIdentity = pod
    return checked


def check_card(card: Any) -> Card:
    """What the host tells a machine that has no pod yet. Raises MessageError."""
    _check(card, _CARD, "card")
    checked: Card = card
    return checked


def check_container(container: Any) -> BootContainer:
    """A container, checked as in a document. Raises MessageError."""
    _check(container, _CONTAINER, "container")
    checked: BootContainer = container
    return checked


def check_disk(disk: Any) -> BootDisk:
    """A disk, checked as in a document. Raises MessageError."""
    _check(disk, _DISK, "disk")
    checked: BootDisk = disk
    return checked


def _check(value: Any, shape: Shape, path: str) -> None:
    if isinstance(shape, tuple):
        _check(value, next((one for one in shape if _outer(value, one)), shape[0]), path)
        return
    if not _outer(value, shape):
        raise MessageError(f"{path}: wrong type {type(value).__name__}")
    if isinstance(shape, dict):
        if unexpected := value.keys() ^ shape.keys():
            raise MessageError(f"{path}: attributes {sorted(unexpected)} are missing or unknown")
        for name, inner in shape.items():
            _check(value[name], inner, f"{path}.{name}")
    elif isinstance(shape, list):
        for index, member in enumerate(value):
            _check(member, shape[0], f"{path}[{index}]")


def _outer(value: Any, shape: Shape) -> bool:
    """Whether the value is of the shape's outermost type."""
    if isinstance(shape, type):
        return type(value) is shape
    return isinstance(value, (dict if isinstance(shape, dict) else list))
