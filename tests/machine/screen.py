"""The user's side of a terminal that a command runs on."""

from __future__ import annotations

import fcntl
import os
import struct
import termios
from collections.abc import Iterator
from contextlib import contextmanager

from tests.machine.harness import CommandFailedError, Running, Vmpod, eventually


class Screen:
    """The user's side of a terminal."""

    def __init__(self, master: int, running: Running) -> None:
        self.running = running
        self._master = master
        self._seen = b""
        self.before = self.settings()

    def settings(self) -> list[object]:
        """Modes and special keys."""
        return termios.tcgetattr(self._master)

    def until(self, wanted: str) -> None:
        """Wait until that has been shown after what was waited for before."""

        def shown() -> bool:
            try:
                self._seen += os.read(self._master, 65536)
            except BlockingIOError:
                pass
            except OSError:
                return True  # nobody has the terminal open any more
            return wanted.encode() in self._seen

        eventually(shown, f"{wanted!r} on the terminal, which shows {self._seen!r}")
        before, found, self._seen = self._seen.partition(wanted.encode())
        if not found:
            raise CommandFailedError(f"{wanted!r} did not come on the terminal, but {before!r}")

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._master, keys.encode())

    def resize(self, rows: int, columns: int) -> None:
        """Change the window's size; the kernel tells the program."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


@contextmanager
def terminal(vmpod: Vmpod, rows: int, columns: int, *words: str) -> Iterator[Screen]:
    """The command as the foreground program of a terminal of that size."""
    master, slave = os.openpty()
    try:
        os.set_blocking(master, False)
        fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        streams = {"stdin": slave, "stdout": slave, "stderr": slave}
        with vmpod.behind("setsid", "--ctty").started(*words, **streams) as running:
            yield Screen(master, running)
    finally:
        os.close(master)
        os.close(slave)
