"""Locks between processes: one file each.

flock(2) locks end with the process, however it ends, so that none is ever left behind.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from vmpod.errors import ConflictError

_POLL = 0.05


@contextmanager
def locked(path: Path, what: str, *, timeout: float = 60.0) -> Iterator[None]:
    """Hold the lock for the time of the block.

    what: the thing it guards, for the message. Raises ConflictError if somebody else holds it for that
    many seconds.
    """
    fd = _acquire(path, what, time.monotonic() + timeout)
    try:
        yield
    finally:
        # Before it is released: whoever waits for this file finds it gone and makes a new one.
        path.unlink(missing_ok=True)
        os.close(fd)


@contextmanager
def if_free(path: Path) -> Iterator[bool]:
    """Hold the lock for the time of the block, if nobody has it; whether it is held.

    As if we had not been here: a file that was there already stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    there = path.exists()
    fd = try_lock(path)
    try:
        yield fd is not None
    finally:
        if fd is not None:
            if not there:
                path.unlink(missing_ok=True)
            os.close(fd)


@contextmanager
def exclusive(path: Path, *, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the lock of a file that stays (made if missing), however long it takes to get.

    waiting: called once if somebody else has it.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


@contextmanager
def shared(path: Path) -> Iterator[None]:
    """Hold the lock of a file that stays (made if missing) together with others; no exclusive() meanwhile."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH)
        yield
    finally:
        os.close(fd)


def try_lock(path: Path) -> int | None:
    """A descriptor that holds the lock until it is closed; None if somebody else has it."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    if _is_current(fd, path):
        return fd
    os.close(fd)
    return None


def held(path: Path) -> bool:
    """Whether somebody holds the lock."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def _acquire(path: Path, what: str, deadline: float) -> int:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    while True:
        if (fd := try_lock(path)) is not None:
            return fd
        if time.monotonic() > deadline:
            raise ConflictError(
                f"another vmpod command is working on {what}", hint="wait for it to end, then try again"
            )
        time.sleep(_POLL)


def _is_current(fd: int, path: Path) -> bool:
    """Whether the locked file is still the one at the path: its last holder may have removed it."""
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    mine = os.fstat(fd)
    return (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino)
