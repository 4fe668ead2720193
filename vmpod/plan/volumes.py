"""Volumes: which become directories in the guest, files in its memory, or shares of the host."""

from __future__ import annotations

import base64
from collections.abc import Callable, Collection, Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict

from vmpod.errors import Problem
from vmpod.plan.claims import claim_names
from vmpod.plan.host import Host, PathKind
from vmpod.plan.model import FILES, MAX_SHARES, Share, share_tag
from vmpod.spec.facts import Facts
from vmpod.spec.model import Manifest, Pod
from vmpod.spec.volumemodel import (
    ClaimVolume,
    ConfigMapVolume,
    DownwardItem,
    DownwardVolume,
    EmptyDir,
    HostPath,
    ImageVolume,
    KeyToPath,
    ProjectedVolume,
    SecretVolume,
    Volume,
)
from vmpod.spec.volumes import NOT_SHARED

if TYPE_CHECKING:
    from vmpod.wire.boot import BootVolume, VolumeFile

    class _Owned(TypedDict):
        mode: int
        user: int


_Owner = ConfigMapVolume | SecretVolume | DownwardVolume | ProjectedVolume
Number = Callable[[str], int]
_DEFAULT_MODE = 0o777
_MEDIA: Mapping[str, Literal["disk", "memory", "huge"]] = {
    "": "disk",
    "Memory": "memory",
    "HugePages": "huge",
}


def boot_volumes(
    pod: Pod,
    manifest: Manifest,
    secrets: MutableMapping[str, str],
    *,
    facts: Facts,
    number: Number,
    kinds: Mapping[str, PathKind],
) -> list[BootVolume]:
    """Every volume as the agent sees it; the values of Secrets are added to `secrets`.

    facts: what the pod may be told about itself; number: the index of an image, by its name; kinds: what each
    hostPath is.
    """
    places = {volume.name: share_tag(place) for place, (_, volume) in enumerate(_shared(pod))}
    maker = _Maker(pod, manifest, secrets, facts=facts, number=number, kinds=kinds)
    return [maker.volume(volume, places.get(volume.name, "")) for volume in pod.volumes]


def shares(pod: Pod, host: Host, state: Path) -> tuple[Share, ...]:
    """The directories of the host that the machine gets. Read-only if no container may write.

    state: the pod's directory, where those are that have a file each.
    """
    found = []
    for place, (_, volume) in enumerate(_shared(pod)):
        assert isinstance(volume.source, HostPath)
        path, file = Path(volume.source.path), None
        if is_file(volume.source, host.host_paths):
            path, file = state / FILES / share_tag(place), path
        share = Share(share_tag(place), path, _read_only(volume, pod), keep_owners=host.root, file=file)
        found.append(share)
    return tuple(found)


def is_file(source: HostPath, kinds: Mapping[str, PathKind]) -> bool:
    """Whether a hostPath is a single file, or will be."""
    kind = kinds.get(source.path, "missing")
    return kind == "file" or (kind == "missing" and source.type == "FileOrCreate")


def _shared(pod: Pod) -> list[tuple[int, Volume]]:
    """The volumes of the host, each with its number among all."""
    return [each for each in enumerate(pod.volumes) if isinstance(each[1].source, HostPath)]


def host_path_problems(pod: Pod, source: str, host: Host) -> list[Problem]:
    """What is wrong with the hostPaths, told before anything is started."""
    found = []
    files = set()
    shared = _shared(pod)
    for index, volume in shared:
        assert isinstance(volume.source, HostPath)
        if fault := _fault(volume.source, host):
            found.append(Problem(source, 0, f"spec.volumes[{index}].hostPath", fault))
        if is_file(volume.source, host.host_paths):
            files.add(volume.name)
    found += _paths_below(pod, source, files)
    if len(shared) > MAX_SHARES:
        fault = f"a machine takes at most {MAX_SHARES} hostPath volumes"
        found.append(Problem(source, 0, f"spec.volumes[{shared[MAX_SHARES][0]}].hostPath", fault))
    return found


def _paths_below(pod: Pod, source: str, files: Collection[str]) -> Iterator[Problem]:
    for path, container in pod.placed():
        for index, mount in enumerate(container.volume_mounts):
            field = "subPath" if mount.sub_path else "subPathExpr" if mount.sub_path_expr else ""
            if field and mount.name in files:
                place = f"{path}.volumeMounts[{index}].{field}"
                yield Problem(source, 0, place, f"the volume {mount.name} is a file: nothing is below it")


_WANTED = {"Directory": "directory", "DirectoryOrCreate": "directory", "File": "file", "FileOrCreate": "file"}


def _fault(source: HostPath, host: Host) -> str | None:
    kind, wanted = host.host_paths.get(source.path, "missing"), _WANTED.get(source.type)
    if is_file(source, host.host_paths) and wanted != "directory":
        return host.obstacles.get(source.path) or None
    if kind == "missing":
        maker = "FileOrCreate" if wanted == "file" else "DirectoryOrCreate"
        return None if source.type == maker else f"{source.path} does not exist; type {maker} makes it"
    if wanted and kind != wanted:
        return f"{source.path} is a {kind}, not a {wanted}"
    if kind == "directory":
        return None
    return f"{source.path}: {NOT_SHARED['Socket' if kind == 'socket' else 'CharDevice']}"


def _read_only(volume: Volume, pod: Pod) -> bool:
    mounts = [
        mount
        for container in pod.every_container
        for mount in container.volume_mounts
        if mount.name == volume.name
    ]
    return all(mount.read_only for mount in mounts)


class _Maker:
    """Makes the volumes of one pod; see boot_volumes()."""

    def __init__(
        self,
        pod: Pod,
        manifest: Manifest,
        secrets: MutableMapping[str, str],
        *,
        facts: Facts,
        number: Number,
        kinds: Mapping[str, PathKind],
    ) -> None:
        self._pod = pod
        self._manifest = manifest
        self._secrets = secrets
        self._facts = facts
        self._number = number
        self._kinds = kinds
        self._group = -1 if pod.security.fs_group is None else pod.security.fs_group

    def volume(self, volume: Volume, tag: str) -> BootVolume:
        """One volume. tag: of its share."""
        source = volume.source
        found: BootVolume = {
            "name": volume.name,
            "kind": "files",
            "size": 0,
            "mode": _DEFAULT_MODE,
            "group": self._group,
            "always": False,
            "tag": "",
            "image": -1,
            "claim": -1,
            "files": [],
        }
        if isinstance(source, EmptyDir):
            found |= {"kind": _MEDIA[source.medium], "size": source.size_limit or 0}
            found["mode"] = _DEFAULT_MODE if source.mode is None else source.mode
        elif isinstance(source, HostPath):
            found |= {"kind": "shared-file" if is_file(source, self._kinds) else "share", "tag": tag}
        elif isinstance(source, ImageVolume):
            found |= {"kind": "image", "image": self._number(source.reference)}
        elif isinstance(source, ClaimVolume):
            found |= {"kind": "claim", "claim": claim_names(self._pod).index(source.claim)}
            found["always"] = self._pod.security.fs_group_always
        elif isinstance(source, ProjectedVolume):
            found["files"] = [
                file
                for number, each in enumerate(source.sources)
                for file in self._files(f"{volume.name}/{number}", each, source)
            ]
        else:
            found["files"] = self._files(volume.name, source, source)
        return found

    def _files(
        self,
        name: str,
        source: ConfigMapVolume | SecretVolume | DownwardVolume,
        volume: _Owner,
    ) -> list[VolumeFile]:
        """name: unique among all of the pod's. volume: which has mode and owner for those that say none."""
        if isinstance(source, DownwardVolume):
            return [self._told(item, volume) for item in source.items]
        if isinstance(source, ConfigMapVolume):
            config_map = self._manifest.config_maps.get(source.name)
            return _files(source, config_map.data if config_map else {}, volume)
        secret = self._manifest.secrets.get(source.name)
        return _secret_files(name, _files(source, secret.data if secret else {}, volume), self._secrets)

    def _told(self, item: DownwardItem, volume: _Owner) -> VolumeFile:
        if item.resource_field_ref:
            text = self._facts.resource(item.resource_field_ref, "")
        else:
            text = self._facts.field(item.field_ref)
        content = base64.b64encode(text.encode()).decode()
        return {"path": item.path, **_owned(item, volume), "base64": content}


def _files(
    source: ConfigMapVolume | SecretVolume, data: Mapping[str, bytes], volume: _Owner
) -> list[VolumeFile]:
    items = source.items or tuple(KeyToPath(key, key) for key in sorted(data))
    return [
        {
            "path": item.path,
            **_owned(item, volume),
            "base64": base64.b64encode(data[item.key]).decode(),
        }
        for item in items
        if item.key in data
    ]


def _owned(item: KeyToPath | DownwardItem, volume: _Owner) -> _Owned:
    user = volume.default_user if item.user is None else item.user
    return {
        "mode": volume.default_mode if item.mode is None else item.mode,
        "user": 0 if user is None else user,
    }


def _secret_files(
    volume: str, files: list[VolumeFile], secrets: MutableMapping[str, str]
) -> list[VolumeFile]:
    for file in files:
        name = f"file/{volume}/{file['path']}"
        assert isinstance(file["base64"], str)
        secrets[name] = file["base64"]
        file["base64"] = {"secret": name}
    return files
