"""Moments, spans of time and sizes on the command line."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import click

from vmpod.wire.journal import timestamp

F = TypeVar("F", bound=Callable[..., Any])

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d)")


def seconds(text: str) -> float:
    """A span as Go and kubectl write it: '1h30m', '90s', '500ms'; a bare number is seconds.

    Raises ValueError.
    """
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is no span of time: write it as 1h30m, 90s or 500ms")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def moment(text: str) -> str:
    """An RFC 3339 moment as journals have it: UTC, with nanoseconds. Raises ValueError."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no moment: write it as 2026-01-31T12:00:00Z") from None
    if found.tzinfo is None:
        found = found.replace(tzinfo=UTC)
    whole = int(found.replace(microsecond=0).timestamp())
    return timestamp(whole * 1_000_000_000 + found.microsecond * 1000)


def epoch(text: str) -> float:
    """Seconds since the epoch of an RFC 3339 moment; without a zone it is UTC. Raises ValueError."""
    found = datetime.fromisoformat(text)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def checked(parse: Callable[[str], object]) -> Callable[[click.Context, click.Parameter, str | None], object]:
    """A callback of an option: what the user wrote, parsed; ValueError becomes a usage error."""

    def convert(ctx: click.Context, param: click.Parameter, value: str | None) -> object:
        try:
            return None if value is None else parse(value)
        except ValueError as error:
            raise click.BadParameter(str(error), ctx=ctx, param=param) from None

    return convert


def each_checked(
    parse: Callable[[str], object],
) -> Callable[[click.Context, click.Parameter, tuple[str, ...]], list[object]]:
    """As checked(), of an option that may be repeated."""
    one = checked(parse)
    return lambda ctx, param, values: [one(ctx, param, value) for value in values]


def since(text: str) -> str:
    """A moment as journals have it, from a moment or a span before now; '' stays. Raises ValueError."""
    if not text:
        return ""
    return moment(text) if "-" in text else timestamp(time.time_ns() - int(seconds(text) * 1e9))


def size(text: str, least: int, most: int) -> int:
    """Bytes, as Kubernetes writes them: '10Mi', '64Ki'. Raises ValueError."""
    from vmpod.spec.quantity import parse, whole  # noqa: PLC0415 - slow to import

    found = whole(parse(text))
    if not least <= found <= most:
        raise ValueError(f"must be from {least // 1024}Ki to {most // 2**20}Mi")
    return found


def since_option(command: F) -> F:
    """`--since`, and its twin of kubectl, `--since-time`."""
    return click.option(
        "--since",
        "--since-time",
        "since",
        default="",
        callback=checked(since),
        metavar="WHEN",
        help="Only what was written since: a span as 5m, or a moment as 2026-01-31T12:00:00Z.",
    )(command)
