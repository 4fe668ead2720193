"""Starts a further process in a running container, without a program in between.

A child of ours joins the container's cgroup and namespaces, gives up what the container may not do, and
executes the command. What the container could turn against it:

- Its files. Nothing of them is opened, let alone imported, before the child has no more rights than the
  container's own root: then the working directory is entered, the terminal opened, the command executed. No
  descriptor of ours but the standard streams and a socket is open by then, so that a link to /proc/self/fd
  leads nowhere.
- The child itself, which the container sees from the fork on. It is not dumpable, so nobody without
  CAP_SYS_PTRACE can trace it or open what is below /proc/PID. Where somebody could, /proc/PID/exe leads to
  the Python of a root file system that is mounted read-only: no later process runs what the container wrote.
- The agent. It waits for nothing: the child reports over a socket, and can be killed at any time.
"""

from __future__ import annotations

import _socket
import errno
import fcntl
import os
import stat
import struct

from vmpod_agent import capabilities, syscalls
from vmpod_agent.signals import signal
from vmpod_agent.syscalls import (
    CLONE_NEWCGROUP,
    CLONE_NEWNS,
    CLONE_NEWPID,
    TIOCGPTPEER,
    TIOCSCTTY,
    TIOCSPTLCK,
    TIOCSWINSZ,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    Json = dict[str, Any]

_MAX_REPORT = 512
_EXECUTE = "execute"
_TERMINAL, _FAILED = b"T", b"F"
_PTMX = os.makedev(5, 2)
_UMASK = 0o022  # what crun gives a container's first process
_TO_DEFAULT = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGCHLD)  # those that Python sets


class JoinError(Exception):
    """The command could not be executed. status: 127 not found, 126 not executable, 128 anything else."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Starting:
    """A process on its way from the fork to its command; report() is to be called when `fd` is readable."""

    def __init__(self, pid: int, socket: _socket.socket, command: str) -> None:
        self.pid = pid
        self._socket = socket
        self._command = command

    @property
    def fd(self) -> int:
        """The descriptor to watch; -1 when there is nothing more to come."""
        return self._socket.fileno()

    def close(self) -> None:
        """Hear no more of it."""
        self._socket.close()

    def report(self) -> int | None:
        """What the child says: the master of its terminal, or None when the command has been executed.

        Raises JoinError if that failed, BlockingIOError if the child has not said anything yet.
        """
        said, passed, _, _ = self._socket.recvmsg(
            _MAX_REPORT, _socket.CMSG_LEN(struct.calcsize("i")), _socket.MSG_CMSG_CLOEXEC
        )
        if said[:1] == _FAILED:
            number, _, step = said[1:].decode().partition(" ")
            raise _error(int(number), step, self._command)
        if passed:
            (master,) = struct.unpack("i", passed[0][2])
            return int(master)
        return None


def start(container: int, cgroup: str, settings: Json, streams: list[int]) -> Starting:
    """Start a process beside a container's first one.

    container: the number of that one, which is a child of ours; cgroup: directory of the container's cgroup;
    settings: as ociconfig.process() makes them; streams: descriptors for standard input, output and error,
    none with a terminal. Raises OSError, ValueError if the settings hold what no process can be given.
    """
    process = _Process(cgroup, settings, streams)
    ours, theirs = _socket.socketpair(
        _socket.AF_UNIX, _socket.SOCK_SEQPACKET | _socket.SOCK_CLOEXEC | _socket.SOCK_NONBLOCK
    )
    pidfd = os.pidfd_open(container)
    try:
        pid = _fork_into(pidfd)
        if pid == 0:
            process.execute(pidfd, theirs.fileno())  # does not return
    except BaseException:
        ours.close()
        raise
    finally:
        os.close(pidfd)
        theirs.close()
    return Starting(pid, ours, settings["args"][0])


def _fork_into(pidfd: int) -> int:
    """fork(2), the child being in the process namespace of another process; the number is ours.

    It is the namespace for children that is set, and set back: so the child is ours, not a grandchild.
    """
    own = os.pidfd_open(os.getpid())
    pid = -1
    try:
        syscalls.set_namespaces(pidfd, CLONE_NEWPID)
        pid = os.fork()
    finally:
        if pid != 0:
            syscalls.set_namespaces(own, CLONE_NEWPID)
        os.close(own)
    return pid


class _Process:
    """What the child is to become. All that can be prepared is, before the fork."""

    def __init__(self, cgroup: str, settings: Json, streams: list[int]) -> None:
        self._cgroup = f"{cgroup}/cgroup.procs"
        self._user = settings["user"]
        self._argv = [_encoded(word) for word in settings["args"]]
        environment = (_encoded(word).partition(b"=") for word in settings["env"])
        self._env = {name: value for name, _, value in environment}
        self._cwd = _encoded(settings["cwd"])
        self._no_new_privileges = settings["noNewPrivileges"]
        sets = settings["capabilities"]
        self._bounding, self._permitted, self._effective = (
            capabilities.mask(sets[name]) for name in ("bounding", "permitted", "effective")
        )
        size = settings.get("consoleSize", {})
        self._size = struct.pack("HHHH", size.get("height", 0), size.get("width", 0), 0, 0)
        self._terminal = settings["terminal"]
        self._streams = streams

    def execute(self, pidfd: int, report: int) -> None:
        """Become the command, or report why not, and end."""
        step = ""
        try:
            for name, action in self.steps(pidfd, report):
                step = name
                action()
        except Exception as error:  # whatever it was, the agent's code must not go on here
            number = getattr(error, "errno", None) or errno.EINVAL
            os.write(report, _FAILED + f"{number} {step}".encode(errors="replace")[: _MAX_REPORT - 1])
        finally:
            os._exit(127)

    def steps(self, pidfd: int, report: int) -> Iterator[tuple[str, Callable[[], None]]]:
        """What the child does, in order."""
        yield "begin", _begin
        yield "enter the container's cgroup", self._enter_cgroup
        yield "enter the container", lambda: _enter(pidfd)
        yield "pass the standard streams", lambda: self._pass_streams(report)
        yield "give up capabilities", self._give_up
        yield f"enter the working directory {os.fsdecode(self._cwd)}", lambda: os.chdir(self._cwd)
        yield "change the user", self._change_user
        if self._terminal:
            yield "open a terminal", lambda: self._open_terminal(report)
        yield _EXECUTE, self._execute

    def _enter_cgroup(self) -> None:
        fd = os.open(self._cgroup, os.O_WRONLY | os.O_CLOEXEC)
        os.write(fd, b"0")

    def _pass_streams(self, report: int) -> None:
        for target, fd in enumerate(self._streams):
            os.dup2(fd, target)
        syscalls.close_range(3, report - 1)
        syscalls.close_range(report + 1, syscalls.LAST_FD)

    def _give_up(self) -> None:
        os.setgroups(self._user["additionalGids"])
        gid = self._user["gid"]
        os.setresgid(gid, gid, gid)
        capabilities.limit(self._bounding)
        # As the container's root, which may enter directories that its user may not; and then its user.
        now = self._bounding | capabilities.SETUID
        syscalls.set_capabilities(permitted=now, effective=now)

    def _change_user(self) -> None:
        uid = self._user["uid"]
        syscalls.prctl(syscalls.PR_SET_KEEPCAPS, 1)
        os.setresuid(uid, uid, uid)
        syscalls.set_capabilities(permitted=self._permitted, effective=self._effective)
        if self._no_new_privileges:
            syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)

    def _open_terminal(self, report: int) -> None:
        """Make a terminal of the container the controlling one; opened by its user, it belongs to it."""
        master = os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        found = os.fstat(master)
        if not stat.S_ISCHR(found.st_mode) or found.st_rdev != _PTMX:
            raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))
        fcntl.ioctl(master, TIOCSPTLCK, struct.pack("i", 0))
        fcntl.ioctl(master, TIOCSWINSZ, self._size)
        slave = fcntl.ioctl(master, TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        fcntl.ioctl(slave, TIOCSCTTY, 0)
        for target in range(3):
            os.dup2(slave, target)
        passed = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS, struct.pack("i", master))
        _socket.socket(fileno=os.dup(report)).sendmsg([_TERMINAL], [passed])

    def _execute(self) -> None:
        """Execute the command, looked for in the PATH of its own environment as execvp(3) does."""
        command = self._argv[0]
        execve = os.execve
        if b"/" in command:
            execve(command, self._argv, self._env)
        denied = None
        for directory in self._env.get(b"PATH", b"").split(b":"):
            try:
                execve((directory or b".") + b"/" + command, self._argv, self._env)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except PermissionError as error:
                denied = error
        raise denied or FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))


def _begin() -> None:
    signal.set_wakeup_fd(-1)
    for number in _TO_DEFAULT:
        signal.signal(number, signal.SIG_DFL)
    syscalls.prctl(syscalls.PR_SET_DUMPABLE, 0)
    os.setsid()
    os.umask(_UMASK)


def _enter(pidfd: int) -> None:
    syscalls.set_namespaces(pidfd, CLONE_NEWNS | CLONE_NEWCGROUP)


def _encoded(word: str) -> bytes:
    """As execve(2) takes it. Raises ValueError."""
    data = os.fsencode(word)
    if b"\0" in data:
        raise ValueError("a NUL character")
    return data


def _error(number: int, step: str, command: str) -> JoinError:
    """What a failed step means to who asked for the command."""
    reason = os.strerror(number)
    if step != _EXECUTE:
        return JoinError(f"could not {step}: {reason}", 128)
    if number in (errno.ENOENT, errno.ENOTDIR):
        return JoinError(f"{command}: executable file not found in the container", 127)
    status = 128 if number in (errno.E2BIG, errno.ENOMEM, errno.EAGAIN) else 126
    return JoinError(f"{command}: {reason}", status)
