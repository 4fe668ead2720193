"""The SSH client against servers that mean well, and others."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from functools import cache
from pathlib import Path

import paramiko
import pytest
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.unit.client.hostile import answering, played
from tests.unit.client.sshserver import Serve, Server, leading_to, tell_signal
from tests.unit.state.records import record
from vmpod.client import ssh
from vmpod.client.shell import Login, Wanted, run
from vmpod.errors import HostKeyError, MachineError, SshError
from vmpod.state.keys import Keys, keys
from vmpod.wire import frames
from vmpod.wire.frames import Frame, encode

Behave = Callable[[paramiko.Channel], None]


@pytest.fixture
def own(tmp_path: Path) -> Keys:
    return keys(record(), tmp_path)


@cache
def _another() -> paramiko.PKey:
    return paramiko.ECDSAKey.generate()


def _host_key(own: Keys) -> paramiko.PKey:
    """The machine's key, in the format that paramiko reads."""
    private = Ed25519PrivateKey.from_private_bytes(own.secret()[-64:-32])
    path = own.directory / "for-paramiko"
    path.write_bytes(
        private.private_bytes(form.Encoding.PEM, form.PrivateFormat.OpenSSH, form.NoEncryption())
    )
    return paramiko.Ed25519Key.from_private_key_file(str(path))


def _run(own: Keys, serve: Serve, heard: list[int] | None = None) -> int:
    login = Login(own.client, own.expected(), own.known_hosts)
    with played(leading_to(serve, [] if heard is None else heard)) as session:
        session.greet(30.0)
        stream = ssh.connect(session, host_key=own.secret(), client_key=own.authorized())
        return run(session, stream, login, Wanted("a line"))


def _behaving(own: Keys, behave: Behave, heard: list[int] | None = None) -> int:
    return _run(own, Server(own.authorized().split()[1], behave).serve(_host_key(own)), heard)


def _status(code: int) -> Behave:
    def behave(channel: paramiko.Channel) -> None:
        channel.sendall(b"out")
        channel.sendall_stderr(b"err")
        channel.send_exit_status(code)
        channel.close()

    return behave


@pytest.mark.parametrize("code", [0, 1, 255])
def test_exit_codes_and_streams(code: int, own: Keys, capfd: pytest.CaptureFixture[str]) -> None:
    assert _behaving(own, _status(code)) == code
    assert capfd.readouterr() == ("out", "err")


def test_the_agent_hears_how_it_ended(own: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    """By an end, and then the session's children may go on; or by being given up, and then they may not."""
    heard: list[int] = []
    _behaving(own, _status(0), heard)
    assert frames.EOF in heard
    assert frames.CANCEL not in heard

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("vmpod.client.shell._relay", interrupted)
    heard.clear()
    with pytest.raises(KeyboardInterrupt):
        _behaving(own, lambda _channel: None, heard)
    assert frames.CANCEL in heard
    assert frames.EOF not in heard


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("KILL", 137),
        ("TERM", 143),
        ("HUP", 129),
        ("NOSUCH", 255),
        ("_DFL", 255),
        ("", 255),
        ("x" * 9999, 255),
    ],
)
def test_signals(name: str, code: int, own: Keys) -> None:
    def behave(channel: paramiko.Channel) -> None:
        tell_signal(channel, name)
        channel.close()

    assert _behaving(own, behave) == code


def test_an_end_without_a_word_is_no_success(own: Keys) -> None:
    with pytest.raises(SshError, match="has ended before the command"):
        _behaving(own, lambda channel: channel.close())
    with pytest.raises(SshError, match="has ended before the command"):
        _behaving(own, lambda channel: channel.get_transport().close())


def test_another_host_key_is_refused_before_anything_is_said(own: Keys) -> None:
    server = Server(own.authorized().split()[1], _status(0))
    own.known_hosts.write_text(f"{own.alias} ssh-ed25519 {own.authorized().split()[1]}\n")
    with pytest.raises(HostKeyError, match="shows another key") as error:
        _run(own, server.serve(_host_key(own)))
    assert str(own.known_hosts) in (error.value.hint or "")
    assert server.asked == []


def test_a_host_key_of_another_kind_is_refused(own: Keys) -> None:
    server = Server(own.authorized().split()[1], _status(0))
    with pytest.raises(SshError):
        _run(own, server.serve(_another()))
    assert server.asked == []


def test_a_server_that_lets_nobody_in(own: Keys) -> None:
    with pytest.raises(SshError, match="does not take our key"):
        _run(own, Server("", _status(0)).serve(_host_key(own)))


def _saying(said: bytes) -> Serve:
    def serve(far: socket.socket) -> None:
        with far:
            try:
                far.sendall(said)
                far.shutdown(socket.SHUT_WR)
                while far.recv(65536):
                    pass
            except OSError:
                pass  # the client has had enough

    return serve


HOSTILE = {
    "nothing": b"",
    "no SSH": b"HTTP/1.0 400 Bad Request\r\n\r\n",
    "many lines before its name": b"line\r\n" * 20_000,
    "an old protocol": b"SSH-1.5-old\r\n",
    "no packet": b"SSH-2.0-x\r\n" + os.urandom(5000),
    "a huge packet": b"SSH-2.0-x\r\n\xff\xff\xff\xff" + bytes(5000),
    "an empty KEXINIT": b"SSH-2.0-x\r\n\x00\x00\x00\x0c\x0a\x14" + bytes(10),
}


@pytest.mark.parametrize("said", HOSTILE.values(), ids=HOSTILE)
def test_whatever_a_server_says_the_error_is_ours(
    said: bytes, own: Keys, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SshError, match="the connection to the machine failed"):
        _run(own, _saying(said))
    assert capfd.readouterr() == ("", "")


def test_the_machine_goes_away(own: Keys) -> None:
    def part(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(encode(Frame(frames.RESPONSE, 1, b"{}")))

    with played(answering(part)) as session:
        session.greet(30.0)
        stream = ssh.connect(session, host_key=own.secret(), client_key=own.authorized())
        with pytest.raises(MachineError, match="is not running"):
            run(session, stream, Login(own.client, own.expected(), own.known_hosts), Wanted("true"))
