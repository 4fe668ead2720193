"""Images in files: docker-archive (`docker save`, `podman save`), oci-archive, OCI layout directory."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from vmpod.dataclass import dataclass
from vmpod.errors import ImageError
from vmpod.oci import jsonfields, manifest, reference, source, streams
from vmpod.oci.flatten import Layer
from vmpod.oci.jsonfields import Fields
from vmpod.oci.limits import max_size, too_large
from vmpod.oci.reference import LOCAL, Reference
from vmpod.oci.source import Blobs, DirectoryBlobs, Source
from vmpod.oci.streams import FilePart
from vmpod.tar.read import Entry, Kind, TarReader

_MAX_MEMBERS = 100_000
_SUFFIXES = re.compile(r"(?:\.(?:tar|tgz|tzst|gz|zst|oci))+$", re.IGNORECASE)


@dataclass(frozen=True)
class Named:
    """An image of an archive with the references it gets."""

    source: Source
    names: tuple[Reference, ...]


@contextmanager
def opened(path: Path, scratch: Path) -> Iterator[list[Named]]:
    """Every image of an archive or layout directory; they can be read inside the block.

    An image without a name becomes `localhost/STEM:latest`, STEM being the file's name without its
    endings; one that only has a tag, as OCI layouts give them, `localhost/STEM:TAG`.
    scratch: a directory where a compressed archive is unpacked.
    Raises ImageError if there is no image for our platform, or the file is something else.
    """
    where = str(path)
    if path.is_dir():
        found = _in_directory(path, where)
    elif path.is_file():
        found = _in_archive(TarBlobs(_unpacked(path, scratch), where), where)
    else:
        raise ImageError(f"{where}: there is no such file", hint="give an archive or an OCI layout directory")
    yield [Named(item, _names(item, path, len(found) == 1)) for item in found]


class TarBlobs:
    """The members of a tar file, read in place."""

    def __init__(self, path: Path, where: str) -> None:
        self._path = path
        self._where = where
        self._members: dict[str, tuple[int, int]] = {}
        self._links: dict[str, str] = {}
        with path.open("rb") as file:
            end = path.stat().st_size
            for entry in TarReader(file, where):
                self._add(entry, file.tell(), end)

    def _add(self, entry: Entry, at: int, end: int) -> None:
        name = posixpath.normpath(entry.name.decode(errors="surrogateescape"))
        link = entry.link.decode(errors="surrogateescape")
        if at + entry.size > end:
            raise ImageError(f"{self._where}: ends in the middle of {name}", hint="get or build it again")
        if len(self._members) + len(self._links) >= _MAX_MEMBERS:
            raise ImageError(f"{self._where}: has more than {_MAX_MEMBERS} members")
        if entry.kind is Kind.FILE:
            self._members[name] = (at, entry.size)
        elif entry.kind is Kind.SYMLINK:
            # `docker save` once wrote a layer that two images share as a link.
            self._links[name] = posixpath.normpath(posixpath.join(posixpath.dirname(name), link))
        elif entry.kind is Kind.HARD_LINK:
            self._links[name] = posixpath.normpath(link)

    def open(self, path: str) -> BinaryIO:
        name = posixpath.normpath(path)
        for _ in range(8):
            if name in self._members:
                return cast("BinaryIO", FilePart(self._path, *self._members[name]))
            name = self._links.get(name, "")
        raise ImageError(f"{self._where}: has no member {path!r}", hint="the archive is incomplete")

    def __contains__(self, path: object) -> bool:
        return path in self._members


def _unpacked(path: Path, scratch: Path) -> Path:
    """The file itself, or where it was decompressed to."""
    with path.open("rb", buffering=0) as raw:
        magic = raw.read(4)
        raw.seek(0)
        if not magic.startswith((b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zX")):
            return path
        target = scratch / "archive.tar"
        size, limit = 0, max_size()
        with streams.decompressed(cast("BinaryIO", raw), str(path)) as stream, target.open("wb") as out:
            while piece := stream.read(1 << 20):
                size += len(piece)
                if size > limit:
                    raise too_large(f"{path}: unpacks", limit)
                if piece.count(0) == len(piece):
                    out.truncate(size)  # a hole: zeros take no space
                    out.seek(size)
                else:
                    out.write(piece)
    return target


def _in_directory(path: Path, where: str) -> list[Source]:
    blobs = DirectoryBlobs(path)
    if "index.json" in blobs:
        return source.from_layout(blobs, where)
    raise ImageError(
        f"{where}: is not an OCI layout: it has no index.json",
        hint="give an archive of `docker save` or `podman save`, or an OCI layout directory",
    )


def _in_archive(blobs: TarBlobs, where: str) -> list[Source]:
    # Newer docker writes both. manifest.json says what was saved; the index may name what was not.
    if "manifest.json" in blobs:
        return _docker(blobs, where)
    if "index.json" in blobs:
        return source.from_layout(blobs, where)
    raise ImageError(
        f"{where}: is neither a docker-archive (no manifest.json) nor an oci-archive (no index.json)",
        hint="write one with `docker save`, `podman save`, `buildah push` or `skopeo copy`",
    )


def _docker(blobs: Blobs, where: str) -> list[Source]:
    images = jsonfields.parse_list(source.read(blobs, "manifest.json", where), f"{where}: manifest.json")
    if not images or len(images) > source.MAX_IMAGES:
        raise ImageError(f"{where}: holds {len(images)} images; 1 to {source.MAX_IMAGES} can be loaded")
    return [_docker_image(blobs, image, where) for image in images]


def _docker_image(blobs: Blobs, image: Fields, where: str) -> Source:
    raw = source.read(blobs, image.text("Config"), where)
    configuration = manifest.parse_configuration(raw, f"{where}: {image.text('Config')}")
    paths = image.texts("Layers")
    if len(paths) != len(configuration.diff_ids) or len(paths) > manifest.MAX_LAYERS:
        raise image.wrong("Layers", "does not fit to the configuration's layers")
    # The blobs' own digests are not recorded here; the diff_ids are, and decide.
    layers = tuple(
        Layer("", diff_id, source.opener(blobs, path), f"{where}: layer {diff_id[:19]}")
        for path, diff_id in zip(paths, configuration.diff_ids, strict=True)
    )
    config_digest = manifest.digest_of(raw)
    digest = _made_up(config_digest, configuration.diff_ids)
    names = tuple(str(reference.parse(name)) for name in image.texts("RepoTags"))
    return Source(digest, config_digest, configuration, layers, names)


def _made_up(config_digest: str, diff_ids: tuple[str, ...]) -> str:
    """A digest for an image that has no manifest: the same content has the same one."""
    content = {"config": config_digest, "layers": diff_ids}
    return manifest.digest_of(json.dumps(content, sort_keys=True).encode())


def _names(item: Source, path: Path, alone: bool) -> tuple[Reference, ...]:
    stem = _stem(path)
    if not item.names:
        # Several images without a name would take it from each other.
        return (Reference(LOCAL, stem, "latest" if alone else item.digest[7:19]),)
    return tuple(sorted((_name(text, stem) for text in item.names), key=str))


def _name(text: str, stem: str) -> Reference:
    if "/" in text or ":" in text:
        return reference.parse(text)
    return reference.parse(f"{LOCAL}/{stem}:{text}")


def _stem(path: Path) -> str:
    """A repository's name out of a file's: small letters and digits, all else becomes one '-'."""
    name = _SUFFIXES.sub("", path.resolve().name).lower()
    return re.sub(r"[^a-z0-9]+", "-", name).strip("-")[:128].strip("-") or "image"
