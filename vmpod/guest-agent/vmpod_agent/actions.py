"""What probes and hooks do: a command in the container, a question to a server, or nothing for a while.

Servers are asked by a child, see `dial`. What takes too long is killed.
"""

from __future__ import annotations

import os

from vmpod_agent import dial, join, launch, syscalls
from vmpod_agent.launch import LaunchError
from vmpod_agent.loop import READ
from vmpod_agent.process import null, pipe
from vmpod_agent.signals import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from vmpod.wire.boot import Action
    from vmpod_agent.container import Run, Services
    from vmpod_agent.loop import Timer
    from vmpod_agent.reaper import ExitStatus

    Done = Callable[[bool, str], None]

_MAX_OUTPUT = 10 * 1024  # bytes of a command's output that are kept, as the kubelet does


def begin(
    action: Action, run: Run, services: Services, seconds: float | None, done: Done, *, hook: bool
) -> Attempt:
    """Do something once. done(well, what was said) is called later, unless the attempt is cancelled.

    seconds: how long it may take, None for any time.
    """
    kinds: dict[str, type[Attempt]] = {"exec": _Exec, "sleep": _Sleep}
    attempt = kinds.get(action["kind"], _Dial)(action, run, services, done, hook=hook)
    attempt.begin(seconds)
    return attempt


class Attempt:
    """One action that is under way."""

    def __init__(self, action: Action, run: Run, services: Services, done: Done, *, hook: bool) -> None:
        self._action = action
        self._run = run
        self._services = services
        self._hook = hook
        self._done: Done | None = done
        self._timer: Timer | None = None

    def begin(self, seconds: float | None) -> None:
        """Start it; what goes wrong is told by done(), in a later turn."""
        try:
            self._begin()
        except (OSError, ValueError) as error:
            # In a variable: Python forgets the error at the end of this block.
            told = str(error)
            self._services.loop.call_later(0, lambda: self._end(False, told))
        if seconds is not None:
            self._timer = self._services.loop.call_later(seconds, lambda: self._late(seconds))

    def cancel(self) -> None:
        """Give it up."""
        self._done = None
        self._stop_timer()
        self._kill()

    def _begin(self) -> None:
        raise NotImplementedError

    def _kill(self) -> None:
        """End what runs."""

    def _late(self, seconds: float) -> None:
        self._kill()
        self._end(False, f"timed out after {seconds:g}s")

    def _end(self, well: bool, said: str) -> None:
        self._stop_timer()
        done, self._done = self._done, None
        if done:
            done(well, said)

    def _stop_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None


class _Sleep(Attempt):
    def _begin(self) -> None:
        self._sleep = self._services.loop.call_later(self._action["seconds"], lambda: self._end(True, ""))

    def _kill(self) -> None:
        self._sleep.cancel()


class _Child(Attempt):
    """Whatever has a process, whose output tells how it went."""

    _pid = 0
    _output = -1
    _said = b""

    def _watch(self, pid: int, output: int) -> None:
        self._pid, self._output = pid, output
        os.set_blocking(output, False)
        self._services.loop.watch(output, READ, self._readable)
        self._services.reaper.adopt(pid, self._ended)

    def _readable(self, _events: int) -> None:
        self._read()

    def _read(self) -> bool:
        """Take what has been written; whether more may come."""
        try:
            data = os.read(self._output, 65536)
        except BlockingIOError:
            return False
        if not data:
            self._services.loop.forget(self._output)
        self._said = (self._said + data)[:_MAX_OUTPUT]
        return bool(data)

    def _ended(self, status: ExitStatus) -> None:
        self._pid = 0
        # Not to its end, which a child that was left behind may hold up.
        while self._read():
            pass
        self._services.loop.forget(self._output)
        os.close(self._output)
        self._judge(status)

    def _judge(self, status: ExitStatus) -> None:
        said = self._said.decode(errors="replace").strip()
        self._end(status.code == 0, said or _fate(status))

    def _kill(self) -> None:
        if self._pid:
            try:
                os.killpg(self._pid, signal.SIGKILL)
            except ProcessLookupError:
                os.kill(self._pid, signal.SIGKILL)  # it was forked just now, and does not lead a group yet


def _fate(status: ExitStatus) -> str:
    """What is to be said of a process that failed and said nothing."""
    if status.signal:
        return f"killed by signal {status.signal}"
    return f"exited with status {status.code}" if status.code else ""


class _Exec(_Child):
    """A command in the container, as its user."""

    def _begin(self) -> None:
        run, command = self._run, self._run.command(self._action["argv"])
        read_end, write_end = pipe()
        nowhere = null()
        try:
            self._starting = join.start(run.pid, run.group, command, [nowhere, write_end, write_end])
        except OSError:
            os.close(read_end)
            raise
        finally:
            os.close(nowhere)
            os.close(write_end)
        self._watch(self._starting.pid, read_end)

    def _judge(self, status: ExitStatus) -> None:
        try:
            self._starting.report()
        except LaunchError as error:
            self._said = str(error).encode()
        except BlockingIOError:
            pass  # killed on its way
        finally:
            self._starting.close()
        super()._judge(status)


class _Dial(_Child):
    """A child that asks a server."""

    def _begin(self) -> None:
        dial.prepare(self._action)
        read_end, write_end = pipe()
        try:
            pid = os.fork()
            if pid == 0:
                self._ask(write_end)  # does not return
        except OSError:
            os.close(read_end)
            raise
        finally:
            os.close(write_end)
        self._watch(pid, read_end)

    def _ask(self, output: int) -> None:
        status, told = 1, "internal error"
        try:
            launch.begin()
            # Nothing that the agent has open is there for whoever breaks in by an answer.
            os.dup2(output, 3)
            syscalls.close_range(4, syscalls.LAST_FD)
            dial.nobody()
            dial.ask(self._action, self._services.address, hook=self._hook)
            status, told = 0, ""
        except dial.DialError as error:
            told = str(error)
        except OSError as error:
            told = dial.describe(error)
        finally:
            try:
                os.write(3, told.encode(errors="replace"))
            finally:
                os._exit(status)
