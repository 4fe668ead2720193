"""Image manifests, indexes and configurations: what they say, checked, and which one is for us.

Sources: OCI Image Format Specification 1.0 (manifest.md, image-index.md, config.md), and Docker's
image manifest version 2, schema 2, which differs in media types alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from vmpod.dataclass import dataclass
from vmpod.errors import ArchitectureError, ImageError
from vmpod.oci import jsonfields
from vmpod.oci.jsonfields import Fields
from vmpod.oci.model import ImageConfig
from vmpod.oci.reference import DIGEST

OS = "linux"
ARCHITECTURE = "amd64"
MAX_LAYERS = 1000


@dataclass(frozen=True)
class Platform:
    """What an image runs on; '' where it does not say."""

    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part) or "unknown"


@dataclass(frozen=True)
class Descriptor:
    """A reference to a blob: digest 'sha256:...', size in bytes."""

    digest: str
    size: int
    media_type: str = ""
    platform: Platform | None = None
    name: str = ""
    """The image name that an annotation gives, as written there; '' for none."""
    foreign: bool = False
    """Whether it says to be fetched from an address of its own."""


@dataclass(frozen=True)
class Manifest:
    """One image for one platform."""

    digest: str
    config: Descriptor
    layers: tuple[Descriptor, ...]


@dataclass(frozen=True)
class Index:
    """Several manifests, for platforms or with names."""

    digest: str
    manifests: tuple[Descriptor, ...]


@dataclass(frozen=True)
class Configuration:
    """An image configuration: how to run it, and the digests of its uncompressed layers."""

    config: ImageConfig
    diff_ids: tuple[str, ...]
    platform: Platform
    created: str


def digest_of(raw: bytes) -> str:
    """'sha256:...' of some bytes."""
    return "sha256:" + hashlib.sha256(raw).hexdigest()


def parse_manifest(raw: bytes, where: str) -> Manifest | Index:
    """Read a manifest or an index. Raises ImageError if it is neither, or malformed."""
    fields = jsonfields.parse(raw, where)
    digest = digest_of(raw)
    if "manifests" in fields:
        return Index(digest, tuple(_descriptor(item) for item in fields.objects("manifests")))
    if "fsLayers" in fields:
        raise ImageError(
            f"{where}: has the old manifest format 'schema 1'", hint="build and push the image again"
        )
    config = _descriptor(fields.object("config"))
    layers = tuple(_descriptor(item) for item in fields.objects("layers"))
    if len(layers) > MAX_LAYERS:
        raise fields.wrong("layers", f"has more than {MAX_LAYERS} entries")
    return Manifest(digest, config, layers)


def _descriptor(fields: Fields) -> Descriptor:
    platform = fields.object("platform")
    return Descriptor(
        digest=check_digest(fields, "digest"),
        size=fields.number("size"),
        media_type=fields.text("mediaType", ""),
        platform=_platform(platform) if "platform" in fields else None,
        name=_name(fields.mapping("annotations")),
        foreign=bool(fields.texts("urls")),
    )


def _platform(fields: Fields) -> Platform:
    return Platform(fields.text("os", ""), fields.text("architecture", ""), fields.text("variant", ""))


def _name(annotations: dict[str, str]) -> str:
    # The first is containerd's and holds a full name; the second may hold no more than a tag.
    full = annotations.get("io.containerd.image.name", "")
    return full or annotations.get("org.opencontainers.image.ref.name", "")


def check_digest(fields: Fields, key: str) -> str:
    """A digest field. Only SHA-256, which every image builder and registry uses."""
    digest = fields.text(key)
    if not DIGEST.fullmatch(digest):
        raise fields.wrong(key, "is not 'sha256:' and 64 hexadecimal digits")
    return digest


def choose(descriptors: Sequence[Descriptor], where: str) -> Descriptor:
    """The manifest for our platform out of an index's; the plainest variant of several.

    Raises ImageError that lists the platforms there are.
    """
    ours = [item for item in descriptors if item.platform is None or _fits(item.platform)]
    if not ours:
        there = sorted({str(item.platform) for item in descriptors}) or ["nothing"]
        raise _wrong_platform(where, ", ".join(there))
    return min(ours, key=lambda item: (item.platform is None, item.platform.variant if item.platform else ""))


def _fits(platform: Platform) -> bool:
    return platform.os in ("", OS) and platform.architecture in ("", ARCHITECTURE)


def _wrong_platform(where: str, there: str) -> ArchitectureError:
    return ArchitectureError(
        f"{where}: has no image for {OS}/{ARCHITECTURE}, only for: {there}",
        hint=f"use an image that was built for {OS}/{ARCHITECTURE}",
    )


def parse_configuration(raw: bytes, where: str) -> Configuration:
    """Read an image configuration. Raises ImageError if it is malformed or for another platform."""
    fields = jsonfields.parse(raw, where)
    if "rootfs" not in fields:
        raise ImageError(
            f"{where}: is not the configuration of a container image",
            hint="registries also hold other things than images: charts, policies, signatures",
        )
    platform = _platform(fields)
    if not _fits(platform):
        raise _wrong_platform(where, str(platform))
    diff_ids = fields.object("rootfs").texts("diff_ids")
    if not all(DIGEST.fullmatch(digest) for digest in diff_ids):
        raise fields.wrong("rootfs.diff_ids", "holds something else than SHA-256 digests")
    return Configuration(
        _image_config(fields.object("config")), diff_ids, platform, fields.text("created", "")
    )


def _image_config(fields: Fields) -> ImageConfig:
    env = (item.partition("=") for item in fields.texts("Env"))
    return ImageConfig(
        entrypoint=fields.texts("Entrypoint"),
        cmd=fields.texts("Cmd"),
        env=tuple((name, value) for name, _, value in env),
        working_dir=fields.text("WorkingDir", ""),
        user=fields.text("User", ""),
        stop_signal=fields.text("StopSignal", ""),
        exposed_ports=fields.keys("ExposedPorts"),
        volumes=fields.keys("Volumes"),
        labels=fields.mapping("Labels"),
    )
