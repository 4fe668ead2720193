"""Reads the manifest that a command names."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from vmpod.errors import NotFoundError, UsageError
from vmpod.spec.load import load
from vmpod.spec.model import Manifest

_MAX_SIZE = 16 * 1024 * 1024


def read(file: str, *, name: str | None = None) -> tuple[Manifest, str]:
    """The manifest in a file ('-' for standard input), and what messages call the file.

    name: another name for its pod. Raises ManifestError, NotFoundError, UsageError.
    """
    source = "<stdin>" if file == "-" else file
    manifest = load(_text(file), source=source)
    if name is not None:
        manifest = _renamed(manifest, name, source)
    return manifest, source


def _text(file: str) -> str:
    try:
        raw = sys.stdin.buffer.read(_MAX_SIZE + 1) if file == "-" else _read(Path(file))
        if len(raw) > _MAX_SIZE:
            raise UsageError(f"{file} is larger than any manifest can be ({_MAX_SIZE} bytes)")
        return raw.decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not UTF-8 text: {error}") from None


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_SIZE + 1)
    except FileNotFoundError:
        raise NotFoundError(f"there is no file {path}") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None


def _renamed(manifest: Manifest, name: str, source: str) -> Manifest:
    from vmpod.runtime.documents import renamed  # noqa: PLC0415
    from vmpod.spec.names import dns_subdomain  # noqa: PLC0415

    if len(manifest.pods) != 1:
        raise UsageError(f"--name: {source} has {len(manifest.pods)} pods, and they cannot share a name")
    if fault := dns_subdomain(name):
        raise UsageError(f"--name {name}: {fault}")
    return replace(manifest, pods=(renamed(manifest.pods[0], name),))
