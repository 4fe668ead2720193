"""What a pod was made from, kept so that it can be made again. Secrets are not kept: see record.py."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from vmpod.errors import ManifestError, UsageError
from vmpod.spec.containermodel import EnvFrom, EnvVar, KeyRef
from vmpod.spec.load import load
from vmpod.spec.model import ConfigMap, Manifest, Pod, Secret
from vmpod.spec.names import default_hostname
from vmpod.spec.volumemodel import ConfigMapVolume, ProjectedVolume, SecretVolume
from vmpod.state.record import Record

Json = dict[str, Any]


def renamed(pod: Pod, name: str) -> Pod:
    """The pod under another name, which its host name follows unless the manifest says otherwise."""
    derived = pod.hostname == default_hostname(pod.name)
    return replace(pod, name=name, hostname=default_hostname(name) if derived else pod.hostname)


def config_maps(manifest: Manifest, namespace: str) -> tuple[Json, ...]:
    """Its ConfigMaps as documents."""
    return tuple(config_map(found, namespace) for found in manifest.config_maps.values())


def immutable_secrets(manifest: Manifest) -> tuple[str, ...]:
    """The names of its Secrets that may not change: all that is kept of them."""
    return tuple(sorted(found.name for found in manifest.secrets.values() if found.immutable))


def config_names(pod: Pod) -> set[str]:
    """The ConfigMaps that a pod uses."""
    return _names(
        pod, ConfigMapVolume, lambda every: every.config_map, lambda variable: variable.config_map_key_ref
    )


def secret_names(pod: Pod) -> set[str]:
    """The Secrets that a pod uses."""
    return _names(pod, SecretVolume, lambda every: every.secret, lambda variable: variable.secret_key_ref)


def _names(
    pod: Pod,
    kind: type[ConfigMapVolume | SecretVolume],
    of_every_key: Callable[[EnvFrom], str | None],
    of_one: Callable[[EnvVar], KeyRef | None],
) -> set[str]:
    """The names of the objects of a kind that variables and volumes come from."""
    found: set[str] = set()
    for container in pod.every_container:
        found |= {name for each in container.env_from if (name := of_every_key(each))}
        found |= {key.name for each in container.env if (key := of_one(each))}
    for volume in pod.volumes:
        sources = volume.source.sources if isinstance(volume.source, ProjectedVolume) else (volume.source,)
        found |= {each.name for each in sources if isinstance(each, kind)}
    return found


def manifest_again(record: Record, file: Path | None) -> Manifest:
    """The manifest of a pod, its Secrets read anew from their file.

    file: where they are; None for the file that the pod was run from.
    Raises UsageError if they cannot be had.
    """
    documents = [dict(record.document), *map(dict, record.config)]
    if record.secrets:
        documents += [_secret(found, record.namespace) for found in _secrets(record, file).values()]
    try:
        found = load("\n---\n".join(map(json.dumps, documents)), source=record.key)
    except ManifestError as error:
        # It was sound when it was run: what it refers to has changed.
        raise UsageError(
            f"the pod {record.called} cannot be made again:\n{error}", hint=_hint(record)
        ) from None
    return replace(found, pods=tuple(renamed(pod, record.name) for pod in found.pods))


def _secrets(record: Record, file: Path | None) -> Mapping[str, Secret]:
    path = file or (Path(record.manifest) if record.manifest else None)
    if path is None:
        raise UsageError(
            f"the pod {record.called} has Secrets and was run from standard input; they are kept nowhere",
            hint=_hint(record),
        )
    try:
        return load(path.read_text(), source=str(path)).secrets
    except (OSError, UnicodeDecodeError, ManifestError) as error:
        raise UsageError(
            f"the Secrets of the pod {record.called} cannot be read again: {error}", hint=_hint(record)
        ) from None


def _hint(record: Record) -> str:
    return f"say where its Secrets are: vmpod start {record.called} --file MANIFEST"


def config_map(found: ConfigMap, namespace: str) -> Json:
    """A ConfigMap as its document."""
    text = {key: value.decode() for key, value in found.data.items() if key not in found.binary_keys}
    binary = {key: _base64(found.data[key]) for key in sorted(found.binary_keys)}
    immutable = {"immutable": True} if found.immutable else {}
    return _object("ConfigMap", found.name, namespace) | {"data": text, "binaryData": binary} | immutable


def without_values(secret: str, namespace: str) -> Json:
    """What can be shown of a Secret that is immutable."""
    return _object("Secret", secret, namespace) | {"immutable": True}


def _secret(found: Secret, namespace: str) -> Json:
    data = {key: _base64(value) for key, value in found.data.items()}
    return _object("Secret", found.name, namespace) | {"data": data}


def _object(kind: str, name: str, namespace: str) -> Json:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": namespace}}


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()
