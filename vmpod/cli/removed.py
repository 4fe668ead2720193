"""Shows what was removed, or would be."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from vmpod.cli import render
from vmpod.cli.common import for_each
from vmpod.errors import NotFoundError
from vmpod.removable import Removable

if TYPE_CHECKING:
    from vmpod.runtime.context import Runtime


def remove_claims(runtime: Runtime, names: Iterable[str], *, ignore_not_found: bool) -> int:
    """Remove claims, and tell of each. Returns the exit status."""
    from vmpod.runtime import claims  # noqa: PLC0415

    def action(name: str) -> None:
        try:
            claims.remove(runtime, name)
        except NotFoundError:
            if not ignore_not_found:
                raise
        else:
            click.echo(f"persistentvolumeclaim/{name.removeprefix('default/')} deleted")

    return for_each(names, action)


def show(found: Iterable[Removable], *, dry_run: bool) -> None:
    """Print each thing with its bytes, and their sum."""
    total = 0
    for item in found:
        click.echo(f"{item.kind} {item.name}: {item.size} bytes")
        total += item.size
    click.echo(f"{'To free' if dry_run else 'Freed'}: {total} bytes ({render.size(total)})")
