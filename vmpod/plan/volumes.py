"""Volumes: which become directories in the guest, files in its memory, or shares of the host."""

from __future__ import annotations

import base64
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING

from vmpod.errors import Problem
from vmpod.plan.host import Host
from vmpod.plan.model import MAX_SHARES, Share, share_tag
from vmpod.spec.model import (
    ConfigMapVolume,
    EmptyDir,
    HostPath,
    KeyToPath,
    Manifest,
    Pod,
    SecretVolume,
    Volume,
)

if TYPE_CHECKING:
    from vmpod.wire.boot import BootVolume, VolumeFile


def boot_volumes(pod: Pod, manifest: Manifest, secrets: MutableMapping[str, str]) -> list[BootVolume]:
    """Every volume as the agent sees it; the values of Secrets are added to `secrets`."""
    places = {volume.name: share_tag(place) for place, volume in enumerate(_shared(pod))}
    return [
        _boot_volume(volume, pod, places.get(volume.name, ""), manifest, secrets) for volume in pod.volumes
    ]


def shares(pod: Pod, host: Host) -> tuple[Share, ...]:
    """The directories of the host that the machine gets. Read-only if no container may write."""
    return tuple(
        Share(share_tag(place), Path(volume.source.path), _read_only(volume, pod), keep_owners=host.root)
        for place, volume in enumerate(_shared(pod))
        if isinstance(volume.source, HostPath)
    )


def _shared(pod: Pod) -> list[Volume]:
    return [volume for volume in pod.volumes if isinstance(volume.source, HostPath)]


def host_path_problems(pod: Pod, source: str, kinds: Mapping[str, str]) -> list[Problem]:
    """What is wrong with the hostPaths, told before anything is started."""
    found = []
    for index, volume in enumerate(pod.volumes):
        if isinstance(volume.source, HostPath) and (fault := _fault(volume.source, kinds)):
            found.append(Problem(source, 0, f"spec.volumes[{index}].hostPath", fault))
    if len(shared := _host_paths(pod)) > MAX_SHARES:
        fault = f"a machine takes at most {MAX_SHARES} hostPath volumes"
        found.append(Problem(source, 0, f"spec.volumes[{shared[MAX_SHARES]}].hostPath", fault))
    return found


def _host_paths(pod: Pod) -> list[int]:
    return [index for index, volume in enumerate(pod.volumes) if isinstance(volume.source, HostPath)]


def _fault(source: HostPath, kinds: Mapping[str, str]) -> str | None:
    kind = kinds.get(source.path, "missing")
    if kind == "directory" or (kind == "missing" and source.type == "DirectoryOrCreate"):
        return None
    if kind == "missing":
        return f"{source.path} does not exist; type DirectoryOrCreate makes it"
    return f"{source.path} is a {kind}, not a directory; only directories can be shared with a machine"


def _read_only(volume: Volume, pod: Pod) -> bool:
    mounts = [
        mount
        for container in (*pod.init_containers, *pod.containers)
        for mount in container.volume_mounts
        if mount.name == volume.name
    ]
    return all(mount.read_only for mount in mounts)


def _boot_volume(
    volume: Volume, pod: Pod, tag: str, manifest: Manifest, secrets: MutableMapping[str, str]
) -> BootVolume:
    source = volume.source
    group = -1 if pod.security.fs_group is None else pod.security.fs_group
    found: BootVolume = {
        "name": volume.name,
        "kind": "files",
        "size": 0,
        "group": group,
        "tag": "",
        "files": [],
    }
    if isinstance(source, EmptyDir):
        found |= {"kind": "memory" if source.medium == "Memory" else "disk", "size": source.size_limit or 0}
    elif isinstance(source, HostPath):
        found |= {"kind": "share", "tag": tag}
    elif isinstance(source, ConfigMapVolume):
        data = manifest.config_maps[source.name].data if source.name in manifest.config_maps else {}
        found["files"] = _files(source, data)
    else:
        data = manifest.secrets[source.name].data if source.name in manifest.secrets else {}
        found["files"] = _secret_files(volume.name, _files(source, data), secrets)
    return found


def _files(source: ConfigMapVolume | SecretVolume, data: Mapping[str, bytes]) -> list[VolumeFile]:
    items = source.items or tuple(KeyToPath(key, key) for key in sorted(data))
    return [
        {
            "path": item.path,
            "mode": source.default_mode if item.mode is None else item.mode,
            "base64": base64.b64encode(data[item.key]).decode(),
        }
        for item in items
        if item.key in data
    ]


def _secret_files(
    volume: str, files: list[VolumeFile], secrets: MutableMapping[str, str]
) -> list[VolumeFile]:
    for file in files:
        name = f"file/{volume}/{file['path']}"
        assert isinstance(file["base64"], str)
        secrets[name] = file["base64"]
        file["base64"] = {"secret": name}
    return files
