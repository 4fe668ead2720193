#!/usr/bin/env python3
"""How long it takes until many pods are Ready, each started by a `vmpod run --detach` of its own, at once.

Each round measures 1, 5 and 20 pods, booted (cold) and from a template (warm, where vmpod has them), and as
many as are most in one manifest. What counts is the ratio of 20 to 1.

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


def at_once(pods: Many, start: Callable[[str, int], float], kind: str, number: int) -> float:
    """Seconds until so many are Ready; then they are removed."""
    taken = start(kind, number)
    pods.remove()
    return taken


def measured(accel: str, rounds: int, numbers: list[int]) -> common.Taken:
    """The seconds of every round, by kind and number."""
    with common.image(), many("scale", accel) as pods:
        kinds.prepare(accel)
        every: dict[str, Callable[[], float]] = {}
        for number in numbers:
            for kind in kinds.kinds():
                every[f"{kind}, {number}"] = partial(at_once, pods, pods.start, kind, number)
        for kind in kinds.kinds():
            most = max(numbers)
            every[f"{kind}, {most} of one manifest"] = partial(at_once, pods, pods.start_of_one, kind, most)
            at_once(pods, pods.start, kind, 1)  # for the caches, once
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
