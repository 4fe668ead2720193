"""Writes container images: an OCI image layout inside one tar file, as `vmpod image load` reads it.

Sources: OCI Image Format Specification 1.0 (image-layout.md, manifest.md, config.md). Nothing but the
standard library, and the same input gives the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

Json = Mapping[str, Any]

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"


def oci_archive(
    path: Path, name: str, layers: Sequence[bytes], config: Json | None = None, *, created: int = 0
) -> Path:
    """Write an image for amd64 and return the path; a file of that name is replaced at once.

    layers: uncompressed tar files, the lowest first. created: seconds since the epoch.
    config: the part of the image configuration that says how to run it: Cmd, Entrypoint, Env, User, ...
    """
    descriptors = [_descriptor(_LAYER, layer) for layer in layers]
    configuration = _json(
        {
            "created": datetime.fromtimestamp(created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "architecture": "amd64",
            "os": "linux",
            "config": dict(config or {}),
            # The layers are not compressed, so the digest of what is inside is that of the blob.
            "rootfs": {"type": "layers", "diff_ids": [each["digest"] for each in descriptors]},
        }
    )
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": _descriptor(_CONFIG, configuration),
            "layers": descriptors,
        }
    )
    named = {"annotations": {"org.opencontainers.image.ref.name": name}}
    index = {"schemaVersion": 2, "manifests": [_descriptor(_MANIFEST, manifest) | named]}
    blobs = {_blob(data): data for data in (*layers, configuration, manifest)}
    files = {"oci-layout": _json({"imageLayoutVersion": "1.0.0"}), "index.json": _json(index), **blobs}
    _write(path, files)
    return path


def _write(path: Path, files: Mapping[str, bytes]) -> None:
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with tarfile.open(new, "w", format=tarfile.PAX_FORMAT) as archive:
            # For skopeo: a directory that it has to make by itself it gives to root, which not everybody may.
            for name in ("blobs", "blobs/sha256"):
                made = tarfile.TarInfo(name)
                made.type, made.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(made)
            for name, data in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def _descriptor(media_type: str, data: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": f"sha256:{_sha256(data)}", "size": len(data)}


def _blob(data: bytes) -> str:
    return f"blobs/sha256/{_sha256(data)}"


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _json(value: Json) -> bytes:
    return json.dumps(value, sort_keys=True).encode()
