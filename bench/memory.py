#!/usr/bin/env python3
"""How much of the host's memory an idle pod takes: QEMU's pages, of 1, 5 and 20 pods that run at once.

    private         pages that no other process maps (Private_Clean and Private_Dirty of smaps_rollup)
    proportional    those, and of the shared ones the part that falls to each who maps them (Pss)

In MB (10^6 bytes), the mean of the pods. Booted (cold) and from a template (warm, where vmpod has them), in
turn. A page of a template that only one copy has read counts as that copy's own, though it is in the host's
page cache once, whoever reads it next: a copy's private memory is what it is with several of them.
A pod is looked at --settle seconds after it is Ready, as it gives free pages back to the host.

    bench/memory.py [--rounds 3] [--accel tcg|kvm] [--json FILE] [--pods 1,5,20] [--settle 10]
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import common, kinds
from bench.many import Many, many


def sizes(rollup: str) -> tuple[float, float]:
    """Private and proportional memory in MB, from the text of a process' smaps_rollup, which counts KiB."""
    fields: dict[str, int] = {}
    for line in rollup.splitlines()[1:]:
        name, _, rest = line.partition(":")
        fields[name] = int(rest.split()[0])
    private = fields["Private_Clean"] + fields["Private_Dirty"]
    return private * 1024 / 1e6, fields["Pss"] * 1024 / 1e6


def look(pods: Many) -> tuple[float, float]:
    """Private and proportional memory of the pods' machines: means."""
    found = []
    for name in pods.names:
        pid = common.qemu(common.record(name))
        found.append(sizes(Path(f"/proc/{pid}/smaps_rollup").read_text()))
    private, proportional = zip(*found, strict=True)
    return statistics.fmean(private), statistics.fmean(proportional)


def measured(accel: str, rounds: int, numbers: list[int], settle: float) -> common.Taken:
    """The MB of every round, by kind and number of pods."""
    taken: common.Taken = {}
    with common.image(), many("memory", accel) as pods:
        kinds.prepare(accel)
        for index in range(rounds):
            print(f"round {index + 1} of {rounds}", file=sys.stderr)
            for kind in kinds.kinds():
                for number in sorted(numbers):
                    pods.start(kind, number - len(pods.names))
                    time.sleep(settle)
                    private, proportional = look(pods)
                    taken.setdefault(f"{kind}, {number}, private", []).append(private)
                    taken.setdefault(f"{kind}, {number}, proportional", []).append(proportional)
                pods.remove()
    return taken


def main() -> None:
    parser = common.options(__doc__, rounds=3)
    parser.add_argument(
        "--pods", type=common.numbers, default=[1, 5, 20], help="how many, with commas in between"
    )
    parser.add_argument("--settle", type=float, default=10.0, help="seconds")
    options = parser.parse_args()
    taken = measured(options.accel, options.rounds, options.pods, options.settle)
    print(common.machine())
    for name, values in taken.items():
        print(common.line(name, values, "MB", 1))
    most = f"{max(options.pods)}, private"
    if f"{kinds.WARM}, {most}" in taken:
        clone, booted = (statistics.median(taken[f"{kind}, {most}"]) for kind in (kinds.WARM, kinds.COLD))
        print(f"private memory of a clone / of a booted one: {clone / booted:.2f}")
    common.write(options, taken)


if __name__ == "__main__":
    main()
