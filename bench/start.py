#!/usr/bin/env python3
"""How long a pod takes to start: from the command to its container's first word.

Each round measures, one after the other:
    F       the floor: bare QEMU to the first instruction of user space (see floor.py)
    start   `vmpod run` of a pod with one container, images cached, to the first byte that it prints
    ps      `vmpod ps`, and --help, against `python3 -c pass` with the same interpreter

    bench/start.py [--rounds 5] [--accel tcg|kvm] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.floor import seconds as floor_seconds
from tests.images import busybox_archive
from vmpod.guestimage.store import GuestStore
from vmpod.paths import default_paths
from vmpod.progress import SILENT

VMPOD = [sys.executable, "-m", "vmpod"]
NAME = f"bench-start-{os.getpid()}"
IMAGE = "localhost/vmpod-bench:latest"
POD = f"""\
apiVersion: v1
kind: Pod
metadata: {{name: {NAME}}}
spec:
  restartPolicy: Never
  containers:
    - {{name: main, image: {IMAGE}, command: [echo, started]}}
"""


@contextmanager
def manifest() -> Iterator[Path]:
    """A manifest whose image is in the store."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        archive = busybox_archive(directory / "image.tar", IMAGE)
        subprocess.run([*VMPOD, "image", "load", "-q", archive], check=True, stdout=subprocess.DEVNULL)
        path = directory / "pod.yaml"
        path.write_text(POD)
        yield path


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


def command_seconds(*argv: str) -> float:
    """A whole command, its output thrown away."""
    begin = time.monotonic()
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - begin


def measures(pod: Path, accel: str) -> dict[str, Callable[[], float]]:
    """What is measured, by name."""
    image = GuestStore(default_paths().guests).ensure(SILENT)
    return {
        "F": lambda: floor_seconds(image, accel),
        "start": lambda: start_seconds(pod, accel),
        "python3 -c pass": lambda: command_seconds(sys.executable, "-c", "pass"),
        "vmpod --help": lambda: command_seconds(*VMPOD, "--help"),
        "vmpod ps": lambda: command_seconds(*VMPOD, "ps"),
    }


def run(rounds: int, accel: str) -> dict[str, list[float]]:
    """The seconds of every round, by name."""
    taken: dict[str, list[float]] = {}
    with manifest() as pod:
        every = measures(pod, accel)
        for name, measure in every.items():
            measure()  # once for the caches
            taken[name] = []
        for number in range(rounds):
            print(f"round {number + 1} of {rounds}", file=sys.stderr)
            for name, measure in every.items():
                taken[name].append(measure())
    return taken


def machine() -> str:
    """The machine in a line."""
    model = next(
        (
            line.partition(": ")[2]
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    return f"{os.cpu_count()} x {model}, Linux {platform.release()}, load {os.getloadavg()[0]:.1f}"


def report(taken: dict[str, list[float]]) -> None:
    """Print medians, spreads and ratios."""
    print(machine())
    for name, values in taken.items():
        print(f"{name:16}  {statistics.median(values):6.3f} s  ({min(values):.3f} to {max(values):.3f})")
    for over, under in (("start", "F"), ("vmpod --help", "python3 -c pass"), ("vmpod ps", "python3 -c pass")):
        pairs = [one / other for one, other in zip(taken[over], taken[under], strict=True)]
        ratio = statistics.median(taken[over]) / statistics.median(taken[under])
        print(f"{over} / {under}: {ratio:.2f} of the medians; round by round {statistics.median(pairs):.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--accel", choices=("kvm", "tcg"), default="tcg")
    parser.add_argument("--json", type=Path, help="write every figure to this file")
    options = parser.parse_args()
    taken = run(options.rounds, options.accel)
    report(taken)
    if options.json:
        options.json.write_text(json.dumps({"machine": machine(), "seconds": taken}, indent=1) + "\n")


if __name__ == "__main__":
    main()
