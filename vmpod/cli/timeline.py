"""`vmpod timeline`, and how a timeline is drawn."""

from __future__ import annotations

import shutil
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import click

from vmpod.cli.common import runtime
from vmpod.cli.names import POD
from vmpod.errors import NotFoundError
from vmpod.text import printable

if TYPE_CHECKING:
    from vmpod.state.timeline import Timeline
    from vmpod.stopwatch import Step

_SECOND = 10**9
_ROW, _NAME, _CHART, _TIME = 22, 210, 640, 90  # of the picture, in pixels
_COLOURS = {"host": "#4c78a8", "part": "#9ecae9", "guest": "#f58518"}
# Readable on light and on dark ground.
_STYLE = (
    "text { font: 13px sans-serif; fill: #222 } .grid { stroke: #8888; stroke-width: 1 }"
    " @media (prefers-color-scheme: dark) { text { fill: #ddd } }"
)


@click.command("timeline")
@click.argument("pod", type=POD)
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json", "svg"]),
    default="text",
    show_default=True,
    help="Bars, the figures, or a picture.",
)
def command(pod: str, output: str) -> None:
    """Show where the time of a POD's last start went, on the host and in the guest, on one clock.

    It begins with the command's process and ends when all containers were ready. Those of a copy made by
    `vmpod fork` or `restore` may have been already: then it ends when the copy goes on.
    """
    from vmpod.state.timeline import load  # noqa: PLC0415

    found = runtime()
    entry = found.pods.find(pod)
    timeline = load(entry.directory, entry.record, found.pods.events(entry))
    if timeline is None:
        raise NotFoundError(
            f"nothing is written down about the start of {pod}",
            hint="`vmpod run`, `start`, `restart`, `fork` and `restore` write it down, once the machine runs",
        )
    if output == "json":
        from vmpod.cli.render import structured  # noqa: PLC0415

        structured(to_json(timeline), "json")
    elif output == "svg":
        click.echo(svg(timeline, pod))
    else:
        click.echo("\n".join(bars(timeline, shutil.get_terminal_size().columns)))


def rows(timeline: Timeline) -> list[tuple[str, Step]]:
    """(kind, step) of each row: the host's steps with their parts, then the guest's; in order of time."""
    host = [("part" if step.part else "host", step) for step in timeline.host]
    return host + [("guest", step) for step in sorted(timeline.guest, key=lambda step: step.begin)]


def bars(timeline: Timeline, width: int) -> list[str]:
    """The timeline in lines of text."""
    found = rows(timeline)
    names = max([len(_label(kind, step)) for kind, step in found], default=0)
    room = max(10, min(width, 140) - names - 20)
    scale = room / max(1, timeline.end - timeline.begin)
    lines = []
    for kind, step in found:
        begin = round((step.begin - timeline.begin) * scale)
        length = max(1, round((step.end - step.begin) * scale))
        mark = {"host": "=", "part": "-", "guest": "#"}[kind]
        chart = (" " * begin + mark * length)[:room].ljust(room)
        lines.append(f"{_label(kind, step):{names}} |{chart}| {_seconds(step.end - step.begin)}")
    lines.append(f"{'ready' if timeline.ready else 'last step':{names}} after {_seconds(timeline.total)}")
    lines.append("= host  - part of it  # guest")
    return lines


def to_json(timeline: Timeline) -> dict[str, object]:
    """As docs/schemas/Timeline.json has it: seconds since the command began."""

    def since(moment: int) -> float:
        return round((moment - timeline.begin) / _SECOND, 6)

    def told(kind: str, step: Step) -> dict[str, object]:
        return {
            "name": step.name,
            "side": "guest" if kind == "guest" else "host",
            "part": step.part,
            "begin": since(step.begin),
            "end": since(step.end),
        }

    return {
        "apiVersion": "vmpod/v1",
        "kind": "Timeline",
        "ready": since(timeline.ready) if timeline.ready else None,
        "steps": [told(kind, step) for kind, step in rows(timeline)],
    }


def svg(timeline: Timeline, title: str) -> str:
    """The timeline as a picture."""
    found = rows(timeline)
    height = _ROW * (len(found) + 3)
    width = _NAME + _CHART + _TIME
    picture = ET.Element(
        "svg",
        {"xmlns": "http://www.w3.org/2000/svg", "viewBox": f"0 0 {width} {height}", "width": str(width)},
    )
    ET.SubElement(picture, "style").text = _STYLE
    scale = _CHART / max(1, timeline.end - timeline.begin)
    _text(picture, 8, 16, f"Start of {printable(title)}: {_seconds(timeline.total)}")
    for number in range(5):
        x = _NAME + _CHART * number / 4
        _line(picture, x, 1.5 * _ROW, height - 1.2 * _ROW)
        moment = (timeline.end - timeline.begin) * number // 4
        _text(picture, x, height - 8, _seconds(moment), anchor="middle")
    for place, (kind, step) in enumerate(found):
        y = _ROW * (place + 1.5)
        x = _NAME + (step.begin - timeline.begin) * scale
        length = max(1.5, (step.end - step.begin) * scale)
        _text(picture, _NAME - 8, y + 15, _label(kind, step).strip(), anchor="end")
        shape = {"x": f"{x:.1f}", "y": f"{y + 4:.1f}", "width": f"{length:.1f}", "height": str(_ROW - 7)}
        ET.SubElement(picture, "rect", shape | {"rx": "2", "fill": _COLOURS[kind]})
        _text(picture, x + length + 5, y + 15, _seconds(step.end - step.begin))
    ET.indent(picture)
    return ET.tostring(picture, encoding="unicode")


def _text(picture: ET.Element, x: float, y: float, text: str, anchor: str = "start") -> None:
    place = {"x": f"{x:.1f}", "y": f"{y:.1f}", "text-anchor": anchor}
    ET.SubElement(picture, "text", place).text = text


def _line(picture: ET.Element, x: float, top: float, bottom: float) -> None:
    ends = {"x1": f"{x:.1f}", "x2": f"{x:.1f}", "y1": f"{top:.1f}", "y2": f"{bottom:.1f}"}
    ET.SubElement(picture, "line", ends | {"class": "grid"})


def _label(kind: str, step: Step) -> str:
    # Names of containers are checked, but what was read from a file is not.
    return ("  " if kind == "part" else "") + printable(step.name)[:40]


def _seconds(nanoseconds: int) -> str:
    return f"{nanoseconds / _SECOND:.3f} s"
