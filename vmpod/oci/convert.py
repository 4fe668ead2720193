"""From a source to a disk."""

from __future__ import annotations

from pathlib import Path

from vmpod.oci import record
from vmpod.oci.flatten import flatten
from vmpod.oci.record import Record
from vmpod.oci.source import Source
from vmpod.oci.squashfs import packing
from vmpod.progress import Phase

_REPORT_EVERY = 8 << 20


def convert(source: Source, disk: Path, phase: Phase) -> Record:
    """Write an image's disk, which must not exist yet, to stay there, and say what to record.

    Raises ImageError if the image is damaged, HostError if the disk cannot be written.
    """
    written = told = 0

    def advance(count: int) -> None:
        nonlocal written, told
        written += count
        if written - told >= _REPORT_EVERY:
            told = written
            phase.update(f"{written >> 20} MiB")

    flattened = flatten(source.layers)
    with packing(disk, flattened.root) as sink:
        flattened.write(sink, advance)
    record.sync(disk)
    found = source.configuration
    return Record(
        digest=source.digest,
        config_digest=source.config_digest,
        config=found.config,
        created=found.created,
        architecture=found.platform.architecture or "amd64",
        disk_size=disk.stat().st_size,
    )
