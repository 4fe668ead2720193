"""What the store writes down about an image and its names, as JSON, and the safe way to write it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vmpod.dataclass import dataclass
from vmpod.errors import ImageError
from vmpod.oci.model import ImageConfig

_VERSION = 1


@dataclass(frozen=True)
class Record:
    """The content of an image.json.

    config_digest: what docker and podman call the image's id. disk_size: bytes.
    """

    digest: str
    config_digest: str
    config: ImageConfig
    created: str
    architecture: str
    disk_size: int


@dataclass(frozen=True)
class NameEntry:
    """What a name leads to. index: the digest that the registry gave for it, '' if it was loaded."""

    digest: str
    index: str = ""


def write_record(path: Path, record: Record) -> None:
    """Write an image.json into a directory that nobody else looks at yet."""
    _write(path, asdict(record))


def write_names(path: Path, names: Mapping[str, NameEntry], draft: Path) -> None:
    """Replace the names index at once and for good: a reader finds the old one or the new.

    draft: where it is written first, on the same filesystem.
    """
    _write(draft, {"names": {name: asdict(names[name]) for name in sorted(names)}})
    draft.replace(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Make a file's content, or the names in a directory, survive a power failure."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps({"version": _VERSION, **value}, indent=1))
    sync(path)


def read_record(path: Path) -> Record | None:
    """Read an image.json; None if there is none. Raises ImageError if it is damaged."""
    try:
        values = _read(path)
        if values is None:
            return None
        config = dict(values["config"])
        config["env"] = tuple((name, value) for name, value in config["env"])
        for key in ("entrypoint", "cmd", "exposed_ports", "volumes"):
            config[key] = tuple(config[key])
        rest = {
            key: values[key] for key in ("digest", "config_digest", "created", "architecture", "disk_size")
        }
        return Record(config=ImageConfig(**config), **rest)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _damaged(path, error) from None


def check_disk(disk: Path, found: Record) -> None:
    """Raises ImageError if an image's disk is not as it was made, as far as one look can tell."""
    try:
        size = disk.stat().st_size
    except FileNotFoundError:
        raise _damaged(disk, "it is not there") from None
    if size != found.disk_size:
        raise _damaged(disk, f"it has {size} bytes instead of {found.disk_size}")


def read_names(path: Path) -> dict[str, NameEntry]:
    """Read the names index; empty if there is none. Raises ImageError if it is damaged."""
    try:
        values = _read(path)
        names = {name: _name_entry(**entry) for name, entry in values["names"].items()} if values else {}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ImageError(
            f"{path} is damaged: {error}",
            hint="remove it: the images stay, and have names again once they are pulled or loaded again",
        ) from None
    return names


def _name_entry(digest: str, index: str = "") -> NameEntry:
    return NameEntry(digest + "", index + "")  # TypeError for what is no text


def _read(path: Path) -> dict[str, Any] | None:
    """A file's JSON; None if there is none. Raises ValueError."""
    try:
        values = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except RecursionError as error:
        raise ValueError(error) from None
    if not isinstance(values, dict) or values.get("version") != _VERSION:
        raise ValueError(f"it is not of version {_VERSION}")
    return values


def _damaged(path: Path, why: object) -> ImageError:
    return ImageError(
        f"{path} is damaged: {why}",
        hint=f"get the image again (`vmpod image pull` or `load`), or remove {path.parent}",
    )
