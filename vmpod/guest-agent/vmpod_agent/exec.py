"""A further process in a running container, joined to a stream of the host.

stdin arrives as DATA with credit; stdout and stderr leave as DATA while there is credit. With a
terminal there is one channel each way. When the client is gone, the process group is ended.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import struct
import termios

from vmpod.wire import frames, messages
from vmpod.wire.messages import dump
from vmpod_agent import layout, ociconfig
from vmpod_agent.console_socket import ConsoleSocket
from vmpod_agent.crun import start_failure_code, start_failure_message
from vmpod_agent.loop import HANGUP, READ, WRITE
from vmpod_agent.operations import WriteFile
from vmpod_agent.process import null, pipe
from vmpod_agent.session import StreamHandler
from vmpod_agent.signals import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from vmpod_agent.container import Run, Services
    from vmpod_agent.reaper import ExitStatus
    from vmpod_agent.session import Stream

    Json = dict[str, Any]

_KILL_AFTER = 1.0  # seconds between asking an abandoned process to end and killing it
_numbers = itertools.count()


class Exec(StreamHandler):
    """One process. terminal: (columns, rows), or None for pipes."""

    def __init__(
        self,
        stream: Stream,
        run: Run,
        services: Services,
        *,
        argv: list[str],
        stdin: bool,
        terminal: tuple[int, int] | None,
        env: list[str],
    ) -> None:
        self._stream = stream
        self._run = run
        self._services = services
        self._command = argv[0]
        self._pid = 0
        self._status: ExitStatus | None = None
        self._responded = False
        self._cancelled = False
        self._console: ConsoleSocket | None = None
        self._input: Writer | None = None
        self._outputs: list[Reader] = []
        self._early: list[int] = []
        self._base = f"{layout.RUN}/exec-{next(_numbers)}"
        try:
            self._start(argv, stdin=stdin, terminal=terminal, env=env)
        except OSError:
            self._close()
            self._remove_files()
            raise

    def _start(
        self, argv: list[str], *, stdin: bool, terminal: tuple[int, int] | None, env: list[str]
    ) -> None:
        assert self._run.user is not None
        environment = [*self._run.environment(), *(["TERM=xterm"] if terminal else []), *env]
        settings = ociconfig.process(
            argv, env=environment, cwd=self._run.spec["cwd"], user=self._run.user, terminal=terminal
        )
        WriteFile(f"{self._base}.json", dump(settings), 0o600).execute()
        arguments = ["exec", "--detach", f"--process={self._base}.json", f"--pid-file={self._base}.pid"]
        if terminal:
            self._console = ConsoleSocket(self._services.loop, f"{self._base}.sock", self._terminal_opened)
            arguments.append(f"--console-socket={self._base}.sock")
            self._crun([*arguments, self._run.id], [null()])
        else:
            self._crun([*arguments, self._run.id], self._open_pipes(stdin=stdin))

    def _open_pipes(self, *, stdin: bool) -> list[int]:
        """The process's ends of its standard input, output and error."""
        ends = []
        if stdin:
            read_end, write_end = pipe()
            self._input = Writer(self, write_end)
            ends.append(read_end)
        else:
            ends.append(null())
        for channel in (frames.STDOUT, frames.STDERR):
            read_end, write_end = pipe()
            self._outputs.append(Reader(self, read_end, channel))
            ends.append(write_end)
        return ends

    def _crun(self, arguments: list[str], ends: list[int]) -> None:
        try:
            self._services.crun.run(
                arguments,
                self._crun_ended,
                log=f"{self._base}.log",
                **dict(zip(("stdin", "stdout", "stderr"), ends, strict=False)),
            )
        finally:
            for end in ends:
                os.close(end)

    def _terminal_opened(self, master: int) -> None:
        self._input = Writer(self, os.dup(master), terminal=True)
        self._outputs.append(Reader(self, master, frames.STDOUT))

    def _crun_ended(self, message: str | None) -> None:
        if self._console:
            # The two may reach us in either order, and without the terminal there would be no output.
            self._console.close()
        try:
            if message is None:
                with open(f"{self._base}.pid") as file:
                    self._pid = int(file.read())
        finally:
            self._remove_files()
        if message is not None:
            self._close()
            code = {127: messages.NOT_FOUND, 126: messages.NOT_EXECUTABLE}
            told = start_failure_message(message, self._command)
            self._stream.fail(code.get(start_failure_code(message), messages.FAILED), told)
            return
        self._stream.respond({"started": True})
        self._responded = True
        for output in self._outputs:
            output.start()
        for number in self._early:
            self._signal(number)
        if self._cancelled:
            self.cancel()
        self._services.reaper.adopt(self._pid, self._process_ended)

    def _remove_files(self) -> None:
        for suffix in ("json", "pid", "log", "sock"):
            try:
                os.unlink(f"{self._base}.{suffix}")
            except FileNotFoundError:
                pass

    def _process_ended(self, status: ExitStatus) -> None:
        self._status = status
        for output in self._outputs:
            output.process_ended()
        self.settle()

    def settle(self) -> None:
        """Tell the exit code once the process has ended and all that it wrote is sent."""
        if self._status is not None and all(output.ended for output in self._outputs):
            self._close()
            if not self._cancelled:
                self._stream.end(self._status.code)

    def _close(self) -> None:
        if self._console:
            self._console.close()
        if self._input:
            self._input.close()
        for output in self._outputs:
            output.close()

    def _signal(self, number: int) -> None:
        if not self._pid:
            self._early.append(number)
        elif self._status is None:
            try:
                # Without a terminal the process is in crun's group, whose leader is gone; with one, or if
                # it has seen to that itself, it leads its own. It is never in ours: see process.spawn().
                os.killpg(os.getpgid(self._pid), number)
            except ProcessLookupError:
                pass  # it has ended, and is about to be reaped

    # What the host sends.

    def data(self, data: bytes) -> None:
        if self._input:
            self._input.write(data)
        else:
            self._stream.consumed(len(data))

    def eof(self) -> None:
        if self._input:
            self._input.finish()

    def control(self, message: Json) -> None:
        if number := messages.get_optional(message, "signal", int, 0):
            if not 0 < number < signal.NSIG:
                raise messages.MessageError(f"no signal {number}")
            self._signal(number)
        size = messages.get_list(message, "resize", int)
        if len(size) == 2 and self._input:
            self._input.resize(size[0], size[1])

    def writable(self) -> None:
        # Data before the response would be taken for an answer to something else.
        if self._responded:
            for output in self._outputs:
                output.start()

    def cancel(self) -> None:
        self._cancelled = True
        if not self._pid:
            return  # _crun_ended comes back here
        self._signal(signal.SIGHUP)
        self._signal(signal.SIGTERM)
        for output in self._outputs:
            output.close()
        self._services.loop.call_later(_KILL_AFTER, lambda: self._signal(signal.SIGKILL))

    # What Reader and Writer need.

    @property
    def loop(self) -> Any:
        return self._services.loop

    @property
    def stream(self) -> Stream:
        return self._stream


class Reader:
    """Sends what the process writes, as fast as there is credit."""

    def __init__(self, owner: Exec, fd: int, channel: int) -> None:
        self.ended = False
        self._owner = owner
        self._fd = fd
        self._channel = channel
        self._draining = False
        os.set_blocking(fd, False)

    def start(self) -> None:
        """Read on, after a pause or for the first time."""
        if not self.ended:
            self._owner.loop.watch(self._fd, READ, self._readable)

    def process_ended(self) -> None:
        """Whatever the pipe holds now is the rest: a child that keeps it open is not waited for."""
        self._draining = True
        self.start()
        while not self.ended and self._read():
            pass

    def close(self) -> None:
        """Read no more."""
        if not self.ended:
            self.ended = True
            self._owner.loop.forget(self._fd)
            os.close(self._fd)

    def _readable(self, _events: int) -> None:
        self._read()

    def _read(self) -> bool:
        """Read and send once; whether it is worth trying again at once."""
        room = self._owner.stream.room(self._channel)
        if room <= 0:
            self._owner.loop.forget(self._fd)
            return False
        try:
            data = os.read(self._fd, room)
        except BlockingIOError:
            data = b""
            if not self._draining:
                return False
        except OSError:
            data = b""  # EIO: the last process has closed the terminal
        if not data:
            self._end()
            return False
        self._owner.stream.send(self._channel, data)
        return True

    def _end(self) -> None:
        self.close()
        self._owner.stream.send_eof(self._channel)
        self._owner.settle()


class Writer:
    """Gives the process its input, as fast as it takes it."""

    def __init__(self, owner: Exec, fd: int, *, terminal: bool = False) -> None:
        self._owner = owner
        self._fd = fd
        self._terminal = terminal
        self._pending = bytearray()
        self._finishing = False
        self._closed = False
        os.set_blocking(fd, False)

    def write(self, data: bytes) -> None:
        """Queue input; the flow control of the stream bounds how much."""
        if self._closed:
            self._owner.stream.consumed(len(data))
            return
        self._pending += data
        self._push()

    def finish(self) -> None:
        """Close the input once all of it is written."""
        self._finishing = True
        if self._terminal:
            self._pending += b"\x04"  # a terminal has no other way to end its input
        self._push()

    def resize(self, columns: int, rows: int) -> None:
        """Set the terminal's size."""
        if self._terminal and not self._closed:
            size = struct.pack("HHHH", rows & 0xFFFF, columns & 0xFFFF, 0, 0)
            fcntl.ioctl(self._fd, termios.TIOCSWINSZ, size)

    def close(self) -> None:
        """Take no more input."""
        if not self._closed:
            self._closed = True
            self._owner.loop.forget(self._fd)
            os.close(self._fd)

    def _writable(self, events: int) -> None:
        if events & HANGUP and not events & WRITE:
            self._give_up()
            return
        self._push()

    def _give_up(self) -> None:
        """Nobody reads: what is still to come is taken and dropped, as a shell's pipe would."""
        self._owner.stream.consumed(len(self._pending))
        self._pending.clear()
        self.close()

    def _push(self) -> None:
        while self._pending and not self._closed:
            try:
                size = os.write(self._fd, self._pending)
            except BlockingIOError:
                self._owner.loop.watch(self._fd, WRITE, self._writable)
                return
            except OSError:
                self._give_up()
                return
            del self._pending[:size]
            self._owner.stream.consumed(size)
        if self._closed:
            return
        self._owner.loop.forget(self._fd)
        if self._finishing and not self._terminal:
            self.close()
