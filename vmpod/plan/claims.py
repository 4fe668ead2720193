"""Claims: the disks that a pod's machine gets beside its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmpod.errors import Problem
from vmpod.plan.host import Request
from vmpod.plan.model import Plug
from vmpod.spec.model import Pod
from vmpod.spec.volumemodel import ClaimVolume
from vmpod.spec.words import nearest, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmpod.wire.boot import BootDisk

MOST = 64
"""So many claims a pod may have."""


def claim_names(pod: Pod) -> list[str]:
    """The claims that a pod's volumes name, in sorted order: a claim's place is its place on the bus."""
    return sorted({volume.source.claim for volume in pod.volumes if isinstance(volume.source, ClaimVolume)})


def problems(pod: Pod, request: Request, source: str) -> list[Problem]:
    """Claims that are neither there nor described."""
    found = []
    for index, volume in enumerate(pod.volumes):
        if isinstance(volume.source, ClaimVolume) and volume.source.claim not in request.claims:
            name = volume.source.claim
            fault = f"there is no claim {shown(name)}, neither in this file nor on this host"
            path = f"spec.volumes[{index}].persistentVolumeClaim.claimName"
            found.append(Problem(source, 0, path, fault + nearest(name, request.claims)))
    found += _modes(pod, request, source)
    if len(claim_names(pod)) > MOST:
        found.append(Problem(source, 0, "spec.volumes", f"a machine takes at most {MOST} claims"))
    return found


def _modes(pod: Pod, request: Request, source: str) -> Iterator[Problem]:
    """Disks that are to be mounted, and file systems that are to be devices."""
    block = {
        volume.name: storage.block
        for volume in pod.volumes
        if isinstance(volume.source, ClaimVolume) and (storage := request.claims.get(volume.source.claim))
    }
    for path, container in pod.placed():
        for index, mount in enumerate(container.volume_mounts):
            if block.get(mount.name):
                told = f"the claim of {mount.name} is a device (volumeMode Block): use volumeDevices"
                yield Problem(source, 0, f"{path}.volumeMounts[{index}].name", told)
        for index, device in enumerate(container.volume_devices):
            if block.get(device.name) is False:
                told = f"the claim of {device.name} is a file system: use volumeMounts, or volumeMode: Block"
                yield Problem(source, 0, f"{path}.volumeDevices[{index}].name", told)


def plugs(pod: Pod, request: Request) -> tuple[Plug, ...]:
    """Their disks. One to which no volume writes is attached so that nobody can."""
    written = written_claims(pod, request)
    return tuple(
        Plug(storage.disk, storage.serial, target, name not in written, f"the claim {name}")
        for target, name in enumerate(claim_names(pod))
        if (storage := request.claims.get(name))
    )


def boot_disks(pod: Pod, request: Request) -> list[BootDisk]:
    """The same as the agent sees them."""
    block = {storage.serial for storage in request.claims.values() if storage.block}
    return [
        {
            "target": plug.target,
            "serial": plug.serial,
            "read_only": plug.read_only,
            "block": plug.serial in block,
        }
        for plug in plugs(pod, request)
    ]


def written_claims(pod: Pod, request: Request) -> set[str]:
    """The claims that some volume of the pod may write to."""
    read_only = read_only_volumes(pod, request)
    return {
        volume.source.claim
        for volume in pod.volumes
        if isinstance(volume.source, ClaimVolume) and volume.name not in read_only
    }


def read_only_volumes(pod: Pod, request: Request) -> set[str]:
    """The volumes of claims that cannot be written to, whatever a container's mount says."""
    return {
        volume.name
        for volume in pod.volumes
        if isinstance(volume.source, ClaimVolume)
        and (volume.source.read_only or _never_written(volume.source.claim, request))
    }


def _never_written(claim: str, request: Request) -> bool:
    storage = request.claims.get(claim)
    return storage is not None and storage.read_only
