#!/usr/bin/env python3
"""How fast the way into a pod's machine by SSH is.

Each round measures, one after the other:
    vmpod ssh               `vmpod ssh POD -- true`, from the command's start to its end
    ssh                     `ssh vmpod-POD true`, the same by OpenSSH with what `vmpod ssh-config` prints
    rsync in                `rsync -a` of a tree into the machine, in MB (10^6 bytes) a second
    rsync out               the same tree out of it
    rsync to loopback       the same tree to an sshd on this host's loopback, where sshd is installed
    rsync from loopback     and back

The tree is of files of a megabyte that cannot be compressed. What has gone in and come out again is compared
with it, byte by byte.

    bench/ssh.py [--rounds 3] [--accel tcg|kvm] [--json FILE] [--megabytes 200] [--sshd PATH]
"""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import common

MB = 1_000_000
_PATIENCE = 20.0  # seconds for an sshd to listen


@dataclass(frozen=True)
class End:
    """Where a tree is copied to: what ssh is told, the host's name to it, a directory there."""

    options: list[str]
    host: str
    directory: str

    def run(self, command: str) -> list[str]:
        return ["ssh", *self.options, self.host, command]

    def send(self, tree: Path, megabytes: int) -> float:
        """MB a second."""
        subprocess.run(self.run(f"rm -rf {self.directory}"), check=True)
        return self._rsync(f"{tree}/", f"{self.host}:{self.directory}", megabytes)

    def fetch(self, tree: Path, megabytes: int) -> float:
        """MB a second; ends the program if what comes back is not the same."""
        with tempfile.TemporaryDirectory() as name:
            rate = self._rsync(f"{self.host}:{self.directory}/", name, megabytes)
            subprocess.run(["diff", "-r", tree, name], check=True)
        return rate

    def _rsync(self, source: str, target: str, megabytes: int) -> float:
        shell = " ".join(["ssh", *self.options])
        begin = time.monotonic()
        subprocess.run(["rsync", "-a", "-e", shell, source, target], check=True)
        return megabytes / (time.monotonic() - begin)


def make_tree(top: Path, megabytes: int) -> None:
    """So many files of a megabyte."""
    top.mkdir()
    for number in range(megabytes):
        (top / f"{number}").write_bytes(os.urandom(MB))


def machine(pod: str, work: Path) -> End:
    """A pod's machine."""
    config = work / "config"
    told = subprocess.run([*common.VMPOD, "ssh-config", pod], check=True, stdout=subprocess.PIPE)
    config.write_bytes(told.stdout)
    return End(["-F", str(config)], f"vmpod-{pod}", "tree")


def installed_sshd() -> str | None:
    """The path of sshd, which has to be absolute."""
    return shutil.which("sshd", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")


@contextmanager
def loopback(sshd: str, work: Path) -> Iterator[End]:
    """An sshd on a free port of loopback, with the settings that it has by default."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    for name in ("host", "client"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", work / name], check=True)
    (work / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {work}/host\nAuthorizedKeysFile {work}/client.pub\n"
        "StrictModes no\nPidFile none\n"
    )
    known = f"[127.0.0.1]:{port} {(work / 'host.pub').read_text()}"
    (work / "known_hosts").write_text(known)
    options = ["-F", "/dev/null", "-p", str(port), "-i", f"{work}/client"]
    options += ["-o", "IdentitiesOnly=yes", "-o", f"UserKnownHostsFile={work}/known_hosts"]
    with subprocess.Popen(
        [sshd, "-D", "-e", "-f", work / "sshd_config"], stderr=subprocess.DEVNULL
    ) as server:
        try:
            _await_port(port, server)
            yield End(options, f"{getpass.getuser()}@127.0.0.1", f"{work}/loopback")
        finally:
            server.terminate()


def _await_port(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
    sys.exit(f"sshd does not listen; `{server.args[0]!r} -t` may tell why")  # type: ignore[index]


def measured(accel: str, count: int, megabytes: int, sshd: str | None) -> common.Taken:
    """Seconds and MB a second of every round, by name."""
    with ExitStack() as stack:
        stack.enter_context(common.image())
        pod = stack.enter_context(common.running("ssh", accel, common.IDLE))
        work = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        tree = work / "tree"
        make_tree(tree, megabytes)
        inside = machine(pod, work)
        every: dict[str, Callable[[], float]] = {
            "vmpod ssh": lambda: common.seconds([*common.VMPOD, "ssh", pod, "--", "true"]),
            "ssh": lambda: common.seconds(inside.run("true")),
            "rsync in": lambda: inside.send(tree, megabytes),
            "rsync out": lambda: inside.fetch(tree, megabytes),
        }
        if sshd:
            outside = stack.enter_context(loopback(sshd, work))
            every["rsync to loopback"] = lambda: outside.send(tree, megabytes)
            every["rsync from loopback"] = lambda: outside.fetch(tree, megabytes)
        return common.rounds(every, count, first=False)


def main() -> None:
    parser = common.options(__doc__, rounds=3)
    parser.add_argument("--megabytes", type=int, default=200, help="the size of the tree")
    parser.add_argument("--sshd", default=installed_sshd(), help="the server to compare with")
    options = parser.parse_args()
    taken = measured(options.accel, options.rounds, options.megabytes, options.sshd)
    print(common.machine())
    for name, values in taken.items():
        unit, digits = ("MB/s", 2) if name.startswith("rsync") else ("s", 3)
        print(common.line(name, values, unit, digits))
    if "rsync to loopback" in taken:
        ratio = statistics.median(taken["rsync in"]) / statistics.median(taken["rsync to loopback"])
        print(f"rsync in / rsync to loopback: {ratio:.3f} of the medians")
    common.write(options, taken)


if __name__ == "__main__":
    main()
