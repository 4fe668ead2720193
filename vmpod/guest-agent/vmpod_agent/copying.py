"""Reads and writes files of a container, in a child that has the container's mounts as its own.

Nothing is needed in the image, and no link leads out of it: the child joins the container's mount namespace,
or, of a container that has ended, makes one like it. What it finds there is the container's, so the child

- has imported all it needs before, and can import nothing more: the modules would be the container's;
- never asks for the name of a user: the C library would load the container's plug-ins for that;
- holds no descriptor of the agent but its three pipes;
- opens no file that could keep it waiting, and can be killed at any time.

It stays in the agent's process namespace, where the container cannot see it.
"""

from __future__ import annotations

import errno
import os
import stat

from vmpod_agent import launch, syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import IO, Any

_CHUNK = 64 * 1024


class Order:
    """What to copy.

    path: in the container, from its root; into: write there, rather than read; name: of the directory or
    file that the tar holds, '.' if only what is in the directory counts, '' for a tar to be unpacked as it
    is; owner: (uid, gid) of what is written, None to keep owners and special bits as they are in the tar.
    """

    __slots__ = ("into", "name", "owner", "path")

    def __init__(self, path: str, *, into: bool, name: str, owner: tuple[int, int] | None) -> None:
        self.path, self.into, self.name, self.owner = "/" + path.lstrip("/"), into, name, owner


def start(enter: Callable[[], None], order: Order, streams: list[int]) -> int:
    """Fork the child, with these descriptors as its standard streams, and return its pid. Raises OSError.

    enter: has the container's files as the child's own; imports nothing.
    """
    pid = os.fork()
    if pid == 0:
        _child(order, streams, enter)
    return pid


def start_beside(container: int, order: Order, streams: list[int]) -> int:
    """As start(), among the mounts of a container that runs, by its process."""
    pidfd = os.pidfd_open(container)
    try:
        return start(lambda: syscalls.set_namespaces(pidfd, syscalls.CLONE_NEWNS), order, streams)
    finally:
        os.close(pidfd)


def _child(order: Order, streams: list[int], enter: Callable[[], None]) -> None:
    """Do it, and end: 0 if all went well."""
    status = 1
    try:
        launch.begin()
        work = _prepare()
        enter()
        # enter() may have used a descriptor; from here on there are three.
        for target, fd in enumerate(streams):
            os.dup2(fd, target)
        syscalls.close_range(3, syscalls.LAST_FD)
        work(order)
        status = 0
    except OSError as error:
        told = error.filename if isinstance(error.filename, str) else ""
        _say(f"{told or order.path}: {error.strerror or error}")
    except Exception as error:  # whatever it was, the agent's code must not go on here
        _say(f"{order.path}: {error}")
    finally:
        os._exit(status)


def _say(text: str) -> None:
    os.write(2, f"{text}\n".encode(errors="replace")[:4096])


def _prepare() -> Callable[[Order], None]:
    """Import what is needed, and nothing more after it."""
    import sys  # noqa: PLC0415
    import tarfile  # noqa: PLC0415

    tarfile.pwd = tarfile.grp = None  # type: ignore[attr-defined]
    sys.meta_path.clear()
    sys.path.clear()
    return lambda order: (_receive if order.into else _send)(tarfile, order)


# Out of the container.


def _send(tarfile: ModuleType, order: Order) -> None:
    """Write a file or a directory to standard output. The path itself is followed if it is a link."""
    name = os.path.basename(order.path.rstrip("/"))
    whole = name in {"", ".", ".."}
    real = os.path.realpath(order.path, strict=True)
    if (whole or order.path.endswith("/")) and not os.path.isdir(real):
        raise NotADirectoryError(20, "is not a directory", order.path)

    def kept(info: Any) -> Any:
        if not (info.isreg() or info.isdir() or info.issym() or info.islnk()):
            _say(f"{info.name}: is a special file and is left out")
            return None
        info.mtime = int(info.mtime)
        return info

    with (
        open(1, "wb", buffering=0, closefd=False) as output,
        tarfile.open(fileobj=output, mode="w|", format=tarfile.PAX_FORMAT, bufsize=_CHUNK) as tar,
    ):
        tar.copybufsize = _CHUNK
        tar.add(real, arcname="." if whole else name, filter=kept)


# Into the container.


def _receive(tarfile: ModuleType, order: Order) -> None:
    """Unpack standard input as `cp -r` would copy it."""
    directories: list[tuple[str, Any]] = []
    target = ""
    with open(0, "rb", closefd=False) as source:
        with tarfile.open(fileobj=source, mode="r|", bufsize=_CHUNK) as tar:
            for member in tar:
                target = target or _target(order, directory=member.isdir())
                path = target + _below(order, member.name)
                if order.owner is not None:
                    member.uid, member.gid = order.owner
                    member.mode &= 0o777
                if not order.name:
                    os.makedirs(os.path.dirname(path), exist_ok=True)
                if not member.isdir():
                    _write(tar, member, path, linked=target + _below(order, member.linkname))
                elif not os.path.isdir(path):
                    os.mkdir(path)
                    directories.append((path, member))
        while source.read(_CHUNK):
            pass  # what follows the end of the archive
    # Last, because a file written into a directory changes its time, and a mode may forbid it.
    for path, member in reversed(directories):
        _set_attributes(path, member)


def _target(order: Order, *, directory: bool) -> str:
    """Where the file or directory goes that the tar holds. Raises NotADirectoryError."""
    path = order.path.rstrip("/") or "/"
    into = os.path.isdir(path)
    if not into and (not order.name or (order.path.endswith("/") and not directory)):
        raise NotADirectoryError(20, "is not a directory", order.path)
    return f"{path}/{order.name}" if into and order.name not in {"", "."} else path


def _below(order: Order, name: str) -> str:
    """Where a member of the tar is, from the target. Raises ValueError."""
    words = [word for word in name.split("/") if word not in {"", "."}]
    if ".." in words:
        raise ValueError(f"the archive has the name {name!r}")
    if order.name not in {"", "."}:
        words = words[1:]
    return "".join(f"/{word}" for word in words)


def _write(tar: Any, member: Any, path: str, *, linked: str) -> None:
    """Make anything but a directory."""
    if member.isreg():
        _write_file(tar.extractfile(member), path, member)
        return
    if not (member.issym() or member.islnk()):
        _say(f"{member.name}: is a special file and is left out")
        return
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    if member.islnk():
        os.link(linked, path, follow_symlinks=False)
    else:
        os.symlink(member.linkname, path)
        os.chown(path, member.uid, member.gid, follow_symlinks=False)
        os.utime(path, (member.mtime, member.mtime), follow_symlinks=False)


def _write_file(content: IO[bytes], path: str, member: Any) -> None:
    fd = _open(path)
    try:
        while data := content.read(_CHUNK):
            while data:
                data = data[os.write(fd, data) :]
        _set_attributes(fd, member)
    finally:
        os.close(fd)


def _open(path: str) -> int:
    """A new or emptied file. What is there is kept where it can be: it may be a mount, as /etc/hosts is."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            os.unlink(path)
    except FileNotFoundError:
        pass
    try:
        return os.open(path, flags, 0o600)
    except OSError as error:
        if error.errno != errno.ETXTBSY:
            raise
    os.unlink(path)  # a program that runs
    return os.open(path, flags, 0o600)


def _set_attributes(file: int | str, member: Any) -> None:
    os.chown(file, member.uid, member.gid)
    os.chmod(file, member.mode & 0o7777)
    os.utime(file, (member.mtime, member.mtime))
