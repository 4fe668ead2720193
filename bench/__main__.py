"""Measures everything and tells what came of it: what `./dev bench` runs.

The page with tables and charts goes to build/bench/README.md, the figures to build/bench/results. --publish
writes both into bench/ as well, where they are kept. Programs that are left out keep what they measured last.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from bench import report
from bench.figures import load, verdicts

TOP = Path(__file__).resolve().parent.parent
BUILD = TOP / "build/bench"


@dataclass(frozen=True)
class Program:
    """How often a program measures, and what it is told besides, by default and if it is to be quick."""

    rounds: int
    quick_rounds: int
    quick: tuple[str, ...] = ()


PROGRAMS = {
    "start": Program(7, 2),
    "exec": Program(20, 5),
    "fork": Program(5, 1),
    "scale": Program(3, 1),
    "memory": Program(3, 1, ("--settle", "5")),
    "profile": Program(5, 1),
    "ps": Program(5, 1),
    "channel": Program(3, 1, ("--megabytes", "20")),
    "ssh": Program(3, 1, ("--megabytes", "20")),
    "image": Program(3, 1),
}


def command(name: str, options: argparse.Namespace) -> list[str]:
    """The program's command line."""
    program = PROGRAMS[name]
    rounds = options.rounds or (program.quick_rounds if options.quick else program.rounds)
    words = [sys.executable, str(TOP / "bench" / f"{name}.py"), "--rounds", str(rounds)]
    words += ["--accel", options.accel, "--json", str(BUILD / "results" / f"{name}.json")]
    return words + list(program.quick if options.quick else ())


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(
        prog="./dev bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("only", nargs="*", metavar="PROGRAM", help=f"some of: {' '.join(PROGRAMS)}")
    parser.add_argument("--quick", action="store_true", help="a few rounds: minutes, and rough figures")
    parser.add_argument("--rounds", type=int, help="so many of each program")
    parser.add_argument("--accel", choices=("kvm", "tcg"), default="tcg")
    parser.add_argument("--publish", action="store_true", help="keep the figures in bench/")
    options = parser.parse_args(argv)
    if unknown := set(options.only) - set(PROGRAMS):
        parser.error(f"there is no program {', '.join(sorted(unknown))}")
    return options


def main() -> int:
    """Run the programs one after the other: 1 if one of them failed."""
    options = parse()
    figures = BUILD / "results"
    figures.mkdir(parents=True, exist_ok=True)
    failed = []
    for name in options.only or PROGRAMS:
        print(f"\n{name}", flush=True)
        # What this vmpod cannot do writes nothing, and what fails neither.
        (figures / f"{name}.json").unlink(missing_ok=True)
        if subprocess.run(command(name, options), check=False).returncode:
            failed.append(name)
    every = load(figures)
    report.write(every, BUILD)
    if options.publish:
        kept = TOP / "bench/results"
        shutil.copytree(figures, kept, dirs_exist_ok=True)
        every = load(kept)
        report.write(every, TOP / "bench")
    print(f"\n{report.printed(verdicts(every))}\n\nTables and charts: {BUILD / 'README.md'}")
    for name in failed:
        print(f"{name} failed", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
