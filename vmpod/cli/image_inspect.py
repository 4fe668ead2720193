"""`vmpod image inspect`."""

from __future__ import annotations

from typing import Any

import click

from vmpod.cli import render
from vmpod.cli.common import for_each, runtime
from vmpod.cli.names import IMAGE
from vmpod.errors import NotFoundError
from vmpod.oci.model import Image
from vmpod.state.store import PodEntry


@click.command("inspect")
@click.argument("names", type=IMAGE, nargs=-1, required=True, metavar="NAME...")
def command(names: tuple[str, ...]) -> int:
    """Show all that is known of images, as a JSON array.

    `config` has the words of the OCI image specification.
    """
    found = runtime()
    pods = found.pods.list()
    shown: list[dict[str, Any]] = []

    def action(name: str) -> None:
        image = found.images.find(name)
        if image is None:
            raise NotFoundError(f"there is no image {name!r}", hint="see: vmpod image ls")
        shown.append(_json(image, pods))

    status = for_each(names, action)
    render.structured(shown, "json")
    return status


def _json(image: Image, pods: list[PodEntry]) -> dict[str, Any]:
    return {
        "apiVersion": "vmpod/v1",
        "kind": "Image",
        "digest": image.digest,
        "id": image.config_digest,
        "names": list(image.names),
        "created": image.created,
        "os": "linux",
        "architecture": image.architecture,
        "config": image.config.to_json(),
        "size": image.disk_size,
        "disk": str(image.disk),
        "pods": [entry.record.key for entry in pods if image.digest in entry.record.images],
    }
