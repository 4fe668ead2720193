"""Shows what a prune has removed, or would remove."""

from __future__ import annotations

from collections.abc import Iterable

import click

from vmpod.cli import render
from vmpod.removable import Removable


def show(found: Iterable[Removable], *, dry_run: bool) -> None:
    """Print each thing with its bytes, and their sum."""
    total = 0
    for item in found:
        click.echo(f"{item.kind} {item.name}: {item.size} bytes")
        total += item.size
    click.echo(f"{'To free' if dry_run else 'Freed'}: {total} bytes ({render.size(total)})")
