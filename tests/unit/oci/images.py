"""Images made by hand: layers out of a few words, docker-archives and OCI layouts out of layers."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


def member(name: str, content: bytes | None = None, **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    """A tar member: a directory if the name ends with '/', else a file; fields are TarInfo's own."""
    info = tarfile.TarInfo(name)
    info.mtime = 1_000_000
    info.mode = 0o755 if name.endswith("/") else 0o644
    if name.endswith("/"):
        info.type = tarfile.DIRTYPE
    info.size = len(content or b"")
    for key, value in fields.items():
        setattr(info, key, value)
    return info, content or b""


def symlink(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    """A symbolic link."""
    return member(name, type=tarfile.SYMTYPE, linkname=target, mode=0o777)


def hard_link(name: str, target: str, **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    """A hard link."""
    return member(name, type=tarfile.LNKTYPE, linkname=target, **fields)


def tar(*members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar file."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def digest(data: bytes) -> str:
    """'sha256:...'."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


@dataclass(frozen=True)
class MadeImage:
    """Uncompressed layers and what the configuration says beside them."""

    layers: Sequence[bytes]
    config: Mapping[str, Any] = field(default_factory=dict)
    architecture: str = "amd64"

    def configuration(self) -> bytes:
        """The configuration blob."""
        value = {
            "os": "linux",
            "architecture": self.architecture,
            "created": "2024-01-02T03:04:05Z",
            "config": dict(self.config),
            "rootfs": {"type": "layers", "diff_ids": [digest(layer) for layer in self.layers]},
        }
        return json.dumps(value).encode()


def docker_archive(path: Path, image: MadeImage, *names: str) -> Path:
    """Write what `docker save` writes."""
    layers = [f"{number}/layer.tar" for number in range(len(image.layers))]
    listing = [{"Config": "config.json", "RepoTags": list(names) or None, "Layers": layers}]
    members = [member(name, layer) for name, layer in zip(layers, image.layers, strict=True)]
    members += [member("config.json", image.configuration())]
    members += [member("manifest.json", json.dumps(listing).encode())]
    path.write_bytes(tar(*members))
    return path


class Layout:
    """An OCI layout directory that grows."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.manifests: list[dict[str, Any]] = []
        (root / "blobs/sha256").mkdir(parents=True)
        (root / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')

    def blob(self, data: bytes, media_type: str = "", **fields: Any) -> dict[str, Any]:
        """Keep a blob and return its descriptor."""
        name = digest(data)
        (self.root / "blobs/sha256" / name.partition(":")[2]).write_bytes(data)
        return {"mediaType": media_type, "digest": name, "size": len(data), **fields}

    def manifest(
        self, image: MadeImage, *, packed: Iterable[bytes] | None = None, **fields: Any
    ) -> dict[str, Any]:
        """Keep an image and return its descriptor. packed: its layers as stored, gzip by default."""
        blobs = packed or [gzip.compress(layer, mtime=0) for layer in image.layers]
        kind = "application/vnd.oci.image.layer.v1.tar+gzip"
        value = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.blob(image.configuration(), "application/vnd.oci.image.config.v1+json"),
            "layers": [self.blob(blob, kind) for blob in blobs],
        }
        return self.blob(json.dumps(value).encode(), MANIFEST, **fields)

    def index(self, *manifests: dict[str, Any], **fields: Any) -> dict[str, Any]:
        """Keep an index and return its descriptor."""
        value = {"schemaVersion": 2, "mediaType": INDEX, "manifests": list(manifests)}
        return self.blob(json.dumps(value).encode(), INDEX, **fields)

    def write(self, *manifests: dict[str, Any]) -> Path:
        """Write index.json and return the directory."""
        value = {"schemaVersion": 2, "manifests": list(manifests)}
        (self.root / "index.json").write_text(json.dumps(value))
        return self.root


def named(name: str) -> dict[str, Any]:
    """The fields that give a descriptor a name."""
    return {"annotations": {"org.opencontainers.image.ref.name": name}}


def platform(architecture: str, **more: str) -> dict[str, Any]:
    """The fields that give a descriptor a platform."""
    return {"platform": {"os": "linux", "architecture": architecture, **more}}
