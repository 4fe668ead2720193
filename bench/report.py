#!/usr/bin/env python3
"""Tells what the benchmarks measured: the targets, tables and charts, put into a page.

    bench/report.py RESULTS [--into DIRECTORY]

RESULTS: a directory of what the programs' --json wrote, NAME.json for each. Without --into the targets are
printed. With it DIRECTORY/README.md, which is bench/README.md at first, gets the figures between its marks
(`<!-- figures: NAME -->` to `<!-- /figures -->`), and DIRECTORY/plots the charts.
"""

from __future__ import annotations

import argparse
import re
import statistics
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import plot
from bench.figures import PHASES, TARGETS, Figures, Taken, Verdict, largest, load, verdicts

PAGE = Path(__file__).with_name("README.md")
_BLOCK = re.compile(r"(<!-- figures: (\S+) -->\n).*?(<!-- /figures -->)", re.DOTALL)
_ACCELERATORS = {"tcg": "emulation (tcg)", "kvm": "KVM"}


@dataclass(frozen=True)
class Chart:
    """Which measures of a program are drawn: those whose names match."""

    title: str
    names: str
    unit: str = "s"


CHARTS = {
    "start": Chart("Start of a pod", "F|.*first byte|.*Ready|podman, command"),
    "memory": Chart("Memory of an idle pod", ".*", "MB"),
    "scale": Chart("Until all pods are Ready that are started at once", ".*"),
    "fork": Chart("Copies of a running pod, until all answer", ".*"),
    "exec": Chart("`true` in a running pod", "command|session|vmpod.*|podman"),
    "profile": Chart("Where a start's time goes", "(warm|cold), (?!of it).*"),
    "ps": Chart("vmpod ps --all", ".*"),
}


def unit(program: str, name: str) -> str:
    """What a measure is in."""
    if program == "channel":
        return "s for 100 MB" if name.endswith("CPU") else "MB/s"
    if program == "ssh" and name.startswith("rsync"):
        return "MB/s"
    return "MB" if program == "memory" else "s"


def table(program: str, figures: Figures) -> str:
    """Medians and spreads, in Markdown."""
    lines = ["| | median | min to max |", "|---|---|---|"]
    for name, values in figures.taken.items():
        median, least, most = map(plot.number, (statistics.median(values), min(values), max(values)))
        lines.append(f"| {name} | {median} {unit(program, name)} | {least} to {most} |")
    return "\n".join(lines)


def chart(program: str, figures: Figures) -> str | None:
    """The program's chart in SVG, with the limits of its targets; None if it has none."""
    wanted = CHARTS.get(program)
    if wanted is None:
        return None
    shown = {name: values for name, values in figures.taken.items() if re.fullmatch(wanted.names, name)}
    rows = [plot.Bar(name, values, _colour(name)) for name, values in shown.items() if not _cpu(name)]
    limits = [(target.mark, target.bound(figures.taken)) for target in TARGETS if target.program == program]
    marks = [plot.Mark(label, value) for label, value in limits if value is not None]
    return plot.bars(wanted.title.replace("`", ""), wanted.unit, rows, marks) if rows else None


def _cpu(name: str) -> bool:
    return name.endswith("CPU")


def _colour(name: str) -> str:
    first = re.split(r"[ ,]", name)[0]
    return {"cold": "cold", "warm": "warm", "fork": "warm", "command": "warm", "podman": "peer"}.get(
        first, "plain"
    )


def block(program: str, figures: Figures) -> str:
    """What stands between a program's marks."""
    rounds = max(len(values) for values in figures.taken.values())
    where = f"{figures.machine}, {_ACCELERATORS[figures.accelerator]}, {rounds} rounds:"
    parts = [where, table(program, figures)]
    if program in CHARTS:
        parts.append(f"![{CHARTS[program].title}](plots/{program}.svg)")
    if program == "profile":
        parts += [
            _largest(figures.taken, kind)
            for kind in ("cold", "warm")
            if f"{kind}, {PHASES[0]}" in figures.taken
        ]
    return "\n\n".join(parts) + "\n"


def _largest(taken: Taken, kind: str) -> str:
    told = (
        f"*{name}* {plot.number(seconds)} s ({share:.0%})"
        for name, seconds, share in largest(taken, kind)[:3]
    )
    return f"The three largest parts of a {kind} start: {', '.join(told)}."


def targets(found: list[Verdict]) -> str:
    """The targets, in Markdown."""
    lines = ["| at most | limit | measured | |", "|---|---|---|---|"]
    lines += [f"| {one.target.what} | {one.allowed} | {one.measured} | {one.word} |" for one in found]
    return "\n".join(lines) + "\n"


def printed(found: list[Verdict]) -> str:
    """The targets, for a terminal."""
    width = max(len(one.target.what) for one in found)
    lines = [f"{'at most':{width}}  {'limit':>7}  {'measured':>8}"]
    lines += [f"{one.target.what:{width}}  {one.allowed:>7}  {one.measured:>8}  {one.word}" for one in found]
    return "\n".join(lines)


def filled(page: str, blocks: Mapping[str, str]) -> str:
    """The page with new blocks between its marks; those that have no new one stay as they are."""

    def new(match: re.Match[str]) -> str:
        if match[2] not in blocks:
            return match[0]
        return f"{match[1]}{blocks[match[2]]}{match[3]}"

    return _BLOCK.sub(new, page)


def write(every: Mapping[str, Figures], into: Path) -> None:
    """Write the page and the charts into a directory."""
    plots = into / "plots"
    plots.mkdir(parents=True, exist_ok=True)
    blocks = {program: block(program, figures) for program, figures in every.items()}
    blocks["targets"] = targets(verdicts(every))
    (into / PAGE.name).write_text(filled(PAGE.read_text(), blocks))
    for program, figures in every.items():
        if drawn := chart(program, figures):
            (plots / f"{program}.svg").write_text(drawn)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path)
    parser.add_argument("--into", type=Path)
    options = parser.parse_args()
    every = load(options.results)
    print(printed(verdicts(every)))
    if options.into:
        write(every, options.into)


if __name__ == "__main__":
    main()
