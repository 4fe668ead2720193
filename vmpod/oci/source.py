"""Images where they come from: an OCI layout, what skopeo fetched, or an archive of docker or podman.

Whatever the form, one image is a Source: its configuration and its layers, which flatten.py reads.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from vmpod.dataclass import dataclass
from vmpod.errors import ImageError
from vmpod.oci import jsonfields, manifest
from vmpod.oci.flatten import Layer
from vmpod.oci.manifest import Configuration, Descriptor, Index, Manifest
from vmpod.oci.streams import FilePart

MAX_IMAGES = 200
"""Images in one archive or layout."""


@dataclass(frozen=True)
class Source:
    """An image that can be read.

    digest: of its manifest; config_digest: what docker calls the image's id.
    names: as written beside it, which may be full names or bare tags.
    """

    digest: str
    config_digest: str
    configuration: Configuration
    layers: tuple[Layer, ...]
    names: tuple[str, ...] = ()


class Blobs(Protocol):
    """Files by their path inside a directory or an archive."""

    def open(self, path: str) -> BinaryIO:
        """Raises ImageError if there is no such file."""

    def __contains__(self, path: object) -> bool: ...


class DirectoryBlobs:
    """The files of a directory."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def open(self, path: str) -> BinaryIO:
        file = self._root / path
        try:
            return cast("BinaryIO", FilePart(file, 0, file.stat().st_size))
        except OSError as error:
            raise ImageError(
                f"{file}: cannot be read: {error.strerror}", hint="the image is incomplete"
            ) from None

    def __contains__(self, path: object) -> bool:
        return (self._root / str(path)).is_file()


Locate = Callable[[str], str]
"""From a digest to a blob's path."""


def layout_path(digest: str) -> str:
    """Where an OCI layout keeps a blob (image-layout.md)."""
    return "blobs/" + digest.replace(":", "/")


def flat_path(digest: str) -> str:
    """Where skopeo's `dir:` form keeps a blob."""
    return digest.partition(":")[2]


def read(blobs: Blobs, path: str, where: str) -> bytes:
    """A small file. Raises ImageError if it is missing or too big."""
    with blobs.open(path) as file:
        pieces, size = [], 0
        while piece := file.read(1 << 16):
            pieces.append(piece)
            size += len(piece)
            if size > jsonfields.MAX_DOCUMENT:
                raise ImageError(f"{where}: {path} is too large")
    return b"".join(pieces)


def checked(blobs: Blobs, locate: Locate, digest: str, where: str) -> bytes:
    """A small blob whose digest is checked."""
    raw = read(blobs, locate(digest), where)
    if manifest.digest_of(raw) != digest:
        raise ImageError(
            f"{where}: the blob {digest} has another content", hint="get or build the image again"
        )
    return raw


def from_manifest(blobs: Blobs, locate: Locate, found: Manifest, where: str, name: str = "") -> Source:
    """The image that a manifest describes. Raises ImageError if its parts do not fit together."""
    raw = checked(blobs, locate, found.config.digest, where)
    configuration = manifest.parse_configuration(raw, f"{where}: configuration")
    if len(configuration.diff_ids) != len(found.layers):
        raise ImageError(
            f"{where}: {len(found.layers)} layers, but {len(configuration.diff_ids)} in the configuration",
            hint="the image is damaged or not an image",
        )
    layers = tuple(
        Layer(blob.digest, diff_id, opener(blobs, locate(blob.digest)), f"{where}: layer {blob.digest[:19]}")
        for blob, diff_id in zip(found.layers, configuration.diff_ids, strict=True)
    )
    return Source(found.digest, found.config.digest, configuration, layers, (name,) if name else ())


def opener(blobs: Blobs, path: str) -> Callable[[], BinaryIO]:
    """A blob, to be opened when it is needed."""
    return lambda: blobs.open(path)


def from_layout(blobs: Blobs, where: str) -> list[Source]:
    """Every image of an OCI layout for our platform, in the order of its index.

    Entries of one name (or none) that state platforms are one image for several; others are images
    of their own. Raises ImageError if there is none for our platform.
    """
    index = manifest.parse_manifest(read(blobs, "index.json", where), f"{where}: index.json")
    if isinstance(index, Manifest):
        raise ImageError(f"{where}: index.json is not an index", hint="the image is damaged or not an image")
    if not index.manifests:
        raise ImageError(f"{where}: holds no image")
    if len(index.manifests) > MAX_IMAGES:
        raise ImageError(f"{where}: holds more than {MAX_IMAGES} images")
    return [_from_descriptor(blobs, item, where) for item in _one_per_image(index.manifests, where)]


def _one_per_image(descriptors: tuple[Descriptor, ...], where: str) -> list[Descriptor]:
    by_name: dict[str, list[Descriptor]] = {}
    for item in descriptors:
        by_name.setdefault(item.name, []).append(item)
    chosen = []
    for group in by_name.values():
        if all(item.platform for item in group):
            chosen.append(manifest.choose(group, where))
        else:
            chosen += group
    return chosen


def _from_descriptor(blobs: Blobs, descriptor: Descriptor, where: str) -> Source:
    # An index may hold an index: one level for the platforms; a second is one too many to be honest.
    for _ in range(3):
        found = manifest.parse_manifest(checked(blobs, layout_path, descriptor.digest, where), where)
        if isinstance(found, Manifest):
            return from_manifest(blobs, layout_path, found, where, descriptor.name)
        name, descriptor = descriptor.name, manifest.choose(found.manifests, where)
        descriptor = Descriptor(descriptor.digest, descriptor.size, name=name or descriptor.name)
    raise ImageError(f"{where}: indexes inside indexes inside indexes")


def from_fetched(directory: Path, digest: str, where: str) -> Source:
    """The image that skopeo fetched in its `dir:` form, which must be the one of that digest."""
    blobs = DirectoryBlobs(directory)
    found = manifest.parse_manifest(read(blobs, "manifest.json", where), f"{where}: manifest")
    if isinstance(found, Index) or found.digest != digest:
        raise ImageError(f"{where}: the registry answered with another manifest than {digest}")
    return from_manifest(blobs, flat_path, found, where)
