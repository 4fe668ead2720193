#!/usr/bin/env python3
"""How long it takes until many pods are Ready, each started by a `vmpod run --detach` of its own, at once.

Each round measures 1, 5 and 20 pods, booted (cold) and from a template (warm, where vmpod has them). What
counts is the ratio of 20 to 1.

    bench/scale.py [--rounds 3] [--accel tcg|kvm] [--json FILE] [--pods 1,5,20]
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import common, kinds
from bench.many import Many, many


def at_once(pods: Many, kind: str, number: int) -> float:
    """Seconds until so many are Ready; then they are removed."""
    taken = pods.start(kind, number)
    pods.remove()
    return taken


def measured(accel: str, rounds: int, numbers: list[int]) -> common.Taken:
    """The seconds of every round, by kind and number."""
    with common.image(), many("scale", accel) as pods:
        kinds.prepare(accel)
        every: dict[str, Callable[[], float]] = {}
        for number in numbers:
            for kind in kinds.kinds():
                every[f"{kind}, {number}"] = partial(at_once, pods, kind, number)
        for kind in kinds.kinds():  # for the caches, once
            at_once(pods, kind, 1)
        return common.rounds(every, rounds, first=False)


def main() -> None:
    parser = common.options(__doc__, rounds=3)
    parser.add_argument(
        "--pods", type=common.numbers, default=[1, 5, 20], help="how many, with commas in between"
    )
    options = parser.parse_args()
    taken = measured(options.accel, options.rounds, options.pods)
    print(common.machine())
    for name, values in taken.items():
        print(common.line(name, values))
    least, most = min(options.pods), max(options.pods)
    for kind in kinds.kinds():
        ratio = statistics.median(taken[f"{kind}, {most}"]) / statistics.median(taken[f"{kind}, {least}"])
        print(f"{kind}: {most} pods take {ratio:.1f} times as long as {least}")
    common.write(options, taken)


if __name__ == "__main__":
    main()
