"""A container's first process (see `launch`), with mounts, processes and a cgroup of its own.

It shares the machine's network, IPC and host name with its peers. There is no seccomp filter, which is the
Kubernetes default (Unconfined): the machine is the sandbox.
"""

from __future__ import annotations

import os

from vmpod_agent import cgroups, layout, mounts, syscalls
from vmpod_agent.launch import Process
from vmpod_agent.syscalls import CLONE_NEWCGROUP, CLONE_NEWNS, CLONE_NEWPID

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmpod_agent.launch import Command, Starting


class Bind:
    """A file or directory of the machine that a container sees."""

    __slots__ = ("path", "read_only", "source")

    def __init__(self, source: str, path: str, *, read_only: bool = False) -> None:
        self.source, self.path, self.read_only = source, path, read_only


# The pod's containers share /dev/shm, as they share IPC.
_SHARED = (
    Bind("/dev/shm", "/dev/shm"),  # noqa: S108 - it is no file of ours
    *(Bind(f"{layout.ETC}/{name}", f"/etc/{name}") for name in ("hosts", "hostname", "resolv.conf")),
)


def start(container: str, root: str, binds: list[Bind], command: Command, streams: list[int]) -> Starting:
    """Start a container's first process, in the cgroup that has been made for it.

    root: a mount, the container's root file system; binds come after the standard mounts; streams: for
    standard input, output and error. Raises OSError.
    """
    process = Creating(container, root, [*_SHARED, *binds], command, streams)
    return process.launch(lambda: syscalls.unshare(CLONE_NEWPID))


class Creating(Process):
    """A child that makes the surroundings of a container, and lives in them."""

    def __init__(
        self, container: str, root: str, binds: list[Bind], command: Command, streams: list[int]
    ) -> None:
        super().__init__(command, streams)
        self._container = container
        self._root = root
        self._binds = binds

    def entering(self) -> Iterator[str]:
        yield "enter the container's cgroup"
        cgroups.enter(self._container)
        yield "make namespaces"
        syscalls.unshare(CLONE_NEWNS | CLONE_NEWCGROUP)
        syscalls.join_new_keyring()
        trees = []
        for bind in self._binds:
            yield f"find {bind.source}"
            trees.append(mounts.take(bind.source, read_only=bind.read_only))
        yield "enter the root file system"
        mounts.enter_root(self._root)
        for path, kind, flags, options in mounts.FILE_SYSTEMS:
            yield f"mount {kind} on {path}"
            mounts.mount(path, kind, flags, options)
            if path == "/dev":
                yield "make devices"
                mounts.make_devices()
        for bind, tree in zip(self._binds, trees, strict=True):
            yield f"mount on {bind.path}"
            mounts.place(tree, bind.path)
        for path in mounts.HIDDEN:
            yield f"hide {path}"
            mounts.hide(path)
        for path in mounts.PROTECTED:
            yield f"protect {path}"
            mounts.protect(path)
        yield "make the working directory"
        # As the machine's root: an engine makes it if the image has none.
        os.makedirs(self._command.cwd, exist_ok=True)
