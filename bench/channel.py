#!/usr/bin/env python3
"""How fast bytes go between host and guest, in MB (10^6 bytes) a second.

Each round measures, one after the other:
    exec in     into `vmpod exec -i POD -- dd of=/dev/null`
    exec out    out of `vmpod exec POD -- dd if=/dev/zero`
    exec both   through `vmpod exec -i POD -- cat`: so many bytes each way, at once
    output      what a container writes, into the journal disk (lines of 64 bytes)
    logs        `vmpod logs POD`: what is on the journal disk, out of it
    cp in       `vmpod cp FILE POD:PATH`, of one file
    cp out      `vmpod cp POD:PATH FILE`, of the same
    forward     out of the pod through `vmpod port-forward`, from the first byte on

The bytes of `exec both` are compared; the others are counted. QEMU's processor seconds for each 100 MB stand
beside the rates, as other processes do not change those as much.

    bench/channel.py [--rounds 5] [--accel tcg|kvm] [--json FILE] [--megabytes 100]
"""

from __future__ import annotations

import hashlib
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import common

MB = 1_000_000
BLOCK = bytes(range(250)) * 4000  # a megabyte
TEXT_MB = 8  # less than one log file holds
LINE = "0123456789abcdef" * 4
# The text is made once: what makes it is slower than what is measured.
PREPARE = f"yes {LINE[:-1]} | dd of=/tmp/text bs=64k count={TEXT_MB * MB // 65536} iflag=fullblock"


class Channel:
    """One pod, and ways to move bytes to and from it. Each returns MB a second."""

    def __init__(self, name: str, megabytes: int, file: Path) -> None:
        """file: where one of so many megabytes may be written."""
        self._name = name
        self._megabytes = megabytes
        self._file = file
        file.write_bytes(BLOCK * megabytes)
        self._qemu = common.qemu(common.record(name))
        self.cpu: common.Taken = {}

    def exec_in(self) -> float:
        return self._through("dd", "of=/dev/null", "bs=64k", feed=self._megabytes, expect=0)

    def exec_out(self) -> float:
        blocks = self._megabytes * MB // 65536
        return self._through("dd", "if=/dev/zero", "bs=64k", f"count={blocks}", expect=blocks * 65536)

    def exec_both(self) -> float:
        return self._through("cat", feed=self._megabytes, expect=self._megabytes * MB, same=True)

    def output(self) -> float:
        begin = time.monotonic()
        subprocess.run(self._exec("sh", "-c", "cat /tmp/text >/proc/1/fd/1"), check=True)
        return TEXT_MB / (time.monotonic() - begin)

    def logs(self) -> float:
        begin = time.monotonic()
        done = subprocess.run([*common.VMPOD, "logs", self._name], check=True, stdout=subprocess.PIPE)
        return len(done.stdout) / MB / (time.monotonic() - begin)

    def cp_in(self) -> float:
        return self._copied(str(self._file), f"{self._name}:/tmp/copy")

    def cp_out(self) -> float:
        return self._copied(f"{self._name}:/tmp/copy", f"{self._file}.back")

    def forward(self) -> float:
        """What nc reads from the file that cp_in() has left."""
        serve = [*common.VMPOD, "exec", self._name, "--", "sh", "-c", "nc -l -p 9000 < /tmp/copy"]
        command = [*common.VMPOD, "port-forward", self._name, ":9000"]
        with (
            subprocess.Popen(serve) as server,
            subprocess.Popen(command, stdout=subprocess.PIPE) as forwarding,
        ):
            assert forwarding.stdout is not None
            port = int(forwarding.stdout.readline().split()[2].rpartition(b":")[2])
            time.sleep(1)  # for nc to listen
            with socket.create_connection(("127.0.0.1", port)) as client:
                size = len(client.recv(1 << 20))
                begin = time.monotonic()
                while data := client.recv(1 << 20):
                    size += len(data)
                taken = time.monotonic() - begin
            forwarding.terminate()
            server.terminate()
        if size != self._megabytes * MB:
            sys.exit(f"{size} bytes came through the forwarded port")
        return size / MB / taken

    def _copied(self, source: str, target: str) -> float:
        begin = time.monotonic()
        subprocess.run([*common.VMPOD, "cp", source, target], check=True)
        return self._megabytes / (time.monotonic() - begin)

    def counted(self, name: str, measure: Callable[[], float], megabytes: int) -> Callable[[], float]:
        """The measure, with a note of what QEMU used for it."""
        used = self.cpu.setdefault(f"{name}, QEMU's CPU", [])

        def whole() -> float:
            before = common.process_cpu(self._qemu)
            rate = measure()
            used.append((common.process_cpu(self._qemu) - before) / megabytes * 100)
            return rate

        return whole

    def _exec(self, *words: str) -> list[str]:
        return [*common.VMPOD, "exec", "-i", self._name, "--", *words]

    def _through(self, *words: str, expect: int, feed: int = 0, same: bool = False) -> float:
        begin = time.monotonic()
        sent, received = hashlib.sha1(usedforsecurity=False), hashlib.sha1(usedforsecurity=False)
        size = 0
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        with subprocess.Popen(self._exec(*words), **pipes) as command:  # type: ignore[call-overload]

            def write() -> None:
                with command.stdin:
                    for _ in range(feed):
                        if same:
                            sent.update(BLOCK)
                        command.stdin.write(BLOCK)

            writer = threading.Thread(target=write)
            writer.start()
            while data := command.stdout.read1(1 << 20):
                size += len(data)
                if same:
                    received.update(data)
            writer.join()
        if command.returncode or size != expect or sent.digest() != received.digest():
            sys.exit(
                f"{words} ended with {command.returncode} after {size} bytes, not {expect} unchanged ones"
            )
        return self._megabytes / (time.monotonic() - begin)


def measured(accel: str, count: int, megabytes: int) -> common.Taken:
    """MB a second of every round, and processor seconds for each 100 MB, by name."""
    with (
        common.image(),
        common.running("channel", accel, common.IDLE) as name,
        tempfile.TemporaryDirectory() as directory,
    ):
        subprocess.run(
            [*common.VMPOD, "exec", name, "--", "sh", "-c", PREPARE], check=True, stderr=subprocess.DEVNULL
        )
        channel = Channel(name, megabytes, Path(directory) / "file")
        every = {
            "exec in": channel.counted("exec in", channel.exec_in, megabytes),
            "exec out": channel.counted("exec out", channel.exec_out, megabytes),
            "exec both": channel.counted("exec both", channel.exec_both, megabytes),
            "output": channel.counted("output", channel.output, TEXT_MB),
            "logs": channel.logs,
            "cp in": channel.cp_in,
            "cp out": channel.cp_out,
            "forward": channel.forward,
        }
        return common.rounds(every, count) | common.measured_rounds(channel.cpu)


def main() -> None:
    parser = common.options(__doc__)
    parser.add_argument("--megabytes", type=int, default=100, help="how much each of the exec measures moves")
    options = parser.parse_args()
    taken = measured(options.accel, options.rounds, options.megabytes)
    print(common.machine())
    for name, values in taken.items():
        unit = "s/100 MB" if name.endswith("CPU") else "MB/s"
        print(common.line(name, values, unit, 2 if unit == "MB/s" else 3))
    print(f"500 MB through `cat` and back: {500 / statistics.median(taken['exec both']):.0f} s")
    common.write(options, taken)


if __name__ == "__main__":
    main()
