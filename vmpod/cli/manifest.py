"""Reads the manifest that a command names."""

from __future__ import annotations

from dataclasses import replace

from vmpod.cli.sources import text
from vmpod.errors import ManifestError, Problem, UsageError
from vmpod.spec.load import load
from vmpod.spec.model import Manifest


def read(file: str, *, name: str | None = None) -> tuple[Manifest, str]:
    """The manifest in a file ('-' for standard input) or at an address, and what messages call the file.

    name: another name for its pod. Raises ManifestError, NotFoundError, UsageError.
    """
    content, source = text(file)
    manifest = load(content, source=source)
    if not manifest.pods and not manifest.owners:
        raise ManifestError([Problem(source, 0, "", "holds no Pod; `vmpod apply` makes claims alone")])
    if name is not None:
        manifest = _renamed(manifest, name, source)
    return manifest, source


def _renamed(manifest: Manifest, name: str, source: str) -> Manifest:
    from vmpod.runtime.documents import renamed  # noqa: PLC0415
    from vmpod.spec.names import dns_subdomain  # noqa: PLC0415

    if len(manifest.pods) != 1:
        raise UsageError(f"--name: {source} has {len(manifest.pods)} pods, and they cannot share a name")
    if fault := dns_subdomain(name):
        raise UsageError(f"--name {name}: {fault}")
    return replace(manifest, pods=(renamed(manifest.pods[0], name),))
