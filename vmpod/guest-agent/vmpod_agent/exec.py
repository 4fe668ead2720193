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
from vmpod_agent.relay import Reader, Writer
from vmpod_agent.session import RequestError, wanted_signal
from vmpod_agent.signals import signal
from vmpod_agent.streams import Streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from vmpod_agent.container import Run, Services
    from vmpod_agent.reaper import ExitStatus
    from vmpod_agent.session import Stream

    Json = dict[str, Any]

_KILL_AFTER = 1.0  # seconds between asking an abandoned process to end and killing it
_PROBLEMS = {127: messages.NOT_FOUND, 126: messages.NOT_EXECUTABLE}


class Exec(Streams):
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
        super().__init__(services.loop, stream)
        self._services = services
        self._running = False
        self._cancelled = False
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
            self.stream.fail(_PROBLEMS.get(error.status, messages.FAILED), str(error))
            return False
        if master is not None:
            self._input = Writer(self, os.dup(master), terminal=True)
            self._outputs.append(Reader(self, master, frames.STDOUT))
            return True
        self._forget_starting()
        self._running = True
        self.stream.respond({"started": True})
        self.writable()
        return False

    def _forget_starting(self) -> None:
        self._services.loop.forget(self._starting.fd)
        self._starting.close()

    def _process_ended(self, status: ExitStatus) -> None:
        # The loop may hear of its end before it hears what it said.
        while self._starting.fd >= 0 and self._reported():
            pass
        super()._process_ended(status)

    def _tell(self, status: ExitStatus) -> None:
        if self._running and not self._cancelled:
            super()._tell(status)

    # What the host sends.

    def control(self, message: Json) -> None:
        if (number := wanted_signal(message)) and self._status is None:
            self._signal(number)
        size = messages.get_list(message, "resize", int)
        if len(size) == 2 and self._input:
            self._input.resize(size[0], size[1])

    def writable(self) -> None:
        # Data before the response would be taken for an answer to something else.
        if self._running:
            super().writable()

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
