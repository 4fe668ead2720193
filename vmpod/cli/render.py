"""Tables, JSON and YAML: the one place that knows how data looks."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import click

from vmpod.state import record
from vmpod.text import printable_lines

# C1 control characters, separators, and what turns the direction of text.
_CONTROL = re.compile("[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")

moment = record.moment
"""What is shown is written as what is kept."""

_UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print columns, as wide as they must be."""
    lines = [list(header), *map(list, rows)]
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("   ".join(cells).rstrip())


def structured(data: Any, output: str) -> None:
    """Print data as 'json' or 'yaml'."""
    if output == "json":
        # What a guest or an image has written may be in a string, and JSON lets these stand as they are.
        text = json.dumps(data, indent=2, ensure_ascii=False)
        click.echo(_CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text))
    else:
        import yaml  # noqa: PLC0415 - takes time to import

        click.echo(yaml.safe_dump(data, sort_keys=False, allow_unicode=True), nl=False)


def data(text: str) -> None:
    """Print text exactly as it is, without a newline of ours; on a terminal nothing in it controls that."""
    # click.echo() would take escape sequences out of what is piped.
    sys.stdout.write(printable_lines(text) if sys.stdout.isatty() else text)
    sys.stdout.flush()


def items(kind: str, found: list[Any]) -> dict[str, Any]:
    """A list as Kubernetes' API has it: {apiVersion, kind, items}."""
    return {"apiVersion": "v1" if kind == "List" else "vmpod/v1", "kind": kind, "items": found}


def age(moment: str) -> str:
    """How long ago an RFC 3339 moment was, in its two largest units: '3h12m'."""
    try:
        then = datetime.fromisoformat(moment)
    except ValueError:
        return "?"
    if then.tzinfo is None:
        then = then.replace(tzinfo=UTC)
    seconds = max(0, int((datetime.now(UTC) - then).total_seconds()))
    return duration(seconds)


def duration(seconds: int) -> str:
    """A time span in its two largest units."""
    for index, (unit, size) in enumerate(_UNITS):
        if seconds >= size:
            count, rest = divmod(seconds, size)
            minor = _UNITS[index + 1] if index + 1 < len(_UNITS) else None
            more = f"{rest // minor[1]}{minor[0]}" if minor and rest >= minor[1] else ""
            return f"{count}{unit}{more}"
    return "0s"


def size(count: int) -> str:
    """Bytes in a unit that a person can read."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024 or unit == "GiB":
            break
        value /= 1024
    return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
