#!/usr/bin/env python3
"""How long a pod takes to start: from the command to its container's first word.

Each round measures, one after the other:
    F       the floor: bare QEMU to the first instruction of user space (see floor.py)
    start   `vmpod run` of a pod with one container, images cached, to the first byte that it prints
    ps      `vmpod ps`, and --help, against `python3 -c pass` with the same interpreter

QEMU's processor seconds until then stand beside F and start: on a machine that others use they say more.

    bench/start.py [--rounds 5] [--accel tcg|kvm] [--json FILE]
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import common
from bench.common import VMPOD, seconds
from bench.floor import measured as floor
from vmpod.guestimage.store import GuestStore
from vmpod.paths import default_paths
from vmpod.progress import SILENT

CPU = "{}, QEMU's CPU"


class Start:
    """Measures starts, and keeps what QEMU used for them."""

    def __init__(self, pod: Path, name: str, accel: str) -> None:
        self._argv = [*VMPOD, "run", "--quiet", "--rm", "--accel", accel, str(pod)]
        self._name = name
        self._accel = accel
        self._image = GuestStore(default_paths().guests).ensure(SILENT)
        self.cpu: common.Taken = {CPU.format("F"): [], CPU.format("start"): []}

    def floor(self) -> float:
        """Bare QEMU to the first instruction of user space."""
        taken, used = floor(self._image, self._accel)
        self.cpu[CPU.format("F")].append(used)
        return taken

    def start(self) -> float:
        """From the command's own start to the first byte of the container's output."""
        begin = time.monotonic()
        with subprocess.Popen(self._argv, stdout=subprocess.PIPE) as command:
            assert command.stdout is not None
            first = command.stdout.read(1)
            taken = time.monotonic() - begin
            if first:
                qemu = common.qemu(common.record(self._name))
                self.cpu[CPU.format("start")].append(common.process_cpu(qemu))
            command.stdout.read()
        if not first or command.returncode != 0:
            sys.exit(f"the pod failed with {command.returncode}")
        return taken


def run(rounds: int, accel: str) -> common.Taken:
    """The seconds of every round, by name."""
    name = f"bench-start-{os.getpid()}"
    with common.image(), tempfile.NamedTemporaryFile("w", suffix=".yaml") as pod:
        # It stays until somebody has looked at its machine.
        pod.write(common.manifest(name, ["sh", "-c", "echo started; sleep 1"]))
        pod.flush()
        start = Start(Path(pod.name), name, accel)
        every = {
            "F": start.floor,
            "start": start.start,
            "python3 -c pass": lambda: seconds([sys.executable, "-c", "pass"]),
            "vmpod --help": lambda: seconds([*VMPOD, "--help"]),
            "vmpod ps": lambda: seconds([*VMPOD, "ps"]),
        }
        return common.rounds(every, rounds) | common.measured_rounds(start.cpu)


def report(taken: common.Taken) -> None:
    """Print medians, spreads and ratios."""
    print(common.machine())
    for name, values in taken.items():
        print(common.line(name, values))
    compared = [("start", "F"), (CPU.format("start"), CPU.format("F"))]
    compared += [("vmpod --help", "python3 -c pass"), ("vmpod ps", "python3 -c pass")]
    for over, under in compared:
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
