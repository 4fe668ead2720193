"""Writing images into one archive, as `load`, podman and skopeo read it.

The store keeps an image as one disk and not its layers, so each image gets one layer with everything in it,
read out of the disk by `sqfs2tar` (squashfs-tools-ng), without root. It is not compressed: its digest then
depends on no compressor, and the same disk gives the same bytes everywhere. The blobs' names and sizes stand
before their content, so every disk is read twice; nothing is kept in between.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Literal, cast

from vmpod import run
from vmpod.dataclass import dataclass
from vmpod.errors import ImageError
from vmpod.oci import manifest
from vmpod.oci.model import Image
from vmpod.progress import Phase, Progress
from vmpod.tar import write as tarwrite
from vmpod.tar.read import Entry, Kind, TarReader

Format = Literal["oci-archive", "docker-archive"]
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"
_REPORT_EVERY = 8 << 20


@dataclass(frozen=True)
class _Layer:
    """A disk as a layer will be: digest 'sha256:...', size in bytes."""

    disk: Path
    digest: str
    size: int


@dataclass(frozen=True)
class _Made:
    """An image that is to be written under the names, with its configuration as JSON."""

    names: Sequence[str]
    config: bytes
    layer: _Layer


def save(
    images: Sequence[tuple[Image, Sequence[str]]], sink: BinaryIO, form: Format, progress: Progress
) -> None:
    """Write images, each under its names, into a stream that need not be a file.

    Raises ImageError if a disk is damaged, HostError if `sqfs2tar` is missing or fails.
    """
    layers: dict[Path, _Layer] = {}
    made = []
    for image, names in images:
        if image.disk not in layers:
            with progress.phase(f"Reading {next(iter(names), image.digest)}") as phase:
                layers[image.disk] = _measured(image.disk, phase)
        layer = layers[image.disk]
        made.append(_Made(names, _configuration(image, layer.digest), layer))
    files = _oci_files(made) if form == "oci-archive" else _docker_files(made)
    with progress.phase("Writing the archive") as phase:
        sink.write(_directories(files))
        for name, content in files.items():
            if isinstance(content, bytes):
                sink.write(_member(name, len(content)) + content + tarwrite.padding(len(content)))
            else:
                sink.write(_member(name, content.size))
                _copy(content, sink, phase)
                sink.write(tarwrite.padding(content.size))
        sink.write(tarwrite.END)


def _directories(names: Iterable[str]) -> bytes:
    """The directories of files.

    For skopeo: those that it has to make by itself it gives to root, which an ordinary user may not.
    """
    _top, *found = sorted({parent for name in names for parent in PurePosixPath(name).parents})
    entries = (Entry(f"{path}/".encode(), Kind.DIRECTORY, mode=0o755) for path in found)
    return b"".join(map(tarwrite.header, entries))


def _member(name: str, size: int) -> bytes:
    return tarwrite.header(Entry(name.encode(), Kind.FILE, size=size))


def _oci_files(images: Sequence[_Made]) -> dict[str, bytes | _Layer]:
    """An OCI image layout (image-layout.md), by path."""
    files: dict[str, bytes | _Layer] = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}'}
    listed: list[dict[str, Any]] = []
    for image in images:
        layer = {"mediaType": _LAYER, "digest": image.layer.digest, "size": image.layer.size}
        found = {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": _descriptor(_CONFIG, image.config),
            "layers": [layer],
        }
        raw = _json(found)
        files |= {_blob(image.config): image.config, _blob(raw): raw}
        files[f"blobs/{image.layer.digest.replace(':', '/')}"] = image.layer
        descriptor = _descriptor(_MANIFEST, raw)
        listed += [
            descriptor | {"annotations": {"org.opencontainers.image.ref.name": name}} for name in image.names
        ] or [descriptor]
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": listed}
    return files | {"index.json": _json(index)}


def _docker_files(images: Sequence[_Made]) -> dict[str, bytes | _Layer]:
    """What `docker save` writes, by path."""
    files: dict[str, bytes | _Layer] = {}
    listed = []
    for image in images:
        config = manifest.digest_of(image.config).partition(":")[2] + ".json"
        layer = image.layer.digest.partition(":")[2] + ".tar"
        files |= {config: image.config, layer: image.layer}
        listed.append({"Config": config, "RepoTags": list(image.names), "Layers": [layer]})
    return files | {"manifest.json": _json(listed)}


def _configuration(image: Image, layer: str) -> bytes:
    value = {
        "architecture": image.architecture,
        "os": manifest.OS,
        "config": image.config.to_json(),
        "rootfs": {"type": "layers", "diff_ids": [layer]},
    }
    return _json(value | ({"created": image.created} if image.created else {}))


def _descriptor(media_type: str, data: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": manifest.digest_of(data), "size": len(data)}


def _blob(data: bytes) -> str:
    return "blobs/" + manifest.digest_of(data).replace(":", "/")


def _json(value: Mapping[str, Any] | Sequence[Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _measured(disk: Path, phase: Phase) -> _Layer:
    digest = hashlib.sha256()
    size = told = 0
    for piece in _layer(disk):
        digest.update(piece)
        size += len(piece)
        if size - told >= _REPORT_EVERY:
            told = size
            phase.update(f"{size >> 20} MiB")
    return _Layer(disk, f"sha256:{digest.hexdigest()}", size)


def _copy(layer: _Layer, sink: BinaryIO, phase: Phase) -> None:
    digest = hashlib.sha256()
    size = told = 0
    for piece in _layer(layer.disk):
        digest.update(piece)
        size += len(piece)
        sink.write(piece)
        if size - told >= _REPORT_EVERY:
            told = size
            phase.update(f"{size >> 20} of {layer.size >> 20} MiB")
    if f"sha256:{digest.hexdigest()}" != layer.digest:
        raise ImageError(f"{layer.disk}: changed while it was read")


def _layer(disk: Path) -> Iterator[bytes]:
    """A disk's tar stream, written by us: so it does not change with the program that reads the disk."""
    argv = ["sqfs2tar", "--root-becomes", ".", "--no-skip", str(disk)]
    with (
        run.messages() as said,
        run.popen(argv, stdout=subprocess.PIPE, stderr=said.fileno()) as process,
    ):
        assert process.stdout is not None
        try:
            yield from _rewritten(TarReader(cast("BinaryIO", process.stdout), str(disk)))
            for _ in iter(lambda: process.stdout.read(1 << 18), b""):  # type: ignore[union-attr]
                pass  # a second block of zeros
        except ImageError:
            # It ended early; what it said tells more.
            if process.wait() == 0:
                raise
        except BaseException:
            process.kill()
            raise
        if process.wait() != 0:
            said.seek(0)
            raise _damaged(disk, said.read(2000))


def _rewritten(reader: TarReader) -> Iterator[bytes]:
    for entry in reader:
        name = entry.name.removeprefix(b"./").rstrip(b"/") or b"./"
        link = entry.link.removeprefix(b"./") if entry.kind is Kind.HARD_LINK else entry.link
        yield tarwrite.header(replace(entry, name=name, link=link))
        yield from reader.content()
        yield tarwrite.padding(entry.size)
    yield tarwrite.END


def _damaged(disk: Path, said: bytes) -> ImageError:
    words = said.decode(errors="replace").strip().splitlines()
    why = words[-1] if words else "sqfs2tar gave no reason"
    return ImageError(
        f"{disk} cannot be read: {why}", hint="get the image again: vmpod image pull NAME, or load FILE"
    )
