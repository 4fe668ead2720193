#!/usr/bin/env python3
"""How long a command takes in a pod that runs: `true`, which does nothing itself.

Each round measures, one after the other:
    command         `vmpod exec POD -- true`, from the command's start to its end
    session         the same over a session that is open already: what the guest and the channel take
    python3 -c pass the interpreter alone, for the host's part of `command`
    podman          `podman exec CONTAINER true` of the same image, where podman runs

Processor seconds stand beside them, as other processes do not change those as much: the command's own, and
those of QEMU.

    bench/exec.py [--rounds 20] [--accel tcg|kvm] [--json FILE]

On a host with hybrid cgroups podman runs where the newer hierarchy is out of sight:
    unshare --mount sh -c 'umount /sys/fs/cgroup/unified; exec bench/exec.py'
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import common
from vmpod.client.session import Session, session
from vmpod.wire import frames, messages

IDLE = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 60 & wait $!; done"]


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


@contextmanager
def podman(archive: Path) -> Iterator[list[str] | None]:
    """The words that run a command in a container of podman's; None where that fails, the reason told."""
    # It may leave mounts there, which go with the host's next start.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        storage = ["--root", f"{name}/root", "--runroot", f"{name}/run", "--cgroup-manager", "cgroupfs"]
        words = ["podman", *storage]
        container = f"bench-exec-{os.getpid()}"
        try:
            _quiet(*words, "pull", f"oci-archive:{archive}")
            # Its own limits are more than some hosts allow to root.
            settings = ["--network=none", "--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"]
            _quiet(*words, "run", "--detach", *settings, "--name", container, common.IMAGE, *IDLE)
        except (OSError, subprocess.CalledProcessError) as error:
            told = error.stderr if isinstance(error, subprocess.CalledProcessError) else str(error)
            print(f"without podman, which does not run here: {told.strip()}", file=sys.stderr)
            yield None
            return
        try:
            yield [*words, "exec", container]
        finally:
            _quiet(*words, "rm", "--force", "--time=0", container)


def _quiet(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True, text=True)


def measured(accel: str, count: int) -> common.Taken:
    """The seconds of every round, by name."""
    cpu: common.Taken = {"command, host's CPU": [], "command, QEMU's CPU": []}
    with ExitStack() as stack:
        archive = stack.enter_context(common.image())
        name = stack.enter_context(common.running("exec", accel, IDLE))
        peer = stack.enter_context(podman(archive))
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
            "python3 -c pass": lambda: common.seconds([sys.executable, "-c", "pass"]),
        }
        if peer:
            every["podman"] = lambda: common.seconds([*peer, "true"])
        return common.rounds(every, count) | common.measured_rounds(cpu)


def main() -> None:
    parser = common.options(__doc__)
    parser.set_defaults(rounds=20)
    options = parser.parse_args()
    taken = measured(options.accel, options.rounds)
    print(common.machine())
    for name, values in taken.items():
        print(common.line(name, values))
    if "podman" in taken:
        ratio = statistics.median(taken["command"]) / statistics.median(taken["podman"])
        print(f"command / podman: {ratio:.2f} of the medians")
    common.write(options.json, taken)


if __name__ == "__main__":
    main()
