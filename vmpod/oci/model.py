"""What the rest of the program knows of a container image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from vmpod.dataclass import dataclass


@dataclass(frozen=True)
class ImageConfig:
    """The parts of an OCI image configuration that decide how a container runs.

    Source: OCI Image Format Specification 1.0, config.md. `env` is in the image's order.
    `user` is as written: 'name', 'uid', 'name:group' or 'uid:gid'.
    """

    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    working_dir: str = ""
    user: str = ""
    stop_signal: str = ""
    exposed_ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As an OCI image configuration's `config` has it; what is not set is left out."""
        value = {
            "User": self.user,
            "ExposedPorts": {port: {} for port in self.exposed_ports},
            "Env": [f"{name}={value}" for name, value in self.env],
            "Entrypoint": list(self.entrypoint),
            "Cmd": list(self.cmd),
            "Volumes": {volume: {} for volume in self.volumes},
            "WorkingDir": self.working_dir,
            "Labels": dict(self.labels),
            "StopSignal": self.stop_signal,
        }
        return {key: found for key, found in value.items() if found}


@dataclass(frozen=True)
class Image:
    """An image in the local store, converted and ready to be a machine's disk.

    digest: of the image's manifest for this architecture, 'sha256:...'; it names the disk.
    config_digest: what docker and podman call the image's id.
    names: every full reference that means this image, sorted.
    disk: a squashfs file, shared read-only by every pod that uses the image.
    disk_size: bytes on the host; created: RFC 3339, '' if the image does not say.
    """

    digest: str
    names: tuple[str, ...]
    config: ImageConfig
    disk: Path
    disk_size: int
    created: str = ""
    architecture: str = "amd64"
    config_digest: str = ""
