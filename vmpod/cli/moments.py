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


class Seconds(click.ParamType):
    """A span of time, as seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """See seconds()."""
        try:
            return value if isinstance(value, float) else seconds(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Quantity(click.ParamType):
    """A size in bytes, as Kubernetes writes it: '10Mi', '64Ki'."""

    name = "size"

    def __init__(self, least: int, most: int) -> None:
        self._least, self._most = least, most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number of bytes."""
        from vmpod.spec.quantity import parse, whole  # noqa: PLC0415 - only for a size that is given

        try:
            size = value if isinstance(value, int) else whole(parse(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if not self._least <= size <= self._most:
            self.fail(f"must be from {self._least // 1024}Ki to {self._most // 2**20}Mi", param, ctx)
        return size


class Since(click.ParamType):
    """A moment, as journals write it: itself, or a span of time before now."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """See moment() and seconds()."""
        try:
            if not value:
                return ""
            return moment(value) if "-" in value else timestamp(time.time_ns() - int(seconds(value) * 1e9))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def since_options(command: F) -> F:
    """`--since` (and its twin of kubectl, `--since-time`), as one argument `since`."""
    text = "Only what was written since: a span as 5m, or a moment as 2026-01-31T12:00:00Z."
    return click.option(
        "--since", "--since-time", "since", type=Since(), default="", metavar="WHEN", help=text
    )(command)
