"""Runs the real command for the tests, and keeps what a failed test needs to be understood."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

Json = dict[str, Any]

CHECKOUT = Path(__file__).parents[2]
FAILURES = Path(__file__).parent / "failures"
LIMIT = float(os.environ.get("VMPOD_TEST_LIMIT", "180"))
"""Seconds until a command is taken to hang. An emulated machine on a busy host is slow (VMPOD_TEST_LIMIT)."""

_KEPT = ("pod.json", "journal.raw", "console.log")


class CommandFailedError(AssertionError):
    """A command did not end as the test expected."""


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    status: int
    out: bytes
    err: bytes

    @property
    def text(self) -> str:
        """Its standard output."""
        return self.out.decode()

    @property
    def errors(self) -> str:
        """Its standard error output."""
        return self.err.decode()

    @property
    def lines(self) -> list[str]:
        """The lines of its standard output."""
        return self.text.splitlines()


@dataclass
class Vmpod:
    """The command with a home of its own. prefix: what runs it, as in `runuser -u somebody --`."""

    home: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    prefix: tuple[str, ...] = ()
    python: str = sys.executable
    checkout: Path = CHECKOUT
    said: list[str] = field(default_factory=list)

    def argv(self, *words: str) -> list[str]:
        """The command line that runs these words from the checkout."""
        return [*self.prefix, self.python, "-m", "vmpod", *words]

    def variables(self) -> dict[str, str]:
        """The environment of the command: ours, without what would change its mind."""
        ours = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("VMPOD", "XDG")) and name != "CI"
        }
        settings = {"VMPOD_HOME": str(self.home), "VMPOD_ACCEL": "tcg", "PYTHONPATH": str(self.checkout)}
        return {name: value for name, value in (ours | settings | dict(self.environment)).items() if value}

    def __call__(
        self,
        *words: str,
        input: bytes | str | None = None,  # noqa: A002 - subprocess calls it so
        status: int | None = 0,
        timeout: float = LIMIT,
    ) -> Done:
        """Run `vmpod WORDS` to its end. status: None if any will do.

        Raises CommandFailedError if it is another.
        """
        data = input.encode() if isinstance(input, str) else input
        argv = self.argv(*words)
        process = subprocess.run(
            argv,
            input=data,
            stdin=subprocess.DEVNULL if data is None else None,
            capture_output=True,
            env=self.variables(),
            cwd="/",
            timeout=timeout,
            check=False,
        )
        done = Done(process.returncode, process.stdout, process.stderr)
        story = self._story(words, done)
        if status is not None and done.status != status:
            raise CommandFailedError(f"the status should have been {status}\n{story}")
        return done

    def _story(self, words: Iterable[str], done: Done) -> str:
        story = (
            f"$ vmpod {shlex.join(words)}\nstatus {done.status}\n"
            f"--- stdout\n{done.out[:8192].decode(errors='replace')}\n"
            f"--- stderr\n{done.err[:8192].decode(errors='replace')}\n"
        )
        self.said.append(story)
        return story

    @contextlib.contextmanager
    def started(self, *words: str, **streams: int) -> Iterator[Running]:
        """The command running beside the test; killed at the end of the block if it still runs."""
        defaults = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = subprocess.Popen(
            self.argv(*words),
            **(defaults | streams),  # type: ignore[call-overload]
            env=self.variables(),
            cwd="/",
        )
        running = Running(process)
        try:
            yield running
        finally:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream:
                    stream.close()

    def behind(self, *prefix: str) -> Vmpod:
        """The same, run by another program."""
        return dataclasses.replace(self, prefix=(*self.prefix, *prefix))

    def pod(self, name: str) -> Json:
        """The pod as `get -o json` tells it."""
        found: Json = json.loads(self("get", name, "-o", "json").out)
        return found

    def status(self, name: str, container: str) -> Json:
        """A container's status."""
        status = self.pod(name)["status"]
        each = status["initContainerStatuses"] + status["containerStatuses"]
        return next(found for found in each if found["name"] == container)

    def record(self, name: str) -> Json:
        """What vmpod has written down about a pod of the default namespace."""
        found: Json = json.loads((self.pod_directory(name) / "pod.json").read_text())
        return found

    def pod_directory(self, name: str) -> Path:
        """Where a pod of the default namespace is kept."""
        return self.home / "state/pods" / name

    def qemu(self, name: str) -> int:
        """The process id of a pod's machine."""
        pid: int = self.record(name)["qemu"]["pid"]
        return pid

    def exec(self, pod: str, *words: str, **options: Any) -> Done:
        """Run a command in the pod's first container."""
        return self("exec", pod, "--", *words, **options)

    def leftovers(self) -> list[str]:
        """What is there of pods: processes, directories, sockets."""
        # A pod may have been the first of its size; what makes a template for the next takes its time.
        home = str(self.home)
        eventually(lambda: not any("vmpod-template" in line for _, line in processes(home)), "a template")
        # Its sockets go when its process has gone.
        with contextlib.suppress(CommandFailedError):
            eventually(lambda: not self._sockets(), "sockets to go", timeout=5)
        found = [f"process {pid}: {line[:200]}" for pid, line in processes(str(self.home))]
        found += [str(path) for path in (self.home / "state/pods").glob("*")]
        return found + self._sockets()

    def _sockets(self) -> list[str]:
        return [str(path) for path in (self.home / "run").glob("*/**/*") if path.is_socket()]


class Running:
    """A command that runs. Its output is read as it comes."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.out = b""
        self.err = b""

    def until(self, wanted: bytes) -> None:
        """Wait until its standard output has that."""
        self._until(lambda: wanted in self.out, wanted)

    def until_error(self, wanted: bytes) -> None:
        """Wait until its standard error output has that."""
        self._until(lambda: wanted in self.err, wanted)

    def _until(self, come: Callable[[], bool], wanted: bytes) -> None:
        def read() -> bool:
            self.out += _read_now(self.process.stdout)
            self.err += _read_now(self.process.stderr)
            return come() or self.process.poll() is not None

        eventually(read, f"{wanted!r} from the command")
        read()
        if not come():
            code = self.process.returncode
            raise CommandFailedError(f"no {wanted!r}; it ended with {code}: {self.out!r}\n{self.err!r}")

    def wait_until_full(self) -> None:
        """Wait until nobody having read its standard output holds it up."""
        assert self.process.stdout is not None
        fd = self.process.stdout.fileno()
        size = fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ)
        eventually(lambda: _waiting(fd) > size - 4096, "the pipe to fill")

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def end(self) -> Done:
        """Wait for its end."""
        for stream in filter(None, (self.process.stdout, self.process.stderr)):
            os.set_blocking(stream.fileno(), True)
        try:
            out, err = self.process.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            raise CommandFailedError(f"it does not end; so far: {self.out!r}") from None
        return Done(self.process.returncode, self.out + (out or b""), self.err + (err or b""))


def _read_now(stream: IO[bytes] | None) -> bytes:
    """What a pipe holds now."""
    if stream is None:
        return b""
    os.set_blocking(stream.fileno(), False)
    return stream.read() or b""


def _waiting(fd: int) -> int:
    """How many bytes a pipe holds."""
    (count,) = struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, bytes(4)))
    return int(count)


def eventually(ready: Callable[[], object], what: str, *, timeout: float = LIMIT) -> None:
    """Wait until ready() is true. Raises CommandFailedError if that takes too long."""
    deadline = time.monotonic() + timeout
    while not ready():
        if time.monotonic() > deadline:
            raise CommandFailedError(f"gave up waiting for {what}")
        time.sleep(0.05)


def processes(text: str) -> list[tuple[int, str]]:
    """(pid, command line) of QEMUs that have the text in an argument."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if text in line and "qemu-system" in line.partition(" ")[0]:
                    found.append((int(entry.name), line))
    return found


def kill(pid: int) -> None:
    """End a process at once, and wait until it is gone."""
    pidfd = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        eventually(lambda: not _lives(pid), f"the end of process {pid}")
    finally:
        os.close(pidfd)


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def free_port(kind: int = socket.SOCK_STREAM) -> int:
    """A port of loopback that nobody uses now."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def keep(vmpod: Vmpod, name: str) -> Path:
    """Copy what tells why a test failed, and return where to."""
    target = FAILURES / name
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    (target / "commands.txt").write_text("\n".join(vmpod.said))
    for directory in (vmpod.home / "state/pods").glob("*"):
        for source in filter(Path.exists, (directory / each for each in _KEPT)):
            kept = target / directory.name / source.name
            kept.parent.mkdir(exist_ok=True)
            # The journal disk is mostly holes.
            subprocess.run(["cp", "--sparse=always", source, kept], check=True)
        with contextlib.suppress(CommandFailedError, subprocess.TimeoutExpired):
            pod = directory.name.replace("_", "/")
            vmpod("diag", "--quiet", "--with-logs", pod, "-o", str(target / f"{directory.name}.tar.gz"))
    return target
