"""Draws measures as horizontal bars, in SVG: medians, with a whisker from the least to the most.

The colours follow the reader's scheme (`prefers-color-scheme`), also where a page shows the file as an image.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

_WIDTH = 760
_ROW = 26
_BAR = 16
_TOP = 44
_BOTTOM = 34
_VALUES = 76  # for the numbers right of the bars
_LETTER = 6.9  # about the width of one, at the font's size

# Kind of bar: in light pages, in dark ones. Told apart by colour-blind readers as well; labels say the same.
_COLOURS = {
    "plain": ("#8a8f98", "#8b929c"),
    "cold": ("#2f6fb5", "#5b9be0"),
    "warm": ("#d9730d", "#f0954a"),
    "peer": ("#3d8f5f", "#5cb883"),
}
_STYLE = """\
text { font: 13px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: #24292f }
.title { font-weight: 600 }
.value { paint-order: stroke; stroke: #ffffff; stroke-width: 4px; stroke-linejoin: round }
.faint { fill: #656d76; font-size: 12px }
.grid { stroke: #d8dee4 }
.spread { stroke: #24292f; stroke-width: 1.5 }
.mark { stroke: #c0392b; stroke-width: 1.5; stroke-dasharray: 4 3 }
.limit { fill: #c0392b; font-size: 12px }
"""
_DARK = """\
text { fill: #e6edf3 }
.value { stroke: #0d1117 }
.faint { fill: #9198a1 }
.grid { stroke: #3d444d }
.spread { stroke: #e6edf3 }
.mark { stroke: #ff7b72 }
.limit { fill: #ff7b72 }
"""


@dataclass(frozen=True)
class Bar:
    """What was measured of one thing, at least one value, none negative. kind: plain, cold, warm or peer."""

    label: str
    values: Sequence[float]
    kind: str = "plain"


@dataclass(frozen=True)
class Mark:
    """A value that the bars are compared with: a line through all of them."""

    label: str
    value: float


def ticks(most: float, wanted: int = 8) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten, from 0 to the first that is not below the most."""
    if most <= 0:
        return [0.0, 1.0]
    rough = most / wanted
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
    # Multiples, not a running sum, which would gather errors.
    return [round(index * step, 12) for index in range(math.ceil(most / step - 1e-9) + 1)]


def number(value: float) -> str:
    """Three digits that count, and no more of them than say something."""
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:.{digits}f}"


def bars(title: str, unit: str, rows: Sequence[Bar], marks: Sequence[Mark] = ()) -> str:
    """The chart, as an SVG document."""
    left = 16 + _LETTER * max(len(row.label) for row in rows)
    height = _TOP + _ROW * len(rows) + _BOTTOM
    steps = ticks(max([max(row.values) for row in rows] + [mark.value for mark in marks]))
    scale = (_WIDTH - left - _VALUES) / steps[-1]

    def at(value: float) -> str:
        return f"{left + value * scale:.1f}"

    foot = _TOP + _ROW * len(rows)
    size = f'viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>\n{_style()}</style>",
        f'<text class="title" x="8" y="18">{escape(title)}</text>',
        *(_tick(at(step), foot, f"{step:g}", unit if step == steps[-1] else "") for step in steps),
        *(_bar(row, _TOP + _ROW * index, left, at) for index, row in enumerate(rows)),
        *(_mark(mark, at(mark.value), foot) for mark in marks),
        *(line for index, row in enumerate(rows) for line in _words(row, _TOP + _ROW * index, left, at)),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _style() -> str:
    light = "".join(f".{kind} {{ fill: {colour} }}\n" for kind, (colour, _) in _COLOURS.items())
    dark = "".join(f".{kind} {{ fill: {colour} }}\n" for kind, (_, colour) in _COLOURS.items())
    return f"{_STYLE}{light}@media (prefers-color-scheme: dark) {{\n{_DARK}{dark}}}\n"


def _tick(x: str, foot: int, text: str, unit: str) -> str:
    return (
        f'<line class="grid" x1="{x}" y1="{_TOP - 6}" x2="{x}" y2="{foot}"/>'
        f'<text class="faint" x="{x}" y="{foot + 18}" text-anchor="middle">{text}'
        f"{' ' + escape(unit) if unit else ''}</text>"
    )


def _bar(row: Bar, top: int, left: float, at: Callable[[float], str]) -> str:
    # So that no bar is invisible.
    width = max(1.0, float(at(statistics.median(row.values))) - left)
    size = f'width="{width:.1f}" height="{_BAR}"'
    return f'<rect class="{row.kind}" x="{left:.1f}" y="{top + (_ROW - _BAR) / 2}" {size} rx="2"/>'


def _words(row: Bar, top: int, left: float, at: Callable[[float], str]) -> list[str]:
    """The whisker, and the words on both sides: over everything else."""
    least, most = at(min(row.values)), at(max(row.values))
    middle = top + _ROW / 2
    ends = "".join(f"M{end} {middle - 4}v8" for end in (least, most))
    value = number(statistics.median(row.values))
    return [
        f'<text x="{left - 8:.1f}" y="{middle + 4.5}" text-anchor="end">{escape(row.label)}</text>',
        f'<path class="spread" d="M{least} {middle}H{most}{ends}"/>',
        f'<text class="value" x="{float(most) + 8:.1f}" y="{middle + 4.5}">{value}</text>',
    ]


def _mark(mark: Mark, x: str, foot: int) -> str:
    return (
        f'<line class="mark" x1="{x}" y1="{_TOP - 6}" x2="{x}" y2="{foot}"/>'
        f'<text class="limit" x="{x}" y="{_TOP - 10}" text-anchor="middle">{escape(mark.label)}</text>'
    )
