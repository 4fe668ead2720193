#!/usr/bin/env python3
"""How long a pod takes to start: until its container runs, and until it is Ready.

Each round measures, one after the other:
    F                   the floor: bare QEMU to the first instruction of user space (see floor.py)
    cold, first byte    `vmpod run --no-template` of a pod with one container, images cached, to the arrival
                        of the first byte that the container prints, which is the first thing it does
    cold, Ready         `vmpod run --no-template --detach` of the same, to its end
    warm, ...           the same from a template, where vmpod has them; a pod that boots after all is refused
    podman, ...         `podman kube play` of the same manifest and image, where podman runs, without a
                        network: to the first byte in the container's log, and to the command's end
    ps, --help          `vmpod ps`, and --help, against `python3 -c pass` with the same interpreter

QEMU's processor seconds until the first byte stand beside F and the starts: on a machine that others use they
say more.

    bench/start.py [--rounds 5] [--accel tcg|kvm] [--json FILE]
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import common, kinds, many
from bench.common import VMPOD, seconds
from bench.floor import measured as floor
from bench.peer import podman
from vmpod.guestimage.store import GuestStore
from vmpod.paths import default_paths
from vmpod.progress import SILENT

CPU = "{}, QEMU's CPU"
# It stays until somebody has looked at its machine.
COMMAND = ["sh", "-c", "echo started; sleep 2"]


class Start:
    """Measures starts, and keeps what QEMU used for them."""

    def __init__(self, pod: Path, name: str, accel: str) -> None:
        self._pod = pod
        self._name = name
        self._accel = accel
        self._image = GuestStore(default_paths().guests).ensure(SILENT)
        self.cpu: common.Taken = {}

    def floor(self) -> float:
        """Bare QEMU to the first instruction of user space."""
        taken, used = floor(self._image, self._accel)
        self._used("F", used)
        return taken

    def first_byte(self, kind: str) -> float:
        """From the command's own start to the first byte of the container's output."""
        begin = time.monotonic()
        with subprocess.Popen(self._run(kind, "--rm"), stdout=subprocess.PIPE) as command:
            assert command.stdout is not None
            first = command.stdout.read(1)
            taken = time.monotonic() - begin
            if first:
                self._used(kind, common.process_cpu(common.qemu(common.record(self._name))))
                kinds.check(kind, self._name)
            command.stdout.read()
        if not first or command.returncode != 0:
            sys.exit(f"the pod failed with {command.returncode}")
        return taken

    def ready(self, kind: str) -> float:
        """The whole command that returns when the pod is Ready."""
        taken = seconds(self._run(kind, "--detach"))
        kinds.check(kind, self._name)
        many.remove([self._name])
        return taken

    def _run(self, kind: str, mode: str) -> list[str]:
        options = ["--quiet", "--accel", self._accel, mode, *kinds.kinds()[kind]]
        return [*VMPOD, "run", *options, str(self._pod)]

    def _used(self, what: str, cpu: float) -> None:
        self.cpu.setdefault(CPU.format(what), []).append(cpu)


def run(rounds: int, accel: str) -> common.Taken:
    """The seconds of every round, by name."""
    name = kinds.pod_name("start")
    with ExitStack() as stack:
        archive = stack.enter_context(common.image())
        peer = stack.enter_context(podman(archive))
        pod = Path(stack.enter_context(tempfile.TemporaryDirectory()), "pod.yaml")
        pod.write_text(common.manifest(name, COMMAND))
        kinds.prepare(accel)
        stack.callback(many.remove, [name])
        start = Start(pod, name, accel)
        every: dict[str, Callable[[], float]] = {"F": start.floor}
        for kind in kinds.kinds():
            every[f"{kind}, first byte"] = partial(start.first_byte, kind)
            every[f"{kind}, Ready"] = partial(start.ready, kind)
        if peer:
            every["podman, first byte"] = partial(peer.first_byte, pod, name)
            every["podman, command"] = partial(peer.started, pod, name)
        every |= {
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
    compared = [(name, "F") for name in taken if name.endswith("first byte")]
    compared += [(CPU.format(kind), CPU.format("F")) for kind in kinds.kinds()]
    compared += [("vmpod --help", "python3 -c pass"), ("vmpod ps", "python3 -c pass")]
    for over, under in compared:
        pairs = [one / other for one, other in zip(taken[over], taken[under], strict=True)]
        ratio = statistics.median(taken[over]) / statistics.median(taken[under])
        print(f"{over} / {under}: {ratio:.2f} of the medians; round by round {statistics.median(pairs):.2f}")


def main() -> None:
    options = common.options(__doc__).parse_args()
    taken = run(options.rounds, options.accel)
    report(taken)
    common.write(options, taken)


if __name__ == "__main__":
    main()
