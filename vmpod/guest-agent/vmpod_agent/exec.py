"""A further process in a running container, joined to a stream of the host.

stdin arrives as DATA with credit; stdout and stderr leave as DATA while there is credit. With a
terminal there is one channel each way. When the client is gone, the process group is ended.
"""

from __future__ import annotations

import os

from vmpod.wire import frames, messages
from vmpod_agent import join
from vmpod_agent.launch import LaunchError
from vmpod_agent.loop import READ
from vmpod_agent.process import null, pipe
from vmpod_agent.relay import Reader, Writer
from vmpod_agent.session import RequestError, StreamHandler, wanted_signal
from vmpod_agent.signals import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from vmpod_agent.container import Run, Services
    from vmpod_agent.loop import Loop
    from vmpod_agent.reaper import ExitStatus
    from vmpod_agent.session import Stream

    Json = dict[str, Any]

_KILL_AFTER = 1.0  # seconds between asking an abandoned process to end and killing it
_PROBLEMS = {127: messages.NOT_FOUND, 126: messages.NOT_EXECUTABLE}


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
        self._services = services
        self._status: ExitStatus | None = None
        self._running = False
        self._cancelled = False
        self._input: Writer | None = None
        self._outputs: list[Reader] = []
        try:
            command = run.command(argv, env=[*["TERM=xterm"] * bool(terminal), *env], terminal=terminal)
        except ValueError as error:
            raise RequestError(messages.BAD_REQUEST, f"the command cannot hold {error}") from None
        ends = [] if terminal else self._open_pipes(stdin=stdin)
        try:
            self._starting = join.start(run.pid, run.group, command, ends)
        except ProcessLookupError:
            self._close()
            raise RequestError(messages.NOT_RUNNING, "the container has just ended") from None
        except OSError:
            self._close()
            raise
        finally:
            for end in ends:
                os.close(end)
        self._pid = self._starting.pid
        services.loop.watch(self._starting.fd, READ, self._woken)
        services.reaper.adopt(self._pid, self._process_ended)

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

    def _woken(self, _events: int) -> None:
        self._reported()

    def _reported(self) -> bool:
        """Hear what the process says on its way to the command; whether it may say more."""
        try:
            master = self._starting.report()
        except BlockingIOError:
            return False
        except LaunchError as error:
            self._forget_starting()
            self._close()
            self._stream.fail(_PROBLEMS.get(error.status, messages.FAILED), str(error))
            return False
        if master is not None:
            self._input = Writer(self, os.dup(master), terminal=True)
            self._outputs.append(Reader(self, master, frames.STDOUT))
            return True
        self._forget_starting()
        self._running = True
        self._stream.respond({"started": True})
        for output in self._outputs:
            output.start()
        return False

    def _forget_starting(self) -> None:
        self._services.loop.forget(self._starting.fd)
        self._starting.close()

    def _process_ended(self, status: ExitStatus) -> None:
        # The loop may hear of its end before it hears what it said.
        while self._starting.fd >= 0 and self._reported():
            pass
        self._status = status
        for output in self._outputs:
            output.process_ended()
        self.settle()

    def settle(self) -> None:
        """Tell the exit code once the process has ended and all that it wrote is sent."""
        if self._status is not None and all(output.ended for output in self._outputs):
            self._close()
            if self._running and not self._cancelled:
                self._stream.end(self._status.code)

    def _close(self) -> None:
        if self._input:
            self._input.close()
        for output in self._outputs:
            output.close()

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
        if (number := wanted_signal(message)) and self._status is None:
            self._signal(number)
        size = messages.get_list(message, "resize", int)
        if len(size) == 2 and self._input:
            self._input.resize(size[0], size[1])

    def writable(self) -> None:
        # Data before the response would be taken for an answer to something else.
        if self._running:
            for output in self._outputs:
                output.start()

    def cancel(self) -> None:
        self._cancelled = True
        groups = self._groups()
        self._close()
        for number in (signal.SIGHUP, signal.SIGTERM):
            self._signal(number, groups)
        # Also if the process itself has ended by then: its children may not have. That in a second its number
        # has gone to another is not possible, for the kernel gives out all others first.
        self._services.loop.call_later(_KILL_AFTER, lambda: self._signal(signal.SIGKILL, groups))

    def _groups(self) -> set[int]:
        """The process group of the command, and the one that has its terminal: a shell's job, perhaps."""
        groups = {self._pid}
        if self._input and (foreground := self._input.foreground()):
            groups.add(foreground)
        return groups

    def _signal(self, number: int, groups: Iterable[int] = ()) -> None:
        for group in groups or (self._pid,):
            try:
                os.killpg(group, number)
            except ProcessLookupError:
                if group == self._pid and self._status is None:
                    os.kill(group, number)  # it was forked just now, and does not lead a group yet

    # What Reader and Writer need.

    @property
    def loop(self) -> Loop:
        return self._services.loop

    @property
    def stream(self) -> Stream:
        return self._stream
