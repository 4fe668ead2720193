"""A hypervisor connection in a process of its own.

A process can open one root of libvirt's embedded driver in its life, even after it has closed it, and
every pod has a root of its own: so a child starts the machine, and ends when that is done.
Source: libvirt, "QEMU driver embedded mode".
"""

from __future__ import annotations

import importlib
import os
import pickle
import signal
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, Concatenate, NoReturn, ParamSpec, TypeVar

from vmpod.dataclass import dataclass
from vmpod.errors import HypervisorError, TimeoutExpiredError, VmpodError
from vmpod.hypervisor import ahead
from vmpod.hypervisor.base import Copies, Hypervisor, Moment, Started, nothing
from vmpod.hypervisor.binding import importing
from vmpod.plan.model import Frozen, Machine, Plug

T = TypeVar("T")
P = ParamSpec("P")

# What work() will import.
_NEEDED = ("vmpod.hypervisor.embedded", "vmpod.hypervisor.connection")
_EXEC = 0.5  # seconds from libvirt's fork to QEMU, at most


class ChildDiedError(HypervisorError):
    """The child ended before it was done."""


@dataclass(frozen=True)
class Driver:
    """What the child is to open. root: directory of this pod's driver; cache: what all drivers share."""

    uri: str
    root: Path
    cache: Path


def try_to_open(driver: Driver, *, timeout: float) -> str:
    """Open a driver, close it again, and return libvirt's version. timeout: seconds.

    Raises HypervisorError, HostError, TimeoutExpiredError.
    """
    return in_child_within(timeout, _open, driver)


class ChildHypervisor:
    """A Hypervisor (see base.py)."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def start(self, machine: Machine, at: Callable[[Moment], None] = nothing) -> Started:
        """See Hypervisor.start."""
        begin = time.monotonic_ns()
        try:
            opened, started = in_child(_start, at, self._driver, machine)
        except ChildDiedError:
            # What it forked may not be QEMU yet; whoever undoes this start looks for QEMU.
            time.sleep(_EXEC)
            raise
        return replace(started, steps=(("open libvirt", begin, opened), *started.steps))

    def destroy(self, uuid: str, name: str) -> None:
        """See Hypervisor.destroy."""
        in_child(_do, nothing, self._driver, "destroy", uuid, name)

    def freeze(self, machine: Machine, into: Frozen, copies: Copies = (), *, go_on: bool = False) -> None:
        """See Hypervisor.freeze."""
        in_child(_do, nothing, self._driver, "freeze", machine, into, copies, go_on=go_on)

    def pause(self, machine: Machine) -> None:
        """See Hypervisor.pause."""
        in_child(_do, nothing, self._driver, "pause", machine)

    def resume(self, machine: Machine) -> None:
        """See Hypervisor.resume."""
        in_child(_do, nothing, self._driver, "resume", machine)

    def plug(self, machine: Machine, plug: Plug) -> None:
        """See Hypervisor.plug."""
        in_child(_do, nothing, self._driver, "plug", machine, plug)

    def unplug(self, machine: Machine, plug: Plug) -> None:
        """See Hypervisor.unplug."""
        in_child(_do, nothing, self._driver, "unplug", machine, plug)

    def close(self) -> None:
        """See Hypervisor.close."""


# What the child does. tell: what it says on its way.

Tell = Callable[[object], None]


def _start(tell: Tell, driver: Driver, machine: Machine) -> tuple[int, Started]:
    with _connection(driver) as found:
        opened = time.monotonic_ns()
        return opened, found.start(machine, tell)


def _open(_tell: Tell, driver: Driver) -> str:
    # libvirt writes what is wrong to stderr, too, before anybody can ask it not to.
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 2)
    with _connection(driver):
        from vmpod.hypervisor.connection import version  # noqa: PLC0415 - never in the parent

        return version()


def _do(_tell: Tell, /, driver: Driver, method: str, *arguments: object, **named: object) -> None:
    with _connection(driver) as found:
        getattr(found, method)(*arguments, **named)


def _connection(driver: Driver) -> AbstractContextManager[Hypervisor]:
    with importing():
        from vmpod.hypervisor import embedded  # noqa: PLC0415 - never in the parent
        from vmpod.hypervisor.connection import LibvirtHypervisor  # noqa: PLC0415

    uri = driver.uri or embedded.prepare_root(driver.root, driver.cache)
    embedded.start_event_loop()
    return LibvirtHypervisor(uri)


# How it is asked, and answers.


def in_child(
    work: Callable[Concatenate[Tell, P], T],
    heard: Callable[..., None],
    *arguments: P.args,
    **named: P.kwargs,
) -> T:
    """Call a module's function in a child process, and return what it returns, or raise what it raises.

    work: gets a function first that tells this process something meanwhile: heard() is called with it, and if
    it raises, the child's next word fails. Raises ChildDiedError if the child dies.
    """
    return _asked(ahead.take(), work, heard, arguments, named)


def in_child_within(
    seconds: float, work: Callable[Concatenate[Tell, P], T], *arguments: P.args, **named: P.kwargs
) -> T:
    """As in_child(), for a call that may hang. Raises TimeoutExpiredError, and then the child is killed."""
    child = ahead.take()
    pidfd = os.pidfd_open(child[0])
    late = threading.Event()

    def end() -> None:
        late.set()
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)

    timer = threading.Timer(seconds, end)
    timer.start()
    try:
        return _asked(child, work, nothing, arguments, named)
    except ChildDiedError:
        if late.is_set():
            raise TimeoutExpiredError(f"libvirt did not answer within {seconds:g} s") from None
        raise
    finally:
        timer.cancel()
        timer.join()
        os.close(pidfd)


def _asked(
    child: ahead.Child,
    work: Callable[..., T],
    heard: Callable[..., None],
    arguments: tuple[object, ...],
    named: Mapping[str, object],
) -> T:
    pid, answers, ask = child
    try:
        with os.fdopen(answers, "rb") as stream:
            # That it has ended already, the answer tells.
            with suppress(BrokenPipeError), os.fdopen(ask, "wb") as out:
                out.write(pickle.dumps((work, arguments, named)))
            while True:
                last, value, error = _next(stream)
                if last:
                    break
                heard(value)
    except EOFError:
        _, status = os.waitpid(pid, 0)
        pid = 0
        raise ChildDiedError(f"libvirt's driver ended without a word (wait status {status})") from None
    finally:
        # Also when we are interrupted: what the child has begun can be undone once it is done.
        if pid:
            os.waitpid(pid, 0)
    if error is not None:
        raise error
    result: T = value
    return result


def _next(stream: IO[bytes]) -> tuple[bool, Any, Exception | None]:
    found: tuple[bool, Any, Exception | None] = pickle.load(stream)  # noqa: S301 - from our own child
    return found


def import_ahead() -> None:
    """Import what a child needs before it is asked for anything. What is missing is told when it is."""
    # libvirt tells its own mind on stderr, unless it is asked to; errors are raised anyway.
    os.environ.setdefault("LIBVIRT_DEBUG", "4")
    with suppress(ImportError):
        for name in _NEEDED:
            importlib.import_module(name)


def serve(asked: int, answer: int) -> NoReturn:
    """Be the child: prepare, wait for a request, answer it, and end."""
    import_ahead()
    with os.fdopen(asked, "rb") as requests, os.fdopen(answer, "wb") as out:

        def tell(value: object, *, last: bool = False, error: Exception | None = None) -> None:
            out.write(pickle.dumps((last, value, error)))
            out.flush()

        try:
            work, arguments, named = pickle.load(requests)  # noqa: S301 - from our own parent
        except EOFError:
            os._exit(0)  # it needs nothing
        try:
            value = work(tell, *arguments, **named)
        except Exception as error:  # whatever it is, it is the parent's
            if not isinstance(error, VmpodError):
                error.add_note(traceback.format_exc())
            tell(None, last=True, error=error)
        else:
            tell(value, last=True)
    os._exit(0)
