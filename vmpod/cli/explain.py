"""`vmpod explain`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from vmpod.spec.contract import Entry

_WIDTH = 100


@click.command("explain")
@click.argument("field", metavar="KIND[.FIELD]...")
@click.option("--recursive", is_flag=True, help="Show the fields of fields, too.")
def command(field: str, recursive: bool) -> None:
    """Say what becomes of a field of a manifest: whether it works, and what else there is to know.

    For example `vmpod explain pod.spec.containers.livenessProbe`. docs/fields.md has all of them.
    """
    from vmpod.spec.contract import find  # noqa: PLC0415

    click.echo(_text(find(field), recursive=recursive))


def _text(entry: Entry, *, recursive: bool) -> str:
    from vmpod.spec.contract import everything  # noqa: PLC0415
    from vmpod.spec.fieldsdoc import remarks  # noqa: PLC0415

    lines = [f"KIND:    {entry.kind}"]
    if entry.field:
        lines += [f"FIELD:   {entry.path}", f"CLASS:   {entry.field.effect.value}"]
        lines += [f"REMARK:  {remark}" for remark in remarks(entry.field)]
    inner = list(everything(entry) if recursive else entry.fields())
    if inner:
        lines += ["", "FIELDS:", *_fields(entry, inner)]
    return "\n".join(lines)


def _fields(entry: Entry, inner: list[Entry]) -> list[str]:
    from textwrap import wrap  # noqa: PLC0415

    from vmpod.spec.fieldsdoc import remarks  # noqa: PLC0415

    depth = entry.path.count(".") + bool(entry.path)
    rows: list[tuple[str, str, str]] = []
    for each in inner:
        assert each.field
        indent = "  " * (each.path.count(".") - depth)
        rows.append((indent + each.field.name, each.field.effect.value, "; ".join(remarks(each.field))))
    names = max(len(row[0]) for row in rows)
    effects = max(len(row[1]) for row in rows)
    lines = []
    for name, effect, remark in rows:
        first, *more = wrap(remark, max(30, _WIDTH - names - effects - 6)) or [""]
        lines.append(f"  {name:{names}}  {effect:{effects}}  {first}".rstrip())
        lines += [" " * (names + effects + 6) + line for line in more]
    return lines
