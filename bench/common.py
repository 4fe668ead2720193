"""What the benchmarks share: a pod to measure, commands that are timed, and medians."""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.images import busybox_archive
from vmpod.paths import default_paths
from vmpod.state.record import Record
from vmpod.state.store import PodStore

VMPOD = [sys.executable, "-m", "vmpod"]
IMAGE = "localhost/vmpod-bench:latest"
IDLE = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 60 & wait $!; done"]
"""A command of the image that does nothing until it is told to end."""

_LOAD = os.getloadavg()[0]

Taken = dict[str, list[float]]


@contextmanager
def image() -> Iterator[Path]:
    """An oci-archive of busybox; its image is in vmpod's store under the name IMAGE."""
    with tempfile.TemporaryDirectory() as name:
        archive = busybox_archive(Path(name) / "image.tar", IMAGE)
        subprocess.run([*VMPOD, "image", "load", "-q", archive], check=True, stdout=subprocess.DEVNULL)
        yield archive


def manifest(name: str, command: list[str]) -> str:
    """A pod with one container that runs a command of busybox, as YAML (which JSON is)."""
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name},
            "spec": {
                "restartPolicy": "Never",
                "containers": [{"name": "main", "image": IMAGE, "command": command}],
            },
        }
    )


@contextmanager
def running(what: str, accel: str, command: list[str]) -> Iterator[str]:
    """The name of a pod that runs a command until the end of the block. The image has to be in the store."""
    name = f"bench-{what}-{os.getpid()}"
    run = [*VMPOD, "run", "--quiet", "--detach", "--accel", accel, "-"]
    subprocess.run(run, input=manifest(name, command), text=True, check=True, stdout=subprocess.DEVNULL)
    try:
        yield name
    finally:
        subprocess.run([*VMPOD, "rm", "--force", name], check=True, stdout=subprocess.DEVNULL)


def record(name: str) -> Record:
    """What vmpod has written down about a pod."""
    return PodStore(default_paths()).find(name).record


def pods() -> set[str]:
    """The names of all pods that are there."""
    return {entry.record.name for entry in PodStore(default_paths()).list()}


def qemu(of: Record) -> int:
    """The process of the pod's machine."""
    assert of.qemu is not None
    return of.qemu.pid


def seconds(argv: list[str], **streams: int) -> float:
    """A whole command, its output thrown away."""
    begin = time.monotonic()
    subprocess.run(argv, check=True, **({"stdout": subprocess.DEVNULL} | streams))  # type: ignore[call-overload]
    return time.monotonic() - begin


def own_cpu() -> float:
    """Processor seconds of this process and of its children that have ended."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(usage.ru_utime + usage.ru_stime for usage in map(resource.getrusage, kinds))


def process_cpu(pid: int) -> float:
    """Processor seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rounds(every: Mapping[str, Callable[[], float]], count: int, *, first: bool = True) -> Taken:
    """Measure everything once in each round, in turn; with first, once more before, for the caches."""
    taken: Taken = {name: [] for name in every}
    if first:
        for measure in every.values():
            measure()
    for number in range(count):
        print(f"round {number + 1} of {count}", file=sys.stderr)
        for name, measure in every.items():
            taken[name].append(measure())
    return taken


def measured_rounds(noted: Taken) -> Taken:
    """What the measures of rounds() noted by themselves, without the one before, which was for the caches."""
    return {name: values[1:] for name, values in noted.items()}


def machine() -> str:
    """The machine in a line, with its load of the minute before anything was measured."""
    model = next(
        (
            line.partition(": ")[2]
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    linux = platform.release().partition("-")[0]
    return f"{os.cpu_count()} x {model}, Linux {linux}, QEMU {_qemu_version()}, load {_LOAD:.1f}"


def _qemu_version() -> str:
    told = subprocess.run(["qemu-system-x86_64", "--version"], check=True, stdout=subprocess.PIPE, text=True)
    return told.stdout.split()[3]


def line(name: str, values: list[float], unit: str = "s", digits: int = 3) -> str:
    """Median and spread of a measure."""
    median, least, most = statistics.median(values), min(values), max(values)
    return f"{name:24}  {median:8.{digits}f} {unit}  ({least:.{digits}f} to {most:.{digits}f})"


def numbers(text: str) -> list[int]:
    """What `1,5,20` says. Raises ValueError."""
    return [int(word) for word in text.split(",")]


def options(description: str | None, *, rounds: int = 5) -> argparse.ArgumentParser:
    """The options that every benchmark has."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--accel", choices=("kvm", "tcg"), default="tcg")
    parser.add_argument("--json", type=Path, help="write every figure to this file, for bench/report.py")
    return parser


def write(options: argparse.Namespace, taken: Taken) -> None:
    """Write every figure to a file, if one is wanted."""
    if options.json:
        figures = {"machine": machine(), "accelerator": options.accel, "taken": taken}
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
