"""Commands and shells in a pod's machine, by SSH: on our standard streams, with our terminal.

What the server says is the guest's, and not trusted: whatever it makes paramiko raise becomes our error.
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import paramiko
from paramiko.agent import AgentRequestHandler
from paramiko.common import MSG_CHANNEL_REQUEST

from vmpod.client import terminal
from vmpod.client.session import Session
from vmpod.client.ssh import Carrier
from vmpod.dataclass import dataclass
from vmpod.errors import HostKeyError, SshError, VmpodError
from vmpod.files import write_all

_TIMEOUT = 60.0  # seconds for each step of the beginning; an emulated guest computes keys slowly
_CHUNK = 64 * 1024
_PATIENCE = 0.05  # seconds between looks at a command whose output has ended


@dataclass(frozen=True)
class Login:
    """Who we are, and whom we expect. key: the private key; expected: the machine's public one, in base64."""

    key: Path
    expected: str
    known_hosts: Path


@dataclass(frozen=True)
class Wanted:
    """What to run: a line for the machine's shell, or '' for a shell that takes lines from standard input.

    tty: on a terminal; agent: with a way to our SSH agent.
    """

    line: str = ""
    tty: bool = False
    agent: bool = False


def run(session: Session, stream: int, login: Login, wanted: Wanted) -> int:
    """Run it on our standard streams; its exit code, 128 and the number for a signal that killed it.

    Raises SshError, and as Session.receive().
    """
    # It would tell on stderr what we tell ourselves.
    logging.getLogger("paramiko").addHandler(logging.NullHandler())
    ours, theirs = socket.socketpair()
    carrier = Carrier(session, stream, theirs)
    carrier.start()
    with closing(_Transport(ours)) as transport, carrier.used(ours), ExitStack() as stack:
        with _told(carrier):
            _log_in(transport, login)
            channel = stack.enter_context(closing(_open(transport, wanted, stack)))
        _relay(channel, tty=wanted.tty)
        code = channel.exit_status
    if carrier.error:
        raise carrier.error
    if code < 0:
        raise SshError("the connection to the machine has ended before the command has")
    return code & 0xFF


@contextmanager
def _told(carrier: Carrier) -> Iterator[None]:
    """Turn what paramiko raises into our errors."""
    try:
        yield
    except VmpodError:
        raise
    except Exception as error:  # a server can make it raise anything
        if carrier.error:
            raise carrier.error from None
        said = str(error) or type(error).__name__
        raise SshError(f"the connection to the machine failed: {said}") from error


# There is no other place to hear of all that a server says.
_HANDLERS = paramiko.Transport._channel_handler_table  # type: ignore[attr-defined] # noqa: SLF001


def _request(channel: paramiko.Channel, message: paramiko.Message) -> None:
    begin = message.get_so_far()
    if message.get_text() == "exit-signal":
        message.get_boolean()
        channel.exit_status = _killed_by(message.get_text())
        channel.status_event.set()
        return
    message.rewind()
    message.get_bytes(len(begin))
    _HANDLERS[MSG_CHANNEL_REQUEST](channel, message)


class _Transport(paramiko.Transport):
    """Knows by which signal a command ended, which paramiko passes over (RFC 4254, 6.10)."""

    _channel_handler_table = _HANDLERS | {MSG_CHANNEL_REQUEST: _request}


def _killed_by(name: str) -> int:
    """The exit code for a signal, by its name without SIG."""
    number = getattr(signal, f"SIG{name}", None) if name.isalnum() else None
    return 128 + number if isinstance(number, signal.Signals) else 255


def _log_in(transport: paramiko.Transport, login: Login) -> None:
    options = transport.get_security_options()
    options.key_types = ("ssh-ed25519",)
    transport.start_client(timeout=_TIMEOUT)
    shown = transport.get_remote_server_key().get_base64()
    if shown != login.expected:
        raise HostKeyError(
            "the machine shows another key than the one that it was given: somebody may be in between",
            hint=f"the key that was expected is in {login.known_hosts}; remove {login.key.parent} if you "
            "know why it has changed",
        )
    transport.auth_timeout = _TIMEOUT
    try:
        transport.auth_publickey("root", paramiko.Ed25519Key.from_private_key_file(str(login.key)))
    except paramiko.AuthenticationException:
        raise SshError(
            "the machine does not take our key, though it was given the public one",
            hint=f"remove {login.key.parent}: the next `vmpod ssh` makes new keys",
        ) from None


def _open(transport: paramiko.Transport, wanted: Wanted, stack: ExitStack) -> paramiko.Channel:
    channel = transport.open_session(timeout=_TIMEOUT)
    if wanted.agent:
        stack.enter_context(closing(AgentRequestHandler(channel)))
    if wanted.tty:
        columns, rows = terminal.size()
        channel.get_pty(os.environ.get("TERM", "xterm"), columns, rows)
    if wanted.line:
        channel.exec_command(wanted.line)
    else:
        channel.invoke_shell()
    return channel


def _relay(channel: paramiko.Channel, *, tty: bool) -> None:
    """Pass bytes on, both ways, until the server closes the channel."""
    with ExitStack() as stack:
        if tty and terminal.is_terminal(0):
            stack.enter_context(terminal.raw(0))
        selector = stack.enter_context(selectors.DefaultSelector())
        changes = stack.enter_context(terminal.changes())
        selector.register(changes, selectors.EVENT_READ)
        selector.register(channel.fileno(), selectors.EVENT_READ)
        threading.Thread(target=_send_input, args=(channel,), name="input", daemon=True).start()
        reading = True
        while not channel.closed:
            for key, _ in selector.select(None if reading else _PATIENCE):
                if key.fileobj is changes:
                    changes.recv(4096)
                    if tty:
                        _resize(channel)
            _show(channel)
            if reading and channel.eof_received:
                # From now on it would always be ready.
                selector.unregister(channel.fileno())
                reading = False
        _show(channel)


def _resize(channel: paramiko.Channel) -> None:
    with contextlib.suppress(paramiko.SSHException, OSError):  # it is closed already
        channel.resize_pty(*terminal.size())


def _show(channel: paramiko.Channel) -> None:
    while channel.recv_ready():
        write_all(1, channel.recv(_CHUNK))
    while channel.recv_stderr_ready():
        write_all(2, channel.recv_stderr(_CHUNK))


def _send_input(channel: paramiko.Channel) -> None:
    """A thread of its own: paramiko has no way to tell that there is room again."""
    try:
        while data := os.read(0, _CHUNK):
            channel.sendall(data)
        channel.shutdown_write()
    except OSError:
        pass  # the command takes no more
