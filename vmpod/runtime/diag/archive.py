"""The archive: a tar of text files, packed with gzip, that tells of itself what is in it and what is not.

All text goes by one place, which takes secrets out of it and what could control a terminal.
"""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, BinaryIO

from vmpod.dataclass import dataclass
from vmpod.errors import TimeoutExpiredError, VmpodError
from vmpod.runtime.diag.redact import Redactor
from vmpod.tar.read import Entry, Kind
from vmpod.tar.write import END, header, padding
from vmpod.text import printable_lines

VERSION = 1
_MOST = 4 * 1024 * 1024
"""Characters of a file, whoever made it."""

Collect = Callable[[], "str | Text"]


@dataclass(frozen=True)
class Text:
    """A part's text. note: what a reader has to know of it, such as that it is only the end."""

    text: str
    note: str = ""


class MissingError(VmpodError):
    """There is no such thing, and nothing is wrong with that."""


@dataclass(frozen=True)
class Found:
    """What became of a part. error: why it is not there; bytes: of the file, 0 if it is not there."""

    file: str
    bytes: int
    seconds: float
    note: str = ""
    error: str = ""


class Archive:
    """Writes parts, one after the other. top: the directory that all is in."""

    def __init__(self, output: BinaryIO, top: str, redactor: Redactor) -> None:
        self.found: list[Found] = []
        self._top = top
        self._redactor = redactor
        self._now = int(time.time())
        # Without a name in it, and quick: most of it is short.
        self._packed = gzip.GzipFile(filename="", mode="wb", fileobj=output, compresslevel=6)

    def collect(self, file: str, collect: Collect, *, seconds: float = 10.0) -> None:
        """Add a part, or why it cannot be had. seconds: how long it may take.

        Raises OSError if it cannot be written.
        """
        begin = time.monotonic()
        try:
            told = _within(seconds, collect)
        except MissingError as error:
            self.found.append(Found(file, 0, _since(begin), error=printable_lines(error.message)))
            return
        except Exception as error:  # whatever it was: the other parts are wanted all the more
            text = self._redactor.text(
                error.message if isinstance(error, VmpodError) else f"{type(error).__name__}: {error}"
            )
            self.found.append(Found(file, 0, _since(begin), error=printable_lines(text)))
            return
        whole = told if isinstance(told, Text) else Text(told)
        size = self._write(file, whole.text)
        self.found.append(Found(file, size, _since(begin), note=whole.note))

    def close(self, head: Mapping[str, Any], readme: str) -> None:
        """Write the index and the README, and end the archive. Raises OSError."""
        index = {"apiVersion": "vmpod/v1", "kind": "FlightRecord", "version": VERSION} | dict(head)
        index["parts"] = [asdict(each) for each in self.found]
        self._write("index.json", json.dumps(index, indent=1))
        self._write("README.txt", readme + "\n" + _listing(self.found))
        self._packed.write(END)
        self._packed.close()

    def _write(self, file: str, text: str) -> int:
        # Secrets first: they may hold what cannot be printed.
        data = printable_lines(self._redactor.text(text)[:_MOST]).encode(errors="replace")
        if not data.endswith(b"\n"):
            data += b"\n"
        entry = Entry(f"{self._top}/{file}".encode(), Kind.FILE, mode=0o644, size=len(data), mtime=self._now)
        self._packed.write(header(entry) + data + padding(len(data)))
        return len(data)


def _listing(found: list[Found]) -> str:
    there = [
        f"  {each.file:34} {each.bytes:>9} bytes{f'  ({each.note})' if each.note else ''}"
        for each in found
        if not each.error
    ]
    missing = [f"  {each.file}: {' '.join(each.error.split())}" for each in found if each.error]
    return "\n".join(
        ["In it:", *there, "", "Not in it:", *(missing or ["  nothing that was looked for"]), ""]
    )


def _since(begin: float) -> float:
    return round(time.monotonic() - begin, 3)


def _within(seconds: float, collect: Collect) -> str | Text:
    """What it returns or raises; TimeoutExpiredError if that takes too long."""
    import threading  # noqa: PLC0415 - for this alone

    answer: list[str | Text | BaseException] = []

    def work() -> None:
        try:
            answer.append(collect())
        except BaseException as error:  # it is raised where somebody waits
            answer.append(error)

    # A thread can be left behind where a call cannot be interrupted, on a disk that does not answer say.
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if not answer:
        raise TimeoutExpiredError(f"it was not there after {seconds:g} s")
    if isinstance(answer[0], BaseException):
        raise answer[0]
    return answer[0]
