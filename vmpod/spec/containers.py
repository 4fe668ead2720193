"""Init containers and containers."""

from __future__ import annotations

import posixpath

from vmpod.spec import names
from vmpod.spec.containerfields import CONTAINER, DEVICE, MOUNT, PORT
from vmpod.spec.containermodel import Container, Port, PullPolicy, RestartPolicy, VolumeDevice, VolumeMount
from vmpod.spec.env import read_env, read_env_from
from vmpod.spec.model import PodSecurity
from vmpod.spec.probes import read_lifecycle, read_probe, read_rules
from vmpod.spec.reader import Place, Record
from vmpod.spec.references import References
from vmpod.spec.resources import read_resize_restarts, read_resources
from vmpod.spec.security import read_security

MOUNT_OPTIONS = ("noexec", "nodev", "nosuid")


def read_container(
    place: Place,
    references: References,
    volumes: frozenset[str],
    security: PodSecurity,
    *,
    init: bool,
    host_network: bool,
) -> Container | None:
    """A container; None where the entry is no mapping. volumes: the names that mounts may use."""
    record = place.record(CONTAINER)
    if record is None:
        return None
    ports = _ports(record, host_network=host_network)
    policy = _restart_policy(record)
    if init and policy is not RestartPolicy.ALWAYS:
        _check_runs_once(record)
    image = record.text("image", names.image, required=True)
    return Container(
        name=record.text("name", names.dns_label, required=True),
        image=image,
        image_pull_policy=read_pull_policy(record, "imagePullPolicy", image),
        command=record.texts("command"),
        args=record.texts("args"),
        working_dir=record.text("workingDir", names.absolute_path),
        env=read_env(record, references),
        env_from=read_env_from(record, references),
        ports=ports,
        resources=read_resources(record),
        volume_mounts=(mounts := _mounts(record, volumes)),
        volume_devices=_devices(record, volumes, mounts),
        security=read_security(record, security),
        stdin=record.boolean("stdin"),
        stdin_once=record.boolean("stdinOnce"),
        tty=record.boolean("tty"),
        liveness_probe=read_probe(record, "livenessProbe", ports),
        readiness_probe=read_probe(record, "readinessProbe", ports),
        startup_probe=read_probe(record, "startupProbe", ports),
        lifecycle=read_lifecycle(record, ports),
        restart_policy=policy,
        restart_policy_rules=read_rules(record, policy),
        resize_restarts=read_resize_restarts(record),
        termination_message_path=record.text(
            "terminationMessagePath", names.mount_path, default="/dev/termination-log"
        ),
        termination_message_policy=record.choice(
            "terminationMessagePolicy", ("File", "FallbackToLogsOnError"), "File"
        ),
    )


def _check_runs_once(record: Record) -> None:
    """Report what an init container that is no sidecar cannot have."""
    for field in ("livenessProbe", "readinessProbe", "startupProbe", "lifecycle"):
        if record.get(field):
            record.wrong(field, "is for containers, and for init containers whose restartPolicy is Always")


def _restart_policy(record: Record) -> RestartPolicy | None:
    name = record.choice("restartPolicy", tuple(policy.value for policy in RestartPolicy), "")
    return RestartPolicy(name) if name else None


def read_pull_policy(record: Record, field: str, image: str) -> PullPolicy:
    """When to ask the image's registry."""
    # The default comes from the tag alone; a digest without a tag never changes, so it needs no asking.
    name, _, digest = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    always = tag == "latest" or not (tag or digest)
    default = PullPolicy.ALWAYS if always else PullPolicy.IF_NOT_PRESENT
    return PullPolicy(record.choice(field, tuple(p.value for p in PullPolicy), default.value))


def _ports(container: Record, *, host_network: bool) -> tuple[Port, ...]:
    ports = []
    taken: set[str] = set()
    for record in container.records("ports", PORT):
        port = _port(record, host_network=host_network)
        if port.name in taken:
            record.wrong("name", f"{port.name!r} names another port already")
        taken |= {port.name} - {""}
        ports.append(port)
    return tuple(ports)


def _port(record: Record, *, host_network: bool) -> Port:
    place = record.require("containerPort")
    number = (place.integer(1, 65535) if place else None) or 0
    # The API's zero value: not published.
    host_port = record.integer("hostPort", 0, 65535) or None
    if host_network:
        # As the API server has it: there is but one network.
        if host_port not in (None, number):
            record.wrong("hostPort", "must be the containerPort where hostNetwork is true")
        host_port = number or None
    return Port(
        container_port=number,
        protocol=record.choice("protocol", ("TCP", "UDP"), "TCP"),
        name=record.text("name", names.port_name),
        host_port=host_port,
        host_ip=record.text("hostIP", _ip_address),
    )


def _ip_address(text: str) -> str | None:
    # Few manifests name an address.
    import ipaddress  # noqa: PLC0415

    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return "must be an IP address"
    # QEMU's user-mode network forwards no others.
    return None if found.version == 4 else "is an IPv6 address, whose ports QEMU cannot publish"


def _mounts(container: Record, volumes: frozenset[str]) -> tuple[VolumeMount, ...]:
    mounts = []
    seen: set[str] = set()
    for record in container.records("volumeMounts", MOUNT):
        mount = _mount(record)
        if mount.name and mount.name not in volumes:
            record.wrong("name", f"the pod has no volume {mount.name!r}")
        where = posixpath.normpath(mount.mount_path) if mount.mount_path else ""
        if where in seen:
            record.wrong("mountPath", f"another volume is mounted at {where!r} already")
        seen |= {where} - {""}
        mounts.append(mount)
    return tuple(mounts)


def _devices(
    container: Record, volumes: frozenset[str], mounts: tuple[VolumeMount, ...]
) -> tuple[VolumeDevice, ...]:
    devices = []
    paths = {posixpath.normpath(mount.mount_path) for mount in mounts if mount.mount_path}
    mounted = {mount.name for mount in mounts}
    for record in container.records("volumeDevices", DEVICE):
        name = record.text("name", names.dns_label, required=True)
        path = record.text("devicePath", names.mount_path, required=True)
        if name and name not in volumes:
            record.wrong("name", f"the pod has no volume {name!r}")
        elif name and name in mounted:
            record.wrong("name", f"{name!r} is mounted, or another device, already")
        where = posixpath.normpath(path) if path else ""
        if where in paths:
            record.wrong("devicePath", f"another volume is at {where!r} already")
        paths |= {where} - {""}
        mounted |= {name} - {""}
        devices.append(VolumeDevice(name, path))
    return tuple(devices)


def _mount(record: Record) -> VolumeMount:
    read_only = record.boolean("readOnly")
    recursive = record.choice("recursiveReadOnly", ("Disabled", "IfPossible", "Enabled"), "Disabled")
    if recursive == "Enabled" and not read_only:
        record.wrong("recursiveReadOnly", "needs readOnly: true")
    propagation = record.choice("mountPropagation", ("None", "HostToContainer", "Bidirectional"), "None")
    if propagation == "Bidirectional":
        record.wrong(
            "mountPropagation", "Bidirectional is not supported: no mount in a machine reaches the host"
        )
    options = tuple(item.text(_mount_option) for item in record.items("bindMountOptions"))
    if record.get("subPath") and record.get("subPathExpr"):
        record.wrong("subPathExpr", "must not be given together with subPath")
    return VolumeMount(
        name=record.text("name", names.dns_label, required=True),
        mount_path=record.text("mountPath", names.mount_path, required=True),
        read_only=read_only,
        sub_path=record.text("subPath", names.relative_path),
        sub_path_expr=record.text("subPathExpr", names.relative_path),
        bind_mount_options=options,
        recursive_read_only=read_only and recursive != "Disabled",
    )


def _mount_option(text: str) -> str | None:
    return None if text in MOUNT_OPTIONS else f"must be {', '.join(MOUNT_OPTIONS)}"
