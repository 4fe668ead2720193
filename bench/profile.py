#!/usr/bin/env python3
"""Where the time of a start goes, as the host sees it.

Each round starts a pod (`vmpod run --detach`), booted and from a template in turn, with libvirt's debug log
on, and takes it apart at marks of that log:
    command         until libvirt is opened: Python, its imports, the manifest, the disks
    libvirt         until it executes QEMU
    QEMU            until it answers for the first time
    monitor         until its last answer to libvirt: the machine's state loads here, if it is from a template
    guest           until the command ends, as the pod is Ready: boot or awakening, agent, container

Of these, by themselves:
    imports         what `python -X importtime` sums up in a further start
    round trips     of the monitor, all together, except for the first

The largest of the imports and round trips are printed.

    bench/profile.py [--rounds 5] [--accel tcg|kvm] [--json FILE]
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import common, kinds, many
from bench.figures import PHASES, largest

_FILTERS = "1:qemu.qemu_monitor 1:qemu.qemu_process"
_LINE = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}\+0000): \d+: \w+ : (.*)")
_SENT = re.compile(r'qemuMonitorSend:.*msg=\{"execute":"([^"]+)".*"id":"(libvirt-\d+)"')
_REPLY = re.compile(r'QEMU_MONITOR_RECV_REPLY:.*"id": "(libvirt-\d+)"')
_EXECUTED = "Handshake complete, child running"
_IMPORT = re.compile(r"import time: +(\d+) \| +\d+ \| +(\S+)")
IMPORTS = "imports"
TRIPS = "round trips"
SHOWN = 8


@dataclass(frozen=True)
class Log:
    """What libvirt's log tells of one start.

    opened, executed, answered, last: seconds since the epoch, as PHASES end. trips: each command of the
    monitor after the first and the seconds until its answer.
    """

    opened: float
    executed: float
    answered: float
    last: float
    trips: tuple[tuple[str, float], ...]


def read_log(text: str) -> Log:
    """Raises ValueError if it is not of a whole start."""
    opened = executed = None
    sent: dict[str, tuple[str, float]] = {}
    answers: list[tuple[str, float, float]] = []
    for line in text.splitlines():
        if not (found := _LINE.match(line)):
            continue
        at, words = datetime.fromisoformat(found[1]).timestamp(), found[2]
        if opened is None:
            opened = at
        if words.endswith(_EXECUTED):
            executed = at
        elif message := _SENT.match(words):
            sent[message[2]] = (message[1], at)
        elif (reply := _REPLY.search(words)) and reply[1] in sent:
            command, begin = sent.pop(reply[1])
            answers.append((command, begin, at))
    if opened is None or executed is None or not answers:
        raise ValueError("the log is not of a whole start")
    trips = tuple((command, end - begin) for command, begin, end in answers[1:])
    return Log(opened, executed, answers[0][2], answers[-1][2], trips)


def phases(begin: float, log: Log, end: float) -> dict[str, float]:
    """The seconds of each part of a start that began and ended then."""
    marks = [begin, log.opened, log.executed, log.answered, log.last, end]
    return {name: marks[index + 1] - marks[index] for index, name in enumerate(PHASES)}


def read_imports(text: str) -> Counter[str]:
    """Microseconds of imports, by package (two levels), from what `-X importtime` writes."""
    taken: Counter[str] = Counter()
    for found in _IMPORT.finditer(text):
        taken[".".join(found[2].split(".")[:2])] += int(found[1])
    return taken


class Profile:
    """Starts one pod again and again, and sums up what it took."""

    def __init__(self, name: str, accel: str, directory: Path) -> None:
        self._name = name
        self._accel = accel
        self._log = directory / "log"
        self._pod = directory / "pod.json"
        self._pod.write_text(common.manifest(name, common.IDLE))
        self.taken: common.Taken = {}
        self.imports: dict[str, Counter[str]] = {}
        self.trips: dict[str, dict[str, list[float]]] = {}

    def start(self, kind: str) -> None:
        """One start with the log, and one with the imports."""
        self._log.unlink(missing_ok=True)
        noted = {"LIBVIRT_LOG_FILTERS": _FILTERS, "LIBVIRT_LOG_OUTPUTS": f"1:file:{self._log}"}
        begin = time.time()
        self._run(kind, [], noted)
        end = time.time()
        log = read_log(self._log.read_text(errors="replace"))
        for name, seconds in phases(begin, log, end).items():
            self._add(kind, name, seconds)
        for command, seconds in log.trips:
            self.trips.setdefault(kind, {}).setdefault(command, []).append(seconds)
        self.imports[kind] = read_imports(self._run(kind, ["-X", "importtime"], {}))
        self._add(kind, f"of it {IMPORTS}", self.imports[kind].total() / 1e6)
        self._add(kind, f"of it {TRIPS}", sum(seconds for _, seconds in log.trips))

    def _add(self, kind: str, name: str, seconds: float) -> None:
        self.taken.setdefault(f"{kind}, {name}", []).append(seconds)

    def _run(self, kind: str, python: list[str], environment: Mapping[str, str]) -> str:
        """What the command wrote to stderr."""
        words = ["run", "--quiet", "--detach", "--accel", self._accel, *kinds.kinds()[kind], str(self._pod)]
        argv = [common.VMPOD[0], *python, *common.VMPOD[1:], *words]
        done = subprocess.run(argv, env=os.environ | environment, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"the pod failed with {done.returncode}: {done.stderr}")
        kinds.check(kind, self._name)
        many.remove([self._name])
        return done.stderr


def report(profile: Profile, rounds: int) -> Iterable[str]:
    """What to print, line by line."""
    for name, values in profile.taken.items():
        yield common.line(name, values)
    for kind, imports in profile.imports.items():
        first = largest(profile.taken, kind)[:3]
        parts = ", ".join(f"{name} {seconds:.3f} s ({share:.0%})" for name, seconds, share in first)
        yield f"\n{kind}, the largest parts: {parts}"
        packages = ", ".join(f"{name} {taken / 1000:.1f}" for name, taken in imports.most_common(SHOWN))
        yield f"{kind}, imports in ms: {packages}"
        trips = profile.trips[kind]
        most = sorted(trips, key=lambda command: -sum(trips[command]))[:SHOWN]
        told = (
            f"{command} {sum(trips[command]) / rounds * 1000:.1f} ({len(trips[command]) / rounds:.0f} times)"
            for command in most
        )
        yield f"{kind}, round trips in ms: {', '.join(told)}"


def main() -> None:
    options = common.options(__doc__).parse_args()
    name = kinds.pod_name("profile")
    with common.image(), tempfile.TemporaryDirectory() as directory:
        kinds.prepare(options.accel)
        profile = Profile(name, options.accel, Path(directory))
        try:
            for index in range(options.rounds):
                print(f"round {index + 1} of {options.rounds}", file=sys.stderr)
                for kind in kinds.kinds():
                    profile.start(kind)
        finally:
            many.remove([name])
    print(common.machine())
    print("\n".join(report(profile, options.rounds)))
    common.write(options, profile.taken)


if __name__ == "__main__":
    main()
