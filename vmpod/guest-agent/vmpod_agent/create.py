"""A container's first process (see `launch`), with mounts, processes and a cgroup of its own.

It shares the machine's network, IPC and host name with its peers. The machine is the sandbox.

What the machine gives to the container, its root among it, is taken by the agent as descriptors of mounts.
The child never looks for a path of the machine: it has left the machine's mounts before it knows of them.
"""

from __future__ import annotations

import os

from vmpod_agent import cgroups, layout, mounts, syscalls
from vmpod_agent.launch import Process
from vmpod_agent.syscalls import CLONE_NEWCGROUP, CLONE_NEWNS, CLONE_NEWPID, MS_RDONLY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from vmpod_agent.launch import Command, Rights, Starting

    Tree = tuple[int, str]
    """A descriptor of a mount, and where in the container it belongs."""


class Bind:
    """A file or directory of the machine that a container sees; see mounts.take()."""

    __slots__ = ("below", "options", "path", "read_only", "recursive", "source")

    def __init__(
        self,
        source: str,
        path: str,
        *,
        below: str = "",
        read_only: bool = False,
        recursive: bool = False,
        options: Iterable[str] = (),
    ) -> None:
        self.source, self.path, self.below = source, path, below
        self.read_only, self.recursive, self.options = read_only, recursive, options

    def take(self) -> int:
        """A descriptor of it. Raises OSError."""
        return mounts.take(
            self.source,
            below=self.below,
            read_only=self.read_only,
            recursive=self.recursive,
            options=self.options,
        )


_NAMES = tuple(Bind(f"{layout.ETC}/{name}", f"/etc/{name}") for name in ("hosts", "hostname", "resolv.conf"))


class Taken:
    """What the machine gives to a container, as descriptors of mounts, until close()."""

    def __init__(self, root: str, binds: list[Bind]) -> None:
        """root: where the container's root file system is. Raises OSError."""
        self.trees: list[Tree] = []
        try:
            for bind in (Bind(root, "/"), *_NAMES, *binds):
                self.trees.append((bind.take(), bind.path))
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        for fd, _ in self.trees:
            os.close(fd)


def start(
    group: str, taken: Taken, command: Command, streams: list[int], enter: Callable[[], None]
) -> Starting:
    """Start a container's first process. group: its cgroup, which is there already.

    streams: for standard input, output and error, none with a terminal. enter: sets the process namespace for
    children. Raises OSError.
    """
    return Creating(group, taken.trees, command, streams).launch(enter)


def alone() -> None:
    """Have children begin a process namespace of their own. Raises OSError."""
    syscalls.unshare(CLONE_NEWPID)


class Creating(Process):
    """A child that makes the surroundings of a container, and lives in them. trees: the first is the root."""

    def __init__(self, group: str, trees: list[Tree], command: Command, streams: list[int]) -> None:
        super().__init__(command, streams)
        self._group = group
        self._trees = trees

    def entering(self) -> Iterator[str]:
        made = yield from surroundings(self._group, self._command.rights)
        yield from self.moving_in(made)

    def moving_in(self, made: list[Tree]) -> Iterator[str]:
        """Enter the root, and put everything where it belongs. made: see surroundings()."""
        (root, _), *rest = self._trees
        yield "enter the root file system"
        mounts.enter(root)
        for tree, path in (*made, *rest):
            yield f"mount on {path}"
            mounts.place(tree, path)
        yield "make the working directory"
        # As the machine's root: an engine makes it if the image has none.
        os.makedirs(self._command.cwd, exist_ok=True)
        if self._command.rights.read_only:
            yield "make the root file system read-only"
            syscalls.protect("/")


def look_into(taken: Taken) -> None:
    """Have what a container had as the calling process's own, without the kernel's file systems.

    Raises OSError.
    """
    syscalls.unshare(CLONE_NEWNS)
    mounts.leave(layout.EMPTY)
    (root, _), *rest = taken.trees
    mounts.enter(root)
    for tree, path in rest:
        mounts.place(tree, path)


def surroundings(group: str, rights: Rights) -> Generator[str, None, list[Tree]]:
    """Make what is the same around every container, and leave the machine's mounts.

    Steps are told before they are done; the result is what has to be placed in the container's root.
    """
    yield "enter the cgroup"
    cgroups.enter(group)
    yield "make namespaces"
    syscalls.unshare(CLONE_NEWNS | CLONE_NEWCGROUP)
    syscalls.join_new_keyring()
    yield "leave the machine's mounts"
    shm = mounts.take("/dev/shm")  # noqa: S108 - the pod's containers share it, as they share IPC
    nodes = mounts.nodes() if rights.privileged else []
    mounts.leave(layout.EMPTY)
    for path, kind, flags, options in mounts.FILE_SYSTEMS:
        yield f"mount {kind} on {path}"
        mounts.mount(path, kind, flags & ~MS_RDONLY if rights.privileged else flags, options)
        if path == "/dev":
            yield "make devices"
            mounts.make_devices(nodes)
    mounts.place(shm, "/dev/shm")  # noqa: S108 - see above
    for path in () if rights.unmasked else mounts.HIDDEN:
        yield f"hide {path}"
        mounts.hide(path)
    for path in () if rights.unmasked else mounts.PROTECTED:
        yield f"protect {path}"
        mounts.protect(path)
    yield "take what was made"
    return [(mounts.take(path), path) for path in ("/proc", "/dev", "/sys")]
