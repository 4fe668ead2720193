"""One Pod document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict

from vmpod.spec.containermodel import Container, Port, Resources, RestartPolicy
from vmpod.spec.containers import read_container
from vmpod.spec.environment import TooLongError, expand_words, resolve, skipped, sub_path_fault
from vmpod.spec.facts import VARIABLES, Facts
from vmpod.spec.metadata import Metadata
from vmpod.spec.model import Claim, Pod, PodSecurity
from vmpod.spec.naming import read_dns, read_host_aliases, read_naming
from vmpod.spec.podfields import OS, POD_SPEC
from vmpod.spec.probemodel import Lifecycle, SleepAction
from vmpod.spec.reader import Context, Place, Record
from vmpod.spec.references import References
from vmpod.spec.resources import HUGE_PAGES, check_limits, check_requests, read_pod_resources
from vmpod.spec.security import MAX_ID, read_pod_security
from vmpod.spec.volumemodel import ClaimVolume, EmptyDir, Volume
from vmpod.spec.volumes import read_volume
from vmpod.spec.words import nearest, shown

_DEFAULT_GRACE = 30
# Far more than a machine has room for; it bounds the work that a hostile manifest can ask for.
_MAX_CONTAINERS = 100
# Labels that every node has.
_OS_LABELS = ("kubernetes.io/os", "beta.kubernetes.io/os")
_ANY_ADDRESS = frozenset(("", "0.0.0.0", "::"))  # noqa: S104 - compared with, not bound


def read_pod(
    document: Record, metadata: Metadata, references: References, claims: Sequence[Claim] = ()
) -> Pod | None:
    """A pod; None if it has no spec. Its notes are left for the caller to add.

    claims: what is made for it beside, each a volume of that name, which goes before its own of the same.
    """
    place = document.require("spec")
    spec = place.record(POD_SPEC) if place else None
    if spec is None:
        return None
    security = read_pod_security(spec)
    resources = read_pod_resources(spec)
    host_network = spec.boolean("hostNetwork")
    volumes = _volumes(spec, references, claims)
    grace = spec.integer("terminationGracePeriodSeconds", 0, MAX_ID)
    grace = _DEFAULT_GRACE if grace is None else grace
    policies = tuple(each.value for each in RestartPolicy)
    policy = RestartPolicy(spec.choice("restartPolicy", policies, RestartPolicy.ALWAYS.value))
    init_containers, containers = _containers(
        spec,
        references,
        frozenset(volume.name for volume in volumes),
        security,
        _likely(metadata),
        resources=resources,
        host_network=host_network,
        grace=grace,
        policy=policy,
    )
    _check_together(spec, resources, volumes, init_containers, containers)
    return Pod(
        name=metadata.name,
        namespace=metadata.namespace,
        labels=metadata.labels,
        annotations=metadata.annotations,
        init_containers=tuple(init_containers),
        containers=tuple(containers),
        volumes=volumes,
        restart_policy=policy,
        termination_grace_period_seconds=grace,
        active_deadline_seconds=spec.integer("activeDeadlineSeconds", 1, MAX_ID),
        **asdict(read_naming(spec, metadata)),
        host_aliases=read_host_aliases(spec),
        dns=read_dns(spec),
        share_process_namespace=_shares_processes(spec),
        host_pid=spec.boolean("hostPID"),
        host_network=host_network,
        security=security,
        resources=resources,
        machine=metadata.machine,
        claims=tuple(claims),
        document=document.place.node.plain(),
    )


def _volumes(spec: Record, references: References, claims: Sequence[Claim]) -> tuple[Volume, ...]:
    """The pod's own volumes, and those of what is claimed for it."""
    claimed = {claim.name for claim in claims}
    volumes: list[Volume] = []
    taken: set[str] = set()
    for place in spec.items("volumes"):
        volume = read_volume(place, references)
        if volume is None:
            continue
        _check_unique(place, volume.name, taken, "volume")
        volumes.append(volume)
    own = (volume for volume in volumes if volume.name not in claimed)
    return (*own, *(Volume(claim.name, ClaimVolume(claim.name)) for claim in claims))


def _containers(
    spec: Record,
    references: References,
    volumes: frozenset[str],
    security: PodSecurity,
    facts: Facts,
    *,
    resources: Resources,
    host_network: bool,
    grace: int,
    policy: RestartPolicy,
) -> tuple[list[Container], list[Container]]:
    taken: set[str] = set()
    bound: dict[tuple[str, int], set[str]] = {}
    found: dict[str, list[Container]] = {"initContainers": [], "containers": []}
    for field, containers in found.items():
        for index, place in enumerate(spec.items(field)):
            if index == _MAX_CONTAINERS:
                place.wrong(f"a pod can have at most {_MAX_CONTAINERS} {field}")
                break
            container = read_container(
                place,
                references,
                volumes,
                security,
                init=field == "initContainers",
                host_network=host_network,
            )
            if container is None:
                continue
            _check_unique(place, container.name, taken, "container")
            _check_host_ports(place, container.ports, bound)
            _check_environment(place, container, references, facts)
            _check_volume_names(place, container, volumes)
            check_limits(place, container.resources, resources)
            _check_sleeps(place, container.lifecycle, grace)
            _check_resize(place, container, policy)
            containers.append(container)
    given = spec.get("containers")
    if given is None or given.node.value == ():
        spec.wrong("containers", "a pod needs at least one container")
    return found["initContainers"], found["containers"]


def _check_together(
    spec: Record,
    resources: Resources,
    volumes: tuple[Volume, ...],
    init_containers: list[Container],
    containers: list[Container],
) -> None:
    """Report what is sound by itself, but not beside what else the pod has."""
    every = [*init_containers, *containers]
    _check_containers_named(spec.place.context, every)
    check_requests(spec, resources, init_containers=init_containers, containers=containers)
    _check_os(spec, every)
    _check_devices(spec, volumes)
    if not resources.huge_pages:
        _check_huge_pages(spec, volumes, every)


def _shares_processes(spec: Record) -> bool:
    found = spec.boolean("shareProcessNamespace")
    if found and spec.boolean("hostPID"):
        spec.wrong("shareProcessNamespace", "must not be true together with hostPID")
    spec.boolean("hostIPC")
    _check_users(spec)
    return found


def _check_users(spec: Record) -> None:
    """What shares the host's namespaces cannot have users of its own there: the API server's rule."""
    if spec.place.child("hostUsers").node.value is False:
        for field in ("hostNetwork", "hostPID", "hostIPC"):
            if spec.place.child(field).node.value is True:
                spec.wrong(field, "must not be true where hostUsers is false")


def _likely(metadata: Metadata) -> Facts:
    """Facts as they may be, for checks: what is not known yet has the length that it will have."""
    fields = {
        "metadata.name": metadata.name,
        "metadata.namespace": metadata.namespace,
        "metadata.uid": "0" * 36,
    }
    fields |= dict.fromkeys(VARIABLES, "x")
    return Facts(fields, metadata.labels, metadata.annotations)


def _check_sleeps(place: Place, lifecycle: Lifecycle, grace: int) -> None:
    """A hook must not sleep for longer than the pod has time to end."""
    for field, hook in (("postStart", lifecycle.post_start), ("preStop", lifecycle.pre_stop)):
        if isinstance(hook, SleepAction) and hook.seconds > grace:
            seconds = place.child("lifecycle").child(field).child("sleep").child("seconds")
            seconds.wrong(f"must be at most {grace}, the pod's terminationGracePeriodSeconds")


def _check_resize(place: Place, container: Container, policy: RestartPolicy) -> None:
    """What is never started again cannot be for the sake of its resources, either."""
    if container.resize_restarts and policy is RestartPolicy.NEVER and container.restart_policy is None:
        place.child("resizePolicy").wrong("RestartContainer is not for a pod whose restartPolicy is Never")


def _check_containers_named(context: Context, containers: Iterable[Container]) -> None:
    """Report amounts of containers that there are not: a kubelet would not start what asks for them."""
    known = {container.name for container in containers}
    for place in context.containers_named:
        if place.node.value not in known:
            name = str(place.node.value)
            place.wrong(f"the pod has no container {shown(name)}{nearest(name, known)}")
    context.containers_named.clear()


def _check_volume_names(place: Place, container: Container, volumes: frozenset[str]) -> None:
    for index, entry in enumerate(container.env):
        if entry.file_key_ref and entry.file_key_ref.volume_name not in volumes:
            source = place.child("env").child(index).child("valueFrom").child("fileKeyRef")
            source.child("volumeName").wrong(f"the pod has no volume {entry.file_key_ref.volume_name!r}")


def _check_huge_pages(spec: Record, volumes: tuple[Volume, ...], containers: list[Container]) -> None:
    if any(container.resources.huge_pages for container in containers):
        return
    for index, volume in enumerate(volumes):
        if isinstance(volume.source, EmptyDir) and volume.source.medium == "HugePages":
            place = spec.place.child("volumes").child(index).child("emptyDir").child("medium")
            place.wrong(f"no container asks for huge pages: one has to have a limit of {HUGE_PAGES}")


def _check_devices(spec: Record, volumes: tuple[Volume, ...]) -> None:
    """Refuse devices that are no claims."""
    claims = {volume.name for volume in volumes if isinstance(volume.source, ClaimVolume)}
    others = {volume.name for volume in volumes} - claims
    for field in ("initContainers", "containers"):
        for place in spec.items(field):
            given = place.child("volumeDevices")
            for each in given.items() if given.node is not place.node else ():
                name = each.child("name")
                if name.node.value in others:
                    name.wrong("is no claim: only a persistentVolumeClaim can be a device")


def _check_os(spec: Record, containers: list[Container]) -> None:
    _check_selector(spec.place)
    record = spec.record("os", OS)
    if record and record.text("name", required=True) not in ("", "linux"):
        record.wrong("name", "must be linux: only Linux pods run")
    # Names of signals mean something for an operating system; the API wants it named.
    if record is None and any(container.lifecycle.stop_signal for container in containers):
        spec.wrong("os", "must be given where a container has a stopSignal; write `os: {name: linux}`")


def _check_selector(spec: Place) -> None:
    """Refuse a pod that only a node of another operating system could run."""
    selector = spec.child("nodeSelector")
    if selector.node is spec.node or not isinstance(selector.node.value, Mapping):
        return
    for key, place in selector.entries():
        if key in _OS_LABELS and place.node.value not in ("linux", None):
            place.wrong("must be linux: only Linux pods run")


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


def _check_environment(place: Place, container: Container, references: References, facts: Facts) -> None:
    """Make the variables once: they may grow too long, and some keys may make none."""
    try:
        variables = resolve(container, references, facts)
    except TooLongError as error:
        place.child("env").wrong(str(error))
        return
    try:
        expand_words([*container.command, *container.args], variables)
    except TooLongError as error:
        place.child("args" if container.args else "command").wrong(str(error))
    for index, mount in enumerate(container.volume_mounts):
        if fault := sub_path_fault(mount.sub_path_expr, variables):
            place.child("volumeMounts").child(index).child("subPathExpr").wrong(fault)
    for index, source in enumerate(container.env_from):
        left_out = list(skipped(source, references))
        if left_out:
            more = f" (and {len(left_out) - 1} more)" if left_out[1:] else ""
            place.context.notes.append(f"{place.path}.envFrom[{index}]: {left_out[0]}; it is left out{more}")
