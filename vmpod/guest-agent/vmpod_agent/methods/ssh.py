"""Method `ssh {hostKey, clientKey}`: a connection to an SSH server of the machine, joined to the stream.

Nothing listens: a server is started for this one connection, on a socket that leads to the stream. Keys come
with the request, lie in memory where no container looks, and go with the last session. When a client is gone
without a word, all that its session has started is killed; when the connection ends as connections do, what
the session has left in the background goes on.

Source: dropbear(8).
"""

from __future__ import annotations

import _socket
import binascii
import itertools
import os

from vmpod.wire import messages
from vmpod_agent import cgroups, layout, mounts, syscalls
from vmpod_agent.joined import Joined
from vmpod_agent.operations import Directory, WriteFile
from vmpod_agent.process import null, spawn
from vmpod_agent.session import RequestError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from vmpod_agent.methods import Agent
    from vmpod_agent.reaper import ExitStatus
    from vmpod_agent.session import Stream

    Json = dict[str, Any]

_HOME = "/root"
_HOST_KEY = f"{layout.SSH}/host_key"
_CLIENT_KEY = f"{layout.SSH}/authorized_keys"
# For one connection (-i). No passwords (-s, -g), which nobody has anyway, and no ports here that lead to its
# client (-k); the other way round is what `vmpod port-forward` does. The window (-W) is for throughput.
_SERVER = ["/usr/bin/dropbear", "-i", "-s", "-g", "-k", "-W", str(1024 * 1024), "-r", _HOST_KEY]
_GROUPS = "ssh"
"""The cgroup above those of the sessions."""
_LONGEST_KEY = 4096  # bytes

_numbers = itertools.count(1)
_sessions: set[Ssh] = set()


def serve(agent: Agent, stream: Stream, message: Json) -> Ssh:
    """Start a server."""
    if agent.pod is None:
        raise RequestError(messages.NOT_RUNNING, "the pod has not been started")
    try:
        host_key = binascii.a2b_base64(_key(message, "hostKey"), strict_mode=True)
    except ValueError as error:
        raise RequestError(messages.BAD_REQUEST, f"hostKey: {error}") from None
    client_key = _key(message, "clientKey").encode()
    _prepare()
    put(_HOST_KEY, host_key)
    put(_CLIENT_KEY, client_key)
    return Ssh(agent, stream)


def put(path: str, key: bytes) -> None:
    """Write a key at once: the server of a session that has just begun may be reading it. Raises OSError."""
    WriteFile(f"{path}.new", key, 0o600).execute()
    os.rename(f"{path}.new", path)


def _key(message: Json, name: str) -> str:
    key = messages.get(message, name, str)
    if not 0 < len(key) <= _LONGEST_KEY:
        raise RequestError(messages.BAD_REQUEST, f"{name} is no key")
    return key


def _prepare() -> None:
    """Make what sessions have in common, and remove the cgroups of former ones. Raises OSError."""
    Directory(layout.SSH, 0o700).execute()
    # The machine's root is read-only. What is kept at home is on the scratch disk, and there after a restart;
    # keys never are.
    Directory(f"{layout.HOME}/.ssh", 0o700).execute()
    Directory(layout.HOME, 0o700).execute()
    for source, target in ((layout.HOME, _HOME), (layout.SSH, f"{_HOME}/.ssh")):
        if not os.path.samefile(source, target):
            mounts.place(syscalls.open_tree(source), target)
    top = layout.cgroup(_GROUPS)
    os.makedirs(top, exist_ok=True)
    for name in os.listdir(top):
        if os.path.isdir(f"{top}/{name}"):
            _remove_group(f"{_GROUPS}/{name}")


class Ssh(Joined):
    """One connection."""

    def __init__(self, agent: Agent, stream: Stream) -> None:
        super().__init__(agent.services.loop, stream)
        self._group = f"{_GROUPS}/{next(_numbers)}"
        self._status: ExitStatus | None = None
        self._socket, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
        try:
            os.mkdir(layout.cgroup(self._group))
            pid = self._start(theirs.fileno())
        except OSError:
            self._socket.close()
            self._forget()
            raise
        finally:
            theirs.close()
        _sessions.add(self)
        agent.services.reaper.adopt(pid, self._ended)
        self.join(self._socket)

    def _start(self, connection: int) -> int:
        nowhere = null()
        try:
            pid = spawn(_SERVER, stdin=connection, stdout=connection, stderr=nowhere)
        finally:
            os.close(nowhere)
        # In time: it starts nothing before it has heard of its client.
        cgroups.add(self._group, pid)
        return pid

    def cancel(self) -> None:
        if self._status is None:
            cgroups.kill(self._group)
        self.part()

    def _ended(self, status: ExitStatus) -> None:
        self._status = status
        self._forget()
        self.settle()

    def settle(self) -> None:
        """Tell the end once the server has ended and all that it said is sent."""
        if self._status is not None and self.heard_all and self._socket.fileno() >= 0:
            self._socket.close()
            self.part()
            self.stream.end(self._status.code)

    def _forget(self) -> None:
        _sessions.discard(self)
        _remove_group(self._group)
        for path in () if _sessions else (_HOST_KEY, _CLIENT_KEY):
            os.unlink(path)


def _remove_group(group: str) -> None:
    """Without effect while the session has left something running."""
    try:
        os.rmdir(layout.cgroup(group))
    except OSError:
        pass
