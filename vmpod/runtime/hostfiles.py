"""Single files of the host in a machine.

QEMU shares directories. So a file gets a second name (a hard link) in a directory of the pod that holds
nothing else: what either side writes both see, and nothing beside the file can be reached. As with a bind
mount of a kubelet's, it is the file that was there at the start: one that takes its place by a rename is
another.

A file cannot have a name on another file system, and the kernel lets a user link only what is the user's, or
what the user may write to (proc_sys_fs(5), protected_hardlinks).
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

from vmpod.errors import HostError
from vmpod.files import link_open
from vmpod.plan.model import Share
from vmpod.run import remove_deep
from vmpod.wire import SHARED_FILE

_PROTECTED = Path("/proc/sys/fs/protected_hardlinks")
_HINT = "a ConfigMap or Secret holds what only has to be read; else share a directory, which may be anywhere"


def obstacle(path: Path, pods: Path) -> str:
    """Why a file cannot have a second name below a directory, '' if it can, as far as can be told.

    path: links are followed; of one that is to be made it is the directory that matters. pods: need not be
    there yet.
    """
    there = next(each for each in (pods, *pods.parents) if each.exists())
    try:
        file = path.stat()
    except FileNotFoundError:
        try:
            return _elsewhere(path, path.parent.stat(), there)
        except OSError:
            return f"there is no directory {path.parent} to make it in"
    except OSError as error:
        return f"{path} cannot be looked at: {error.strerror}"
    return _elsewhere(path, file, there) or ("" if _linkable(path, file) else _forbidden(path))


def _elsewhere(path: Path, status: os.stat_result, there: Path) -> str:
    if status.st_dev == there.stat().st_dev:
        return ""
    return (
        f"{path} is on another file system than {there}: a single file can be shared with a machine only if "
        f"it can have a second name there; {_HINT}"
    )


def _forbidden(path: Path) -> str:
    return f"{path} belongs to another user, and this one may not give it a second name; {_HINT}"


def _linkable(path: Path, file: os.stat_result) -> bool:
    """Whether the kernel lets this user link the file. Source: linux/fs/namei.c, may_linkat()."""
    try:
        protected = _PROTECTED.read_text().strip() != "0"
    except OSError:
        protected = True
    if not protected or os.geteuid() in (0, file.st_uid):
        return True
    runs_as_group = file.st_mode & stat.S_ISGID and file.st_mode & stat.S_IXGRP
    return not (file.st_mode & stat.S_ISUID or runs_as_group) and os.access(path, os.R_OK | os.W_OK)


def make(path: Path) -> None:
    """Make an empty file as a kubelet does, unless there is one. Raises OSError."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644))


def put(share: Share) -> None:
    """Have the file of a share, and nothing else, in its directory. Raises HostError, OSError."""
    assert share.file
    share.path.parent.mkdir(mode=0o711, exist_ok=True)
    remove_deep(share.path)
    share.path.mkdir(mode=0o700)
    # What was looked at is what is linked, whatever takes its place meanwhile.
    file = os.open(share.file, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise HostError(f"{share.file} is no file any more")
        link_open(file, share.path / SHARED_FILE)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EROFS):
            raise
        raise HostError(f"{share.file} cannot have a second name: {error.strerror}", hint=_HINT) from error
    finally:
        os.close(file)
