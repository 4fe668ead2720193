"""An agent behind whose stream a test's own SSH server is, or what pretends to be one."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import closing

import paramiko
from paramiko.common import AUTH_FAILED, AUTH_SUCCESSFUL, OPEN_SUCCEEDED

from tests.unit.client.hostile import Part, answering
from vmpod.wire import frames
from vmpod.wire.frames import Decoder, Frame, encode

Serve = Callable[[socket.socket], None]

_LIMIT = 30.0  # seconds


def leading_to(serve: Serve, heard: list[int]) -> Part:
    """A part that opens the first stream it is asked for, and joins it to what serve() does with a socket.

    It says END when that is over. For little traffic: credit is neither heeded nor granted. heard: gets the
    kinds of frames that came.
    """

    def whole(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(encode(Frame(frames.RESPONSE, 1, b'{"connected":true}')))
        near, far = socket.socketpair()
        threads = [
            threading.Thread(target=_in, args=(connection, near, heard)),
            threading.Thread(target=serve, args=(far,)),
        ]
        with near:
            for thread in threads:
                thread.start()
            while data := near.recv(frames.BEST_PAYLOAD):
                connection.sendall(encode(Frame(frames.DATA, 1, data, frames.STDOUT)))
            connection.sendall(encode(Frame(frames.END, 1, b'{"exitCode":0}')))
            # A server that has said its last may still listen.
            near.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join(_LIMIT)

    return answering(whole)


def _in(connection: socket.socket, near: socket.socket, heard: list[int]) -> None:
    decoder = Decoder()
    try:
        while data := connection.recv(65536):
            for frame in decoder.feed(data):
                heard.append(frame.kind)
                if frame.kind == frames.DATA:
                    near.sendall(frame.payload)
                elif frame.kind == frames.EOF:
                    near.shutdown(socket.SHUT_WR)
                elif frame.kind == frames.CANCEL:
                    near.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # the server, or the client, has had enough


class Server(paramiko.ServerInterface):
    """Lets one key in, and ends every command as behave() does."""

    def __init__(self, key: str, behave: Callable[[paramiko.Channel], None]) -> None:
        self._key = key
        self._behave = behave
        self.asked: list[str] = []

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        self.asked.append(username)
        return AUTH_SUCCESSFUL if key.get_base64() == self._key else AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        self.asked.append(command.decode())
        # Not before the request is answered, which is done after this.
        threading.Timer(0.1, lambda: self._behave(channel)).start()
        return True

    def serve(self, host_key: paramiko.PKey) -> Serve:
        """What to do with a socket."""

        def served(far: socket.socket) -> None:
            with closing(paramiko.Transport(far)) as transport:
                transport.add_server_key(host_key)
                try:
                    transport.start_server(server=self)
                except (paramiko.SSHException, EOFError):
                    return  # the client did not like it
                transport.join(_LIMIT)

        return served


def tell_signal(channel: paramiko.Channel, name: str) -> None:
    """Say that the command was ended by a signal (RFC 4254, 6.10)."""
    message = paramiko.Message()
    message.add_byte(bytes([98]))  # SSH_MSG_CHANNEL_REQUEST
    message.add_int(channel.remote_chanid)
    message.add_string("exit-signal")
    message.add_boolean(False)
    message.add_string(name)
    message.add_boolean(False)
    message.add_string("")
    message.add_string("")
    channel.get_transport()._send_user_message(message)  # type: ignore[attr-defined]
