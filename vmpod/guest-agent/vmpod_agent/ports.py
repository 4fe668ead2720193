"""Control ports: sessions over virtio-serial.

A port can be opened once. While no client is connected, poll(2) reports a hang-up for ever, so the
ports are watched edge-triggered: the driver wakes the waiters when a client comes, goes or writes.
"""

from __future__ import annotations

import os

from vmpod_agent.console import report
from vmpod_agent.loop import EDGE, READ, WRITE
from vmpod_agent.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmpod_agent.loop import Loop
    from vmpod_agent.session import Method

_SYSFS = "/sys/class/virtio-ports"
_CHUNK = 32 * 1024  # the driver takes no more at once
_PAGE = 4096  # and gives no more at once, but fills as many buffers of a readv(2) as it can
_HIGH_WATER = 128 * 1024
_RETRY = 0.01  # seconds; not every kernel wakes a writer when the host has made room
_SETTLE = 0.02  # seconds

_buffer = memoryview(bytearray(16 * _PAGE))
_pages = [_buffer[start : start + _PAGE] for start in range(0, len(_buffer), _PAGE)]


def discover() -> dict[str, str]:
    """The virtio-serial ports there are: {name: device path}."""
    ports = {}
    for device in os.listdir(_SYSFS):
        with open(f"{_SYSFS}/{device}/name") as file:
            ports[file.read().strip()] = f"/dev/{device}"
    return ports


class ControlPort:
    """Reads and writes one port, open for both, for a session."""

    def __init__(self, loop: Loop, fd: int, methods: dict[str, Method]) -> None:
        self._loop = loop
        self._fd = fd
        os.set_blocking(fd, False)
        self._pending = bytearray()
        self._retrying = False
        self.session = Session(methods, self._write, lambda: len(self._pending) > _HIGH_WATER)
        loop.watch(self._fd, READ | WRITE | EDGE, self._woken)

    def _woken(self, _events: int) -> None:
        self._flush()
        told = False
        while True:
            try:
                size = os.readv(self._fd, _pages)
            except BlockingIOError:
                return
            except OSError as error:
                report(f"control port: {error}")
                return
            if not size:
                break
            told = True
            self.session.receive(_buffer[:size])
        # The driver hears of clients by another queue than of their data: where one follows another at once,
        # what the new one says may be read before it counts as connected.
        if told:
            self._loop.call_later(_SETTLE, lambda: self._woken(0))
        else:
            self._client_gone()

    def _client_gone(self) -> None:
        self._pending.clear()
        self.session.client_gone()

    def _write(self, data: bytes) -> None:
        if not self._pending:
            # As a rule there is room, and nothing needs to be copied.
            try:
                sent = os.write(self._fd, data)
            except BlockingIOError:
                sent = 0
            if sent == len(data):
                return
            data = data[sent:]
        self._pending += data
        self._flush()

    def _flush(self) -> None:
        congested = len(self._pending) > _HIGH_WATER
        while self._pending:
            try:
                del self._pending[: os.write(self._fd, self._pending[:_CHUNK])]
            except BlockingIOError:
                self._retry_later()
                break
        if congested and len(self._pending) <= _HIGH_WATER:
            self.session.writable()

    def _retry_later(self) -> None:
        if not self._retrying:
            self._retrying = True
            self._loop.call_later(_RETRY, self._retry)

    def _retry(self) -> None:
        self._retrying = False
        self._flush()
