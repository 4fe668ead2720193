"""Writes the reference: `python -m vmpod.cli.reference [DIRECTORY]`, by default the checkout's docs."""

from __future__ import annotations

from pathlib import Path

import click

from vmpod.cli.reference.write import DOCS, write


@click.command(help=__doc__)
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path), default=DOCS)
def main(directory: Path) -> None:
    write(directory)


if __name__ == "__main__":
    main()
