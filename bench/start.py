#!/usr/bin/env python3
"""How long a pod takes to start: from the command to its container's first word.

Each round measures, one after the other:
    F       the floor: bare QEMU to the first instruction of user space (see floor.py)
    start   `vmpod run` of a pod with one container, images cached, to the first byte that it prints
    ps      `vmpod ps`, and --help, against `python3 -c pass` with the same interpreter

    bench/start.py [--rounds 5] [--accel tcg|kvm] [--json FILE]
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import common
from bench.common import VMPOD, seconds
from bench.floor import seconds as floor_seconds
from vmpod.guestimage.store import GuestStore
from vmpod.paths import default_paths
from vmpod.progress import SILENT


def start_seconds(pod: Path, accel: str) -> float:
    """One start, from the command's own start to the first byte of the container's output."""
    argv = [*VMPOD, "run", "--quiet", "--rm", "--accel", accel, str(pod)]
    begin = time.monotonic()
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as command:
        assert command.stdout is not None
        first = command.stdout.read(1)
        taken = time.monotonic() - begin
        command.stdout.read()
    if not first or command.returncode != 0:
        sys.exit(f"the pod failed with {command.returncode}")
    return taken


def measures(pod: Path, accel: str) -> dict[str, Callable[[], float]]:
    """What is measured, by name."""
    image = GuestStore(default_paths().guests).ensure(SILENT)
    return {
        "F": lambda: floor_seconds(image, accel),
        "start": lambda: start_seconds(pod, accel),
        "python3 -c pass": lambda: seconds([sys.executable, "-c", "pass"]),
        "vmpod --help": lambda: seconds([*VMPOD, "--help"]),
        "vmpod ps": lambda: seconds([*VMPOD, "ps"]),
    }


def run(rounds: int, accel: str) -> common.Taken:
    """The seconds of every round, by name."""
    with common.image(), tempfile.NamedTemporaryFile("w", suffix=".yaml") as pod:
        pod.write(common.manifest(f"bench-start-{os.getpid()}", ["echo", "started"]))
        pod.flush()
        return common.rounds(measures(Path(pod.name), accel), rounds)


def report(taken: common.Taken) -> None:
    """Print medians, spreads and ratios."""
    print(common.machine())
    for name, values in taken.items():
        print(common.line(name, values))
    for over, under in (("start", "F"), ("vmpod --help", "python3 -c pass"), ("vmpod ps", "python3 -c pass")):
        pairs = [one / other for one, other in zip(taken[over], taken[under], strict=True)]
        ratio = statistics.median(taken[over]) / statistics.median(taken[under])
        print(f"{over} / {under}: {ratio:.2f} of the medians; round by round {statistics.median(pairs):.2f}")


def main() -> None:
    options = common.options(__doc__).parse_args()
    taken = run(options.rounds, options.accel)
    report(taken)
    common.write(options.json, taken)


if __name__ == "__main__":
    main()
