"""Does several things at once, each in a process of its own that this one forks.

A process, because what one of them does may fork again, and takes locks and signals for itself; this process
must not have other threads.
"""

from __future__ import annotations

import array
import os
import pickle
import select
import signal
import socket
import traceback
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from typing import Any, Generic, NoReturn, TypeVar

from vmpod.dataclass import dataclass
from vmpod.errors import VmpodError

T = TypeVar("T")

# A terminal sends them to all of us; what comes of it is for the process to decide that forked the workers.
_NOT_THEIRS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_CALL_OFF = signal.SIGUSR1
_CHUNK = 1 << 16
_MOST_FILES = 64


class CalledOffError(BaseException):
    """In a worker: nobody wants any more what it does."""


class WorkerDiedError(Exception):
    """A worker ended before it was done."""


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """What came of one piece of work. number: its place; files: open files that it handed over.

    One of value and error is None. error: what the work raised, or WorkerDiedError.
    """

    number: int
    value: T | None
    error: Exception | None
    files: tuple[int, ...]


@dataclass(frozen=True)
class _Worker:
    number: int
    pid: int
    channel: socket.socket
    said: bytearray
    files: list[int]


Work = Callable[[], tuple[T, Sequence[int]]]
"""Its value, which can be pickled, and the files that it hands over."""


def at_once(
    works: Sequence[Work[T]], *, limit: int, late: Callable[[Outcome[T]], None]
) -> Generator[Outcome[T], None, None]:
    """Do all of it, so many at a time; what comes of each, as it comes.

    If the generator is closed, or interrupted, the workers are called off (CalledOffError is raised in
    them) and waited for; late() is told of those that were done in spite of it.
    """
    left = list(enumerate(works))[::-1]
    running: dict[int, _Worker] = {}
    try:
        while left or running:
            while left and len(running) < limit:
                worker = _fork(*left.pop())
                running[worker.channel.fileno()] = worker
            for worker in _ended(running):
                yield _outcome(worker)
    finally:
        for worker in running.values():
            os.kill(worker.pid, _CALL_OFF)
        while running:
            for worker in _ended(running):
                outcome: Outcome[T] = _outcome(worker)
                if outcome.error is None:
                    late(outcome)


def _fork(number: int, work: Work[Any]) -> _Worker:
    ours, theirs = socket.socketpair()
    # Not to be called off before it can tell that from its end.
    signal.pthread_sigmask(signal.SIG_BLOCK, {_CALL_OFF})
    try:
        pid = os.fork()
        if pid == 0:
            ours.close()
            _become(work, theirs)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {_CALL_OFF})
    theirs.close()
    return _Worker(number, pid, ours, bytearray(), [])


def _ended(running: dict[int, _Worker]) -> list[_Worker]:
    """Listen to the workers until some have ended, which run no more."""
    poll = select.poll()
    for fd in running:
        poll.register(fd, select.POLLIN)
    ended = [running[fd] for fd, _ in poll.poll() if _heard(running[fd])]
    for worker in ended:
        del running[worker.channel.fileno()]
        worker.channel.close()
        os.waitpid(worker.pid, 0)
    return ended


def _heard(worker: _Worker) -> bool:
    """Take what a worker has said; whether that was all."""
    data, files, _, _ = socket.recv_fds(worker.channel, _CHUNK, _MOST_FILES)
    for fd in files:
        # Python 3.11 takes no notice of MSG_CMSG_CLOEXEC here.
        os.set_inheritable(fd, False)
    worker.said.extend(data)
    worker.files.extend(files)
    return not data


def _outcome(worker: _Worker) -> Outcome[Any]:
    files = tuple(worker.files)
    try:
        value, error = pickle.loads(worker.said)  # noqa: S301 - from our own child
    except (EOFError, pickle.UnpicklingError):
        return Outcome(worker.number, None, WorkerDiedError(), files)
    return Outcome(worker.number, value, error, files)


def _call_off(_number: int, _frame: object) -> None:
    raise CalledOffError


def _become(work: Work[Any], channel: socket.socket) -> NoReturn:
    try:
        for number in _NOT_THEIRS:
            # A handler that does nothing: what is ignored would be so in programs that are executed, too.
            signal.signal(number, lambda *_: None)
        signal.signal(_CALL_OFF, _call_off)
        files: Sequence[int] = ()
        value, error = None, None
        try:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {_CALL_OFF})
            value, files = work()
        except Exception as found:  # whatever it is, it is the other's
            error = found
            if not isinstance(error, VmpodError):
                error.add_note(traceback.format_exc())
        signal.signal(_CALL_OFF, signal.SIG_IGN)
        data = pickle.dumps((value, error))
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))] if files else []
        sent = channel.sendmsg([data], ancillary)
        channel.sendall(data[sent:])
    except CalledOffError:
        pass
    finally:
        with suppress(BaseException):
            channel.close()
        # Without what the other will do at its own end.
        os._exit(0)
