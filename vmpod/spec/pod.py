"""One Pod document."""

from __future__ import annotations

from dataclasses import replace

from vmpod.spec import names
from vmpod.spec.containers import MAX_ID, read_container, read_ids
from vmpod.spec.environment import TooLongError, expand_words, resolve, skipped
from vmpod.spec.metadata import Metadata
from vmpod.spec.model import Container, Pod, Port, RestartPolicy, Volume
from vmpod.spec.podfields import OS, POD_SECURITY, POD_SPEC
from vmpod.spec.reader import Place, Record
from vmpod.spec.references import References
from vmpod.spec.volumes import read_volume

_DEFAULT_GRACE = 30
# Far more than a machine has room for; it bounds the work that a hostile manifest can ask for.
_MAX_CONTAINERS = 100
_ANY_ADDRESS = frozenset(("", "0.0.0.0", "::"))  # noqa: S104 - compared with, not bound
_NO_CLUSTER_DNS = "there is no cluster DNS, so names are resolved as the host resolves them"


def read_pod(document: Record, metadata: Metadata, references: References) -> Pod | None:
    """A pod; None if it has no spec. Its notes are left for the caller to add."""
    place = document.require("spec")
    spec = place.record(POD_SPEC) if place else None
    if spec is None:
        return None
    user, group = read_ids(spec.record("securityContext", POD_SECURITY))
    volumes = _volumes(spec, references)
    init_containers, containers = _containers(spec, references, frozenset(volume.name for volume in volumes))
    _check_dns_policy(spec)
    _check_os(spec, [*init_containers, *containers])
    grace = spec.integer("terminationGracePeriodSeconds", 0, MAX_ID)
    policies = tuple(policy.value for policy in RestartPolicy)
    return Pod(
        name=metadata.name,
        namespace=metadata.namespace,
        labels=metadata.labels,
        annotations=metadata.annotations,
        init_containers=tuple(_as_pod_user(container, user, group) for container in init_containers),
        containers=tuple(_as_pod_user(container, user, group) for container in containers),
        volumes=volumes,
        restart_policy=RestartPolicy(spec.choice("restartPolicy", policies, RestartPolicy.ALWAYS.value)),
        termination_grace_period_seconds=_DEFAULT_GRACE if grace is None else grace,
        active_deadline_seconds=spec.integer("activeDeadlineSeconds", 1, MAX_ID),
        hostname=spec.text("hostname", names.dns_label) or names.default_hostname(metadata.name),
        run_as_user=user,
        run_as_group=group,
        document=document.place.node.plain(),
    )


def _as_pod_user(container: Container, user: int | None, group: int | None) -> Container:
    """The container with the pod's ids where it has none of its own."""
    return replace(
        container,
        run_as_user=user if container.run_as_user is None else container.run_as_user,
        run_as_group=group if container.run_as_group is None else container.run_as_group,
    )


def _volumes(spec: Record, references: References) -> tuple[Volume, ...]:
    volumes: list[Volume] = []
    taken: set[str] = set()
    for place in spec.items("volumes"):
        volume = read_volume(place, references)
        if volume is None:
            continue
        _check_unique(place, volume.name, taken, "volume")
        volumes.append(volume)
    return tuple(volumes)


def _containers(
    spec: Record, references: References, volumes: frozenset[str]
) -> tuple[list[Container], list[Container]]:
    taken: set[str] = set()
    bound: dict[tuple[str, int], set[str]] = {}
    found: dict[str, list[Container]] = {"initContainers": [], "containers": []}
    for field, containers in found.items():
        for index, place in enumerate(spec.items(field)):
            if index == _MAX_CONTAINERS:
                place.wrong(f"a pod can have at most {_MAX_CONTAINERS} {field}")
                break
            container = read_container(place, references, volumes, init=field == "initContainers")
            if container is None:
                continue
            _check_unique(place, container.name, taken, "container")
            _check_host_ports(place, container.ports, bound)
            _check_environment(place, container, references)
            containers.append(container)
    given = spec.get("containers")
    if given is None or given.node.value == ():
        spec.wrong("containers", "a pod needs at least one container")
    return found["initContainers"], found["containers"]


def _check_os(spec: Record, containers: list[Container]) -> None:
    record = spec.record("os", OS)
    if record and record.text("name", required=True) not in ("", "linux"):
        record.wrong("name", "must be linux: only Linux pods run")
    # Names of signals mean something for an operating system; the API wants it named.
    if record is None and any(container.lifecycle.stop_signal for container in containers):
        spec.wrong("os", "must be given where a container has a stopSignal; write `os: {name: linux}`")


def _check_unique(place: Place, name: str, taken: set[str], what: str) -> None:
    if name and name in taken:
        place.child("name").wrong(f"another {what} has the name {name!r} already")
    taken.add(name)


def _check_host_ports(place: Place, ports: tuple[Port, ...], bound: dict[tuple[str, int], set[str]]) -> None:
    for index, port in enumerate(ports):
        if port.host_port is None:
            continue
        addresses = bound.setdefault((port.protocol, port.host_port), set())
        # Every address takes in each single one: the second bind would fail.
        every = addresses & _ANY_ADDRESS or (addresses and port.host_ip in _ANY_ADDRESS)
        if every or port.host_ip in addresses:
            where = place.child("ports").child(index).child("hostPort")
            where.wrong(f"{port.protocol} port {port.host_port} is published twice")
        addresses.add(port.host_ip)


def _check_environment(place: Place, container: Container, references: References) -> None:
    """Make the variables once: they may grow too long, and some keys may make none."""
    try:
        variables = resolve(container, references)
    except TooLongError as error:
        place.child("env").wrong(str(error))
        return
    try:
        expand_words([*container.command, *container.args], variables)
    except TooLongError as error:
        place.child("args" if container.args else "command").wrong(str(error))
    for index, source in enumerate(container.env_from):
        left_out = list(skipped(source, references))
        if left_out:
            more = f" (and {len(left_out) - 1} more)" if left_out[1:] else ""
            place.context.notes.append(f"{place.path}.envFrom[{index}]: {left_out[0]}; it is left out{more}")


def _check_dns_policy(spec: Record) -> None:
    allowed = ("Default", "ClusterFirst", "ClusterFirstWithHostNet")
    place = spec.get("dnsPolicy")
    if place and spec.choice("dnsPolicy", allowed, "Default") != "Default":
        place.note(_NO_CLUSTER_DNS)
