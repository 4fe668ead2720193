"""libvirt: its binding, its driver, and the connection that was asked for."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vmpod.doctor.model import Finding, Host, Impact, State, ok
from vmpod.errors import DOCTOR, HostError, MissingProgramError, TimeoutExpiredError, VmpodError
from vmpod.hypervisor.binding import check_binding
from vmpod.hypervisor.child import Driver, try_to_open
from vmpod.paths import Paths, private_dir
from vmpod.process import Process, command_lines
from vmpod.text import printable

TIMEOUT = 15.0
_DENIED = ("Permission denied", "authentication failed", "authentication unavailable")


def embedded(host: Host) -> Finding:
    """Whether the embedded driver opens, as for a pod: with a directory of its own, which goes again."""
    try:
        check_binding()
        with _root(host.paths) as root:
            version = try_to_open(Driver("", root, host.paths.libvirt_cache), timeout=TIMEOUT)
    except VmpodError as error:
        return _failed(error, "fatal")
    except OSError as error:
        where = host.paths.runtime
        return Finding("unusable", f"{where} cannot be written: {error.strerror}", ("df -h",), "fatal")
    return ok(f"{version}, its embedded driver opens")


def daemon(host: Host) -> Finding | None:
    """Whether the libvirt opens that --connect names."""
    if not host.uri:
        return None
    try:
        check_binding()
        version = try_to_open(Driver(host.uri, Path(), Path()), timeout=TIMEOUT)
    except VmpodError as error:
        return _failed(error, "fatal")
    return ok(f"{version}, {host.uri} opens")


@contextmanager
def _root(paths: Paths) -> Iterator[Path]:
    """A directory such as a pod has, so that `vmpod prune` knows what it is if we are killed."""
    top = private_dir(paths.runtime) / os.urandom(6).hex()
    try:
        yield top / "v"
    finally:
        _end_what_it_started(top)
        shutil.rmtree(top, ignore_errors=True)


def _end_what_it_started(top: Path) -> None:
    """A driver that was killed may have asked a QEMU what it can do, which then is nobody's."""
    for pid, arguments in command_lines():
        if os.fsencode(top) in arguments and (process := Process.of(pid)):
            process.end()


def _no_socket(message: str) -> bool:
    return "Failed to connect socket" in message and "No such file" in message


def _failed(error: VmpodError, impact: Impact) -> Finding:
    state: State = "unusable"
    if isinstance(error, MissingProgramError) or _no_socket(error.message):
        state = "missing"
    elif any(words in error.message for words in _DENIED):
        state = "denied"
    mend = tuple(line for line in (error.hint or "").splitlines() if not line.startswith(DOCTOR))
    if isinstance(error, TimeoutExpiredError):
        mend = ("vmpod --debug doctor",)
    kind = type(error) if isinstance(error, HostError) else HostError
    return Finding(state, printable(" ".join(error.message.split())), mend, impact, kind)
