"""Reads the manifest that a command names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from vmpod.cli.sources import Text, text
from vmpod.errors import ManifestError, Problem, UsageError
from vmpod.spec.load import load, load_all
from vmpod.spec.model import Manifest


def read(file: str, *, name: str | None = None) -> tuple[Manifest, str]:
    """The manifest in a file ('-' for standard input) or at an address, and what messages call the file.

    name: another name for its pod. Raises ManifestError, NotFoundError, UsageError.
    """
    given = text(file)
    return of_text(given, name=name), given[1]


def of_text(given: Text, *, name: str | None = None, random: bool = False) -> Manifest:
    """The manifest of a text. random: names that are generated are real ones.

    Raises ManifestError, UsageError.
    """
    content, source = given
    if random:
        from vmpod.runtime.generated import random_suffix  # noqa: PLC0415

        manifest = load(content, source=source, suffix=random_suffix)
    else:
        manifest = load(content, source=source)
    if not (manifest.pods or manifest.owners or manifest.jobs):
        raise ManifestError([Problem(source, 0, "", "holds no Pod; `vmpod apply` makes claims alone")])
    return manifest if name is None else _renamed(manifest, name, source)


def to_find_again(texts: Sequence[Text]) -> Manifest:
    """The manifest of texts whose pods are known by their names later. Raises ManifestError."""
    manifest = load_all(texts)
    if manifest.unnamed:
        raise ManifestError(list(manifest.unnamed))
    return manifest


def _renamed(manifest: Manifest, name: str, source: str) -> Manifest:
    from vmpod.runtime.documents import renamed  # noqa: PLC0415
    from vmpod.spec.names import dns_subdomain  # noqa: PLC0415

    if fault := dns_subdomain(name):
        raise UsageError(f"--name {name}: {fault}")
    if len(manifest.jobs) == 1 and not manifest.pods:
        return replace(manifest, jobs=(replace(manifest.jobs[0], name=name),))
    if len(manifest.pods) != 1 or manifest.jobs:
        count = len(manifest.pods) + len(manifest.jobs)
        raise UsageError(f"--name: {source} has {count} pods, and they cannot share a name")
    return replace(manifest, pods=(renamed(manifest.pods[0], name),))
