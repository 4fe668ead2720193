#!/usr/bin/env python3
"""How long a command takes in a pod that runs: `true`, which does nothing itself.

Each round measures, one after the other:
    command         `vmpod exec POD -- true`, from the command's start to its end
    session         the same over a session that is open already: what the guest and the channel take
    vmpod --help    the command without any work: what `command` takes more is exec's
    python3 -c pass the interpreter alone
    podman          `podman exec CONTAINER true` of the same image, where podman runs

Processor seconds stand beside them, as other processes do not change those as much: the command's own, and
those of QEMU.

    bench/exec.py [--rounds 20] [--accel tcg|kvm] [--json FILE]
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import common
from bench.peer import podman
from vmpod.client.session import Session, session
from vmpod.wire import frames, messages


def in_session(found: Session) -> float:
    """Seconds from the request to the exit code."""
    begin = time.monotonic()
    found.open(messages.EXEC, {"container": "", "argv": ["true"], "stdin": False, "tty": False})
    while True:
        frame = found.receive(60.0)
        if frame.kind == frames.END:
            return time.monotonic() - begin
        if frame.kind == frames.ERROR:
            sys.exit(f"the command failed: {frame.payload.decode(errors='replace')}")


def measured(accel: str, count: int) -> common.Taken:
    """The seconds of every round, by name."""
    cpu: common.Taken = {"command, host's CPU": [], "command, QEMU's CPU": []}
    with ExitStack() as stack:
        archive = stack.enter_context(common.image())
        name = stack.enter_context(common.running("exec", accel, common.IDLE))
        peer = stack.enter_context(podman(archive))
        container = stack.enter_context(peer.running(common.IDLE)) if peer else None
        record = common.record(name)
        found = stack.enter_context(session(record.sockets))
        qemu = common.qemu(record)

        def whole() -> float:
            own, guest = common.own_cpu(), common.process_cpu(qemu)
            spent = common.seconds([*common.VMPOD, "exec", name, "--", "true"])
            cpu["command, host's CPU"].append(common.own_cpu() - own)
            cpu["command, QEMU's CPU"].append(common.process_cpu(qemu) - guest)
            return spent

        every: dict[str, Callable[[], float]] = {
            "command": whole,
            "session": lambda: in_session(found),
            "vmpod --help": lambda: common.seconds([*common.VMPOD, "--help"]),
            "python3 -c pass": lambda: common.seconds([sys.executable, "-c", "pass"]),
        }
        if container:
            every["podman"] = lambda: common.seconds([*container, "true"])
        return common.rounds(every, count) | common.measured_rounds(cpu)


def main() -> None:
    parser = common.options(__doc__, rounds=20)
    options = parser.parse_args()
    taken = measured(options.accel, options.rounds)
    print(common.machine())
    for name, values in taken.items():
        print(common.line(name, values))
    more = statistics.median(taken["command"]) - statistics.median(taken["vmpod --help"])
    print(f"command - vmpod --help: {more * 1000:.0f} ms between the medians")
    if "podman" in taken:
        ratio = statistics.median(taken["command"]) / statistics.median(taken["podman"])
        print(f"command / podman: {ratio:.2f} of the medians")
    common.write(options, taken)


if __name__ == "__main__":
    main()
