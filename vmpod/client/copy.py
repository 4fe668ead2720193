"""Copies files between this host and a container.

The path rules are those of `cp -r`: an existing directory means into it, a source that ends in `/.` means
what is in it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import ExitStack
from typing import BinaryIO

from vmpod.client.session import Session
from vmpod.client.transfer import CopyError, Transfer
from vmpod.dataclass import dataclass
from vmpod.errors import ProtocolError, VmpodError
from vmpod.tar.pack import pack
from vmpod.tar.read import Kind, TarReader
from vmpod.tar.unpack import Unpacker
from vmpod.wire import messages

_CHUNK = 64 * 1024
_START_TIMEOUT = 60.0

Say = Callable[[str], None]


@dataclass(frozen=True)
class Remote:
    """A path in a container, from its root. container: '' for the pod's first; archive: keep owners."""

    path: str
    container: str = ""
    archive: bool = False


def fetch(
    session: Session, source: Remote, destination: str, say: Say, *, deadline: float | None = None
) -> None:
    """Copy out of the container. say() gets a line for each file that is left out.

    deadline: by time.monotonic(), None for no limit.
    Raises CopyError, ProtocolError for an agent that sends what it must not, and as Session.receive().
    """
    with ExitStack() as stack:
        name = _name(source.path)
        directory, called = _target(destination, name)
        try:
            fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise CopyError(f"{directory}: {error.strerror}") from error
        stack.callback(os.close, fd)
        transfer = _begin(session, source, deadline=deadline)
        new = destination.endswith("/") and not os.path.isdir(destination)  # noqa: PTH112
        unpacker = Unpacker(
            fd, called, keep=source.archive, broken=_broken, kind=Kind.DIRECTORY if new else None
        )
        try:
            unpacker.unpack(TarReader(transfer, "its archive", _broken))
        except ProtocolError:
            transfer.explain()
            raise
        except OSError as error:
            raise CopyError(f"{_where(destination, error)}: {error.strerror}") from error
        transfer.finish()
        for line in transfer.said():
            say(line)


def fetch_archive(session: Session, source: Remote, output: BinaryIO, say: Say) -> None:
    """Write what is at the path as a tar. Raises as fetch()."""
    transfer = _begin(session, source)
    while data := transfer.read(_CHUNK):
        output.write(data)
    output.flush()
    transfer.finish()
    for line in transfer.said():
        say(line)


def send(session: Session, source: str, destination: Remote, say: Say) -> None:
    """Copy into the container. Raises as fetch()."""
    name = _name(source)
    try:
        status = os.stat(source)  # noqa: PTH116 - what a slash at its end means is lost to pathlib
        if source.endswith("/") and not stat.S_ISDIR(status.st_mode):
            raise NotADirectoryError(20, "is not a directory", source)
        transfer = _begin(session, destination, into=True, name=name)
        skipped: Say = lambda path: say(f"{path}: is a special file and is left out")  # noqa: E731
        for piece in pack(source, os.fsencode(name), skipped):
            if not transfer.write(piece):
                break
    except OSError as error:
        raise CopyError(f"{_where(source, error)}: {error.strerror}") from error
    _finish(transfer, say)


def send_archive(session: Session, source: BinaryIO, destination: Remote, say: Say) -> None:
    """Unpack a tar into a directory of the container. Raises as fetch()."""
    transfer = _begin(session, destination, into=True, name="")
    while data := source.read(_CHUNK):
        if not transfer.write(data):
            break
    _finish(transfer, say)


def _finish(transfer: Transfer, say: Say) -> None:
    transfer.finish()
    for line in transfer.said():
        say(line)


def _begin(session: Session, remote: Remote, *, deadline: float | None = None, **more: object) -> Transfer:
    message = {"container": remote.container, "path": remote.path, "archive": remote.archive}
    stream = session.open(messages.COPY, message | more)
    session.answer(stream, _START_TIMEOUT)
    return Transfer(session, stream, deadline=deadline)


def _name(path: str) -> str:
    """What the copy of a path is called; '.' if it is what is in the directory that counts."""
    name = os.path.basename(path.rstrip("/"))  # noqa: PTH119 - pathlib drops a dot at the end
    return "." if name in {"", ".", ".."} else name


def _target(destination: str, name: str) -> tuple[str, str]:
    """The directory to write in, and what to call the copy there ('': what it holds goes there itself)."""
    if os.path.isdir(destination):  # noqa: PTH112
        return destination, "" if name == "." else name
    parent, called = os.path.split(destination.rstrip("/"))
    return parent or ".", called


def _broken(message: str) -> VmpodError:
    return ProtocolError(f"the pod's agent sends what it must not: {message}")


def _where(path: str, error: OSError) -> str:
    name = error.filename
    return os.fsdecode(name) if isinstance(name, (str, bytes)) else path
