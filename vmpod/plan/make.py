"""Puts the plan together. Pure: no file is read, nothing is asked of the host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmpod.errors import ManifestError
from vmpod.oci.model import Image
from vmpod.plan import claims, network, size, volumes
from vmpod.plan.containers import boot_container, command_problems, user_problems
from vmpod.plan.forward import machine_name, pod_key
from vmpod.plan.host import Host, Request
from vmpod.plan.model import CONSOLE, Disks, Identity, ImageUse, Machine, Plan, Planned
from vmpod.plan.security import profile_problems
from vmpod.spec.containermodel import Container
from vmpod.spec.facts import Facts, facts_of
from vmpod.spec.model import Pod
from vmpod.wire.boot import BOOT_VERSION

if TYPE_CHECKING:
    from vmpod.wire.boot import BootDocument, BootImage

IMAGES_GAP = 4096
"""Bytes of zeros before the first of several images."""


def images_start(images: int) -> int:
    """Where on the images disk the first of so many begins, in bytes.

    One alone is the disk. Several are partitions, which the agent makes: nothing in an image may look like a
    partition table to the kernel then, so there is a gap before the first.
    """
    return 0 if images == 1 else IMAGES_GAP


def make_plan(pod: Pod, request: Request, *, source: str = "pod") -> Planned:
    """Decide everything that running the pod takes.

    source: the manifest's name, for messages. Raises ManifestError, ConflictError.
    """
    problems = volumes.host_path_problems(pod, source, request.host)
    problems += claims.problems(pod, request, source)
    problems += command_problems(pod, request, source)
    problems += user_problems(pod, request, source)
    problems += profile_problems(pod, request, source)
    if problems:
        raise ManifestError(problems)
    secrets: dict[str, str] = {}
    identity = Identity(pod.name, pod.namespace, request.uid)
    images = _images(pod, request)
    plan = Plan(
        pod=identity,
        machine=_machine(pod, request),
        images=images,
        scratch_size=size.SCRATCH_SIZE,
        logs=request.logs,
        boot=_boot(pod, request, images, secrets),
        notes=pod.notes + _notes(pod, request),
    )
    return Planned(plan, secrets)


def _images(pod: Pod, request: Request) -> tuple[ImageUse, ...]:
    """Every image once, in sorted order of names; names that mean the same image count as one."""
    found: dict[str, ImageUse] = {}
    for name in sorted(pod.images()):
        image = request.images.get(name)
        use = ImageUse(name, image.digest, image.disk) if image else ImageUse(name, None, None)
        found.setdefault(use.digest or name, use)
    return tuple(found.values())


def _machine(pod: Pod, request: Request) -> Machine:
    guest, host, state = request.guest, request.host, request.state
    return Machine(
        name=machine_name(pod_key(pod.namespace, pod.name)),
        uuid=request.uid,
        accelerator=host.accelerator,
        memory=size.memory(pod, host.memory),
        cpus=size.cpus(pod, host.cpus),
        kernel=guest.kernel,
        initrd=guest.initrd,
        command_line=guest.command_line[host.accelerator],
        disks=Disks.below(state, root=guest.root),
        mac=network.mac_address(request.uid),
        sockets=request.sockets,
        console_log=state / CONSOLE,
        forwards=network.forwards(pod, request.publish),
        shares=volumes.shares(pod, host, state),
        plugs=claims.plugs(pod, request),
        ipv6=host.ipv6,
    )


def _boot(pod: Pod, request: Request, images: tuple[ImageUse, ...], secrets: dict[str, str]) -> BootDocument:
    index = {use.digest or use.name: number for number, use in enumerate(images)}
    facts = facts_for(pod, request.uid, request.host)

    def number(name: str) -> int:
        image = request.images.get(name)
        return index[image.digest if image else name]

    def boot(container: Container) -> dict[str, object]:
        image = number(container.image)
        return dict(boot_container(container, pod, request, facts=facts, image=image, secrets=secrets))

    return {
        "version": BOOT_VERSION,
        "boot": request.boot,
        "pod": {
            "name": pod.name,
            "namespace": pod.namespace,
            "uid": request.uid,
            "hostname": pod.hostname or pod.name,
            "fqdn": pod.fqdn,
        },
        "network": network.network(request.host, pod),
        "images": _layout([request.images.get(use.name) for use in images]),
        "disks": claims.boot_disks(pod, request),
        "volumes": volumes.boot_volumes(
            pod, request.manifest, secrets, facts=facts, number=number, kinds=request.host.host_paths
        ),
        "init_containers": [boot(container) for container in pod.init_containers],  # type: ignore[misc]
        "containers": [boot(container) for container in pod.containers],  # type: ignore[misc]
        "restart_policy": pod.restart_policy.value,
        "grace": pod.termination_grace_period_seconds,
        "deadline": pod.active_deadline_seconds or 0,
        "processes": "machine" if pod.host_pid else "shared" if pod.share_process_namespace else "own",
        "memory": pod.resources.memory_limit or 0,
        "cpu": pod.resources.cpu_limit or 0,
        "huge_pages": size.huge_pages(pod),
        "pids": pod.resources.pids_limit or 0,
        "sysctls": [list(each) for each in pod.security.sysctls],
    }


def facts_for(pod: Pod, uid: str, host: Host) -> Facts:
    """What the pod may be told about itself."""
    # On the host `get` shows 127.0.0.1 (state/kubernetes.py), which here would be the pod itself.
    addresses = [network.ADDRESS, *[network.IPV6_ADDRESS] * host.ipv6]
    fields = {
        "metadata.uid": uid,
        "spec.nodeName": host.name,
        "status.hostIP": network.GATEWAY,
        "status.hostIPs": network.GATEWAY,
        "status.podIP": addresses[0],
        "status.podIPs": ",".join(addresses),
    }
    machine = {
        "cpu": 1000 * size.cpus(pod, host.cpus),
        "memory": size.memory(pod, host.memory) - size.huge_pages(pod) - size.GUEST_MEMORY,
        "ephemeral-storage": size.SCRATCH_SIZE,
    }
    return facts_of(pod, fields, machine)


def _layout(images: list[Image | None]) -> list[BootImage]:
    """Where each image lies on the images disk: one after the other."""
    places: list[BootImage] = []
    start = images_start(len(images))
    for image in images:
        length = image.disk_size if image else 0
        places.append({"start": start, "length": length})
        start += length
    return places


def _notes(pod: Pod, request: Request) -> tuple[str, ...]:
    """What the pod may use, and the host does not have. Memory that is requested is looked for later."""
    host, found = request.host, []
    requested, asked = size.requested_cpus(pod), size.asked_cpus(pod)
    has = f"the host has {host.cpus}; its machine has {size.cpus(pod, host.cpus)}"
    if requested > host.cpus:
        found.append(f"Insufficient cpu: the pod requests {requested} CPUs, and {has}")
    elif asked > host.cpus:
        found.append(f"the pod may use {asked} CPUs, and {has}")
    wanted, memory = size.memory(pod), size.memory(pod, host.memory)
    if memory < wanted and size.asked_memory(pod) > host.memory:
        allowed, there, own = (each >> 20 for each in (size.asked_memory(pod), host.memory, memory))
        found.append(
            f"the pod may use {allowed} MiB of memory, and the host has {there} MiB with its swap; "
            f"its machine has {own} MiB"
        )
    return tuple(found)
