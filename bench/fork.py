#!/usr/bin/env python3
"""How long it takes to copy a pod that runs: `vmpod fork POD --count N`, until every copy answers.

Each round measures F, the floor (see floor.py), and 1, 5 and 10 copies: from the command's start until each
of them has run `true` in its container and told its exit code, which is asked for over the channel when the
command has returned. The pod idles. A vmpod that cannot fork is not measured.

    bench/fork.py [--rounds 5] [--accel tcg|kvm] [--json FILE] [--copies 1,5,10]
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import common, kinds, many
from bench.exec import in_session
from bench.floor import measured as floor
from vmpod.client.session import session
from vmpod.guestimage.store import GuestStore
from vmpod.paths import default_paths
from vmpod.progress import SILENT


def forked(name: str, number: int) -> float:
    """Seconds until so many copies have answered; then they are removed."""
    before = common.pods()
    begin = time.monotonic()
    argv = [*common.VMPOD, "fork", name, "--count", str(number)]
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
    copies = common.pods() - before
    for copy in copies:
        with session(common.record(copy).sockets) as found:
            in_session(found)
    taken = time.monotonic() - begin
    many.remove(copies)
    if len(copies) != number:
        sys.exit(f"{len(copies)} copies came of it, not {number}")
    return taken


def measured(accel: str, rounds: int, numbers: list[int]) -> common.Taken:
    """The seconds of every round, by number of copies."""
    image = GuestStore(default_paths().guests).ensure(SILENT)
    with common.image():
        kinds.prepare(accel)
        with common.running("fork", accel, common.IDLE) as name:
            every: dict[str, Callable[[], float]] = {"F": lambda: floor(image, accel)[0]}
            every |= {f"fork, {number}": partial(forked, name, number) for number in numbers}
            return common.rounds(every, rounds)


def main() -> None:
    parser = common.options(__doc__)
    parser.add_argument(
        "--copies", type=common.numbers, default=[1, 5, 10], help="how many, with commas in between"
    )
    options = parser.parse_args()
    if not kinds.can_fork():
        print("this vmpod has no command `fork`: nothing is measured")
        return
    taken = measured(options.accel, options.rounds, options.copies)
    print(common.machine())
    for name, values in taken.items():
        print(common.line(name, values))
    for number in options.copies:
        ratio = statistics.median(taken[f"fork, {number}"]) / statistics.median(taken["F"])
        print(f"{number} copies / F: {ratio:.2f} of the medians")
    common.write(options, taken)


if __name__ == "__main__":
    main()
