"""The volumes of a pod, each kind with what it is made of. Names as in `model.py`."""

from __future__ import annotations

from vmpod.dataclass import dataclass
from vmpod.spec.containermodel import PullPolicy, ResourceRef


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
