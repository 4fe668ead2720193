"""`vmpod image save`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vmpod.cli.common import quiet_option, runtime
from vmpod.cli.names import IMAGE
from vmpod.cli.progress import progress
from vmpod.errors import UsageError
from vmpod.files import replacing
from vmpod.oci.refusals import not_written

if TYPE_CHECKING:
    from vmpod.oci.save import Format


@click.command("save")
@click.argument("names", type=IMAGE, nargs=-1, required=True, metavar="NAME...")
@click.option("-o", "--output", default="-", metavar="FILE", help="Where to write it; '-' is stdout.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["oci-archive", "docker-archive"]),
    default="oci-archive",
    show_default=True,
    help="docker-archive is what `docker load` reads.",
)
@quiet_option
def command(names: tuple[str, ...], output: str, form: Format, quiet: bool) -> None:
    """Write images into one archive, which `vmpod image load`, podman and skopeo read.

    An image is kept as one disk, so it is saved with one layer that holds all its files; its configuration
    stays as it is. Its digest changes by that, once: what is loaded and saved again keeps the new one.
    """
    images = runtime().images
    if output == "-":
        if sys.stdout.isatty():
            raise UsageError(
                "an archive is nothing for a terminal", hint="write it into a file: -o FILE; or into a pipe"
            )
        images.save(names, sys.stdout.buffer, form, progress(quiet=quiet))
        sys.stdout.buffer.flush()
        return
    try:
        with replacing(Path(output)) as sink:
            images.save(names, sink, form, progress(quiet=quiet))
    except OSError as error:
        raise not_written(Path(output), error) from None
