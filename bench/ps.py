#!/usr/bin/env python3
"""How long `vmpod ps --all` takes with many stopped pods, and with none.

The pods were never started: their records and journal disks are written here, by the code that writes real
ones, with what a pod of two containers tells that ran, failed a few times and wrote 1 MB.

    bench/ps.py [--pods 200] [--rounds 5] [--json FILE]
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
    _top = Path(__file__).resolve().parent.parent
    sys.path[:0] = [str(_top), str(_top / "vmpod/guest-agent")]

from bench import common
from tests.unit.state import records

TOP = Path(__file__).resolve().parent.parent
FAILURES = 5
"""How often each container had failed."""


def make_pods(home: Path, number: int) -> None:
    """Put stopped pods into a home (VMPOD_HOME)."""
    store = records.store(home)
    history = [records.agent(), records.whole("Pending"), records.one("i", records.ended(0, "Completed"))]
    for restarts in range(FAILURES):
        last = records.ended(1)["terminated"] if restarts else None
        for name in ("a", "b"):
            history.append(records.one(name, records.RUNNING, restarts=restarts, last=last))
            history.append(records.one(name, records.ended(1), restarts=restarts, last=last))
        history.append(records.whole("Running", ready=True))
    history.append(records.whole("Failed"))
    output = [line for text in range(1000) for line in records.output_line("a/0", b"%0999d" % text)]
    for index in range(number):
        record = records.record(f"pod-{index}", uid=f"{index:08}-1234-5678-1234-567812345678", stopped=True)
        records.keep(store, record, *history, output=output)


def ps_seconds(home: Path, pods: int) -> float:
    """One `vmpod ps --all`, which lists that many."""
    environment = os.environ | {"VMPOD_HOME": str(home), "PYTHONPATH": str(TOP)}
    argv = [sys.executable, "-m", "vmpod", "ps", "--all"]
    begin = time.monotonic()
    done = subprocess.run(argv, check=True, stdout=subprocess.PIPE, env=environment)
    taken = time.monotonic() - begin
    if done.stdout.count(b"\npod-") != pods:
        sys.exit(f"ps lists {done.stdout.decode()}, not {pods} pods")
    return taken


def measured(pods: int, count: int) -> common.Taken:
    """The seconds of every round, with none and with the pods."""
    with tempfile.TemporaryDirectory(prefix="vb", dir="/tmp") as name:
        none, many = Path(name, "none"), Path(name, "many")
        make_pods(many, pods)
        every = {
            "ps --all, no pods": lambda: ps_seconds(none, 0),
            f"ps --all, {pods} pods": lambda: ps_seconds(many, pods),
        }
        return common.rounds(every, count)


def main() -> None:
    parser = common.options(__doc__)
    parser.add_argument("--pods", type=int, default=200)
    options = parser.parse_args()
    taken = measured(options.pods, options.rounds)
    print(common.machine())
    for name, values in taken.items():
        print(common.line(name, values))
    none, many = map(statistics.median, taken.values())
    each = (many - none) / options.pods * 1000
    print(f"{options.pods} stopped pods cost {many - none:.3f} s, {each:.2f} ms each")
    common.write(options, taken)


if __name__ == "__main__":
    main()
