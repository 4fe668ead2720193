"""Starts a process in a container: a child of ours that goes there, and becomes the command.

`create` makes a container's first process, `join` a further one. What is the same is here: a child gives up
what the container may not do, and executes the command. What the container could turn against it:

- Its files. Nothing of them is opened, let alone imported, before the child has no more rights than the
  container's own root: then the working directory is entered, the terminal opened, the command executed. No
  descriptor of ours but the standard streams and a socket is open by then, so that a link to /proc/self/fd
  leads nowhere.
- The child itself, which processes of the container may see from the fork on. It is not dumpable, so nobody
  without CAP_SYS_PTRACE can trace it or open what is below /proc/PID. Where somebody could, /proc/PID/exe
  leads to the Python of a root file system that is mounted read-only: no later process runs what the
  container wrote.
- The agent. It waits for nothing: the child reports over a socket, and can be killed at any time.
"""

from __future__ import annotations

import _socket
import errno
import fcntl
import os
import stat
import struct

from vmpod.wire.capabilities import DEFAULT
from vmpod_agent import capabilities, syscalls
from vmpod_agent.signals import signal
from vmpod_agent.syscalls import CLONE_NEWPID, TIOCGPTPEER, TIOCSCTTY, TIOCSPTLCK, TIOCSWINSZ
from vmpod_agent.users import User

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Protocol

    class Work(Protocol):
        """What a child does."""

        def steps(self, report: int) -> Iterator[str]:
            """Do it; each step is told before it is done. report: the socket to the agent."""


_MAX_REPORT = 512
_EXECUTE = "execute"
_TERMINAL, _FAILED = b"T", b"F"
_PTMX = os.makedev(5, 2)
_UMASK = 0o022  # what container engines give a container's first process
_TO_DEFAULT = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGCHLD)  # those that Python sets


class LaunchError(Exception):
    """The command could not be executed. status: 127 not found, 126 not executable, 128 anything else."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Rights:
    """What a command may do.

    bounding: capabilities, as a mask; no_new_privileges: no program gives it more; program: of a seccomp
    filter; read_only: it may not write to its root file system; privileged: it sees the machine's devices,
    and may write to all of /proc and /sys; unmasked: nothing of /proc and /sys is hidden or protected.
    """

    __slots__ = ("bounding", "no_new_privileges", "privileged", "program", "read_only", "unmasked")

    def __init__(
        self,
        *,
        bounding: int = DEFAULT,
        no_new_privileges: bool = False,
        program: bytes = b"",
        read_only: bool = False,
        privileged: bool = False,
        unmasked: bool = False,
    ) -> None:
        self.bounding, self.no_new_privileges, self.program = bounding, no_new_privileges, program
        self.read_only, self.privileged, self.unmasked = read_only, privileged, unmasked

    def packed(self) -> dict[str, Any]:
        """All of it, as the arguments of another."""
        return {name: getattr(self, name) for name in self.__slots__}


_USUAL = Rights()


class Command:
    """What is to be executed, and as whom.

    env: NAME=value strings; terminal: (columns, rows), or None for pipes. Raises ValueError if it holds what
    no process can be given.
    """

    def __init__(
        self,
        argv: list[str],
        *,
        env: list[str],
        cwd: str,
        user: User,
        terminal: tuple[int, int] | None = None,
        rights: Rights = _USUAL,
    ) -> None:
        self.rights = rights
        self.argv = [_encoded(word) for word in argv]
        pairs = (_encoded(word).partition(b"=") for word in env)
        self.env = {name: value for name, _, value in pairs}
        self.cwd = _encoded(cwd) or b"/"
        self.user = user
        self.terminal = terminal

    @property
    def name(self) -> str:
        """The program, as it was asked for."""
        return os.fsdecode(self.argv[0])

    def packed(self) -> tuple[Any, ...]:
        """All of it, as plain data for unpack(); without a terminal."""
        user = self.user
        rights = self.rights.packed()
        return rights, self.argv, self.env, self.cwd, user.uid, user.gid, user.groups, user.home

    @classmethod
    def unpack(cls, data: tuple[Any, ...]) -> Command:
        """What packed() gave."""
        rights, argv, env, cwd, *user = data
        found = cls([], env=[], cwd="", user=User(*user), rights=Rights(**rights))
        found.argv, found.env, found.cwd = argv, env, cwd
        return found


class Starting:
    """A process on its way from the fork to its command; report() is to be called when `fd` is readable."""

    def __init__(self, pid: int, socket: _socket.socket, command: str) -> None:
        self.pid = pid
        self.command = command
        self._socket = socket

    @property
    def fd(self) -> int:
        """The descriptor to watch; -1 when there is nothing more to come."""
        return self._socket.fileno()

    def close(self) -> None:
        """Hear no more of it."""
        self._socket.close()

    def send(self, data: bytes, descriptors: list[int]) -> None:
        """Tell the child something. Raises OSError."""
        packed = struct.pack(f"{len(descriptors)}i", *descriptors)
        self._socket.sendmsg([data], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, packed)])

    def wait(self) -> None:
        """Wait for the child to say something. Raises LaunchError if it has failed."""
        self._socket.setblocking(True)
        self.report()
        self._socket.setblocking(False)

    def report(self) -> int | None:
        """What the child says: the master of its terminal, or None when the command has been executed.

        Raises LaunchError if that failed, BlockingIOError if the child has not said anything yet.
        """
        said, passed, _, _ = self._socket.recvmsg(
            _MAX_REPORT, _socket.CMSG_LEN(struct.calcsize("i")), _socket.MSG_CMSG_CLOEXEC
        )
        if said[:1] == _FAILED:
            number, _, step = said[1:].decode().partition(" ")
            raise _error(int(number), step, self.command)
        if passed:
            (master,) = struct.unpack("i", passed[0][2])
            return int(master)
        return None


class Process:
    """A child that becomes a command. All that can be prepared is, before the fork.

    streams: descriptors for standard input, output and error, none with a terminal.
    """

    def __init__(self, command: Command, streams: list[int]) -> None:
        self._command = command
        self._streams = streams
        self._bounding = command.rights.bounding
        self._kept = self._bounding if command.user.uid == 0 else 0

    def entering(self) -> Iterator[str]:
        """Go to where the command is to run; each step is told before it is done."""
        raise NotImplementedError

    def launch(self, enter: Callable[[], None]) -> Starting:
        """Start the child; see fork(). Raises OSError."""
        return fork(self, enter, self._command.name)

    def steps(self, report: int) -> Iterator[str]:
        """See Work."""
        yield "begin"
        begin()
        yield from self.entering()
        yield from self.becoming(report)

    def becoming(self, report: int) -> Iterator[str]:
        """Give up rights, and become the command, from where it is to run."""
        yield "pass the standard streams"
        self._pass_streams(report)
        rights = self._command.rights
        if rights.program and not rights.no_new_privileges:
            # While it may be set: this takes rights, too.
            yield "filter system calls"
            syscalls.set_filter(rights.program)
        yield "give up capabilities"
        self._give_up()
        yield f"enter the working directory {os.fsdecode(self._command.cwd)}"
        os.chdir(self._command.cwd)
        yield "change the user"
        self._change_user()
        if self._command.terminal:
            yield "open a terminal"
            self._open_terminal(report)
        if rights.no_new_privileges:
            yield "give up new privileges"
            syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
            if rights.program:
                yield "filter system calls"
                syscalls.set_filter(rights.program)
        yield _EXECUTE
        self._execute()

    def _pass_streams(self, report: int) -> None:
        for target, fd in enumerate(self._streams):
            os.dup2(fd, target)
        syscalls.close_range(3, report - 1)
        syscalls.close_range(report + 1, syscalls.LAST_FD)

    def _give_up(self) -> None:
        os.setgroups(self._command.user.groups)
        gid = self._command.user.gid
        os.setresgid(gid, gid, gid)
        capabilities.limit(self._bounding)
        # As the container's root, which may enter directories that its user may not; and then its user.
        now = self._bounding | capabilities.SETUID
        syscalls.set_capabilities(permitted=now, effective=now)

    def _change_user(self) -> None:
        uid = self._command.user.uid
        syscalls.prctl(syscalls.PR_SET_KEEPCAPS, 1)
        os.setresuid(uid, uid, uid)
        syscalls.set_capabilities(permitted=self._kept, effective=self._kept)

    def _open_terminal(self, report: int) -> None:
        """Make a terminal of the container the controlling one; opened by its user, it belongs to it."""
        assert self._command.terminal
        columns, rows = self._command.terminal
        master = os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        found = os.fstat(master)
        if not stat.S_ISCHR(found.st_mode) or found.st_rdev != _PTMX:
            raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))
        fcntl.ioctl(master, TIOCSPTLCK, struct.pack("i", 0))
        fcntl.ioctl(master, TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        slave = fcntl.ioctl(master, TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        fcntl.ioctl(slave, TIOCSCTTY, 0)
        for target in range(3):
            os.dup2(slave, target)
        passed = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS, struct.pack("i", master))
        _socket.socket(fileno=os.dup(report)).sendmsg([_TERMINAL], [passed])

    def _execute(self) -> None:
        """Execute the command, looked for in the PATH of its own environment as execvp(3) does."""
        argv, env, execve = self._command.argv, self._command.env, os.execve
        if b"/" in argv[0]:
            execve(argv[0], argv, env)
        denied = None
        for directory in env.get(b"PATH", b"").split(b":"):
            try:
                execve((directory or b".") + b"/" + argv[0], argv, env)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except PermissionError as error:
                denied = error
        raise denied or FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))


def fork(work: Work, enter: Callable[[], None], command: str) -> Starting:
    """Have a child do that work, in the process namespace that enter() sets for children.

    command: what it will become, for messages. Raises OSError.
    """
    ours, theirs = _socket.socketpair(
        _socket.AF_UNIX, _socket.SOCK_SEQPACKET | _socket.SOCK_CLOEXEC | _socket.SOCK_NONBLOCK
    )
    try:
        pid = _fork_into(enter)
        if pid == 0:
            _do(work, theirs.fileno())  # does not return
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    return Starting(pid, ours, command)


def _fork_into(enter: Callable[[], None]) -> int:
    """fork(2), the child being in another process namespace; the number is ours.

    It is the namespace for children that enter() sets, and that is set back: so the child is ours, not a
    grandchild.
    """
    own = os.pidfd_open(os.getpid())
    pid = -1
    try:
        enter()
        pid = os.fork()
    finally:
        if pid != 0:
            syscalls.set_namespaces(own, CLONE_NEWPID)
        os.close(own)
    return pid


def _do(work: Work, report: int) -> None:
    """Be the child: become the command, or report why not, and end."""
    step = ""
    try:
        for each in work.steps(report):
            step = each
    except Exception as error:  # whatever it was, the agent's code must not go on here
        number = getattr(error, "errno", None) or errno.EINVAL
        os.write(report, _FAILED + f"{number} {step}".encode(errors="replace")[: _MAX_REPORT - 1])
    finally:
        os._exit(127)


def begin() -> None:
    """Be a process of one's own, which nobody looks into."""
    signal.set_wakeup_fd(-1)
    for number in _TO_DEFAULT:
        signal.signal(number, signal.SIG_DFL)
    syscalls.prctl(syscalls.PR_SET_DUMPABLE, 0)
    os.setsid()
    os.umask(_UMASK)


def _encoded(word: str) -> bytes:
    """As execve(2) takes it. Raises ValueError."""
    data = os.fsencode(word)
    if b"\0" in data:
        raise ValueError("a NUL character")
    return data


def _error(number: int, step: str, command: str) -> LaunchError:
    """What a failed step means to who asked for the command."""
    reason = os.strerror(number)
    if step != _EXECUTE:
        return LaunchError(f"could not {step}: {reason}", 128)
    if number in (errno.ENOENT, errno.ENOTDIR):
        return LaunchError(f"{command}: executable file not found in the container", 127)
    status = 128 if number in (errno.E2BIG, errno.ENOMEM, errno.EAGAIN) else 126
    return LaunchError(f"{command}: {reason}", status)
