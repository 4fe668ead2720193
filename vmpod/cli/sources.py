"""Where manifests come from: files, directories, addresses, the standard input."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from vmpod.errors import ManifestError, NotFoundError, Problem, UsageError

F = TypeVar("F", bound=Callable[..., Any])
Text = tuple[str, str]
"""A text, and what messages call where it comes from."""

_MAX_SIZE = 16 * 1024 * 1024
_SUFFIXES = (".yaml", ".yml", ".json")  # those that kubectl reads in a directory
_TIMEOUT = 30.0  # seconds
_ADDRESSES = ("http://", "https://")


def source_options(command: F, *, required: bool = True) -> F:
    """-f and -R, as kubectl has them."""
    options = (
        click.option(
            "-f",
            "--filename",
            "files",
            multiple=True,
            required=required,
            metavar="FILE|DIRECTORY|URL|-",
            help="A manifest; can be given more than once. '-' is the standard input.",
        ),
        click.option("-R", "--recursive", is_flag=True, help="Look into directories of directories, too."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def texts(names: Sequence[str], *, recursive: bool = False) -> list[Text]:
    """The texts of all of them. Raises NotFoundError, ManifestError, UsageError."""
    return [text for name in names for text in _texts(name, recursive=recursive)]


def text(name: str) -> Text:
    """The text of one that is no directory. Raises NotFoundError, ManifestError, UsageError."""
    if name == "-":
        return _decoded(sys.stdin.buffer.read(_MAX_SIZE + 1), "<stdin>")
    if name.startswith(_ADDRESSES):
        return _decoded(_fetched(name), name)
    return _decoded(_read(Path(name)), name)


def _texts(name: str, *, recursive: bool) -> Iterator[Text]:
    path = Path(name)
    if name == "-" or name.startswith(_ADDRESSES) or not path.is_dir():
        yield text(name)
        return
    found = sorted(path.rglob("*") if recursive else path.iterdir())
    files = [each for each in found if each.suffix in _SUFFIXES and each.is_file()]
    if not files:
        raise NotFoundError(f"{name} holds no file whose name ends in {', '.join(_SUFFIXES)}")
    for each in files:
        yield text(str(each))


def _decoded(raw: bytes, source: str) -> Text:
    if len(raw) > _MAX_SIZE:
        raise UsageError(f"{source} is larger than any manifest can be ({_MAX_SIZE} bytes)")
    try:
        return raw.decode(), source
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        told = f"is not UTF-8 text: byte {raw[error.start]:#04x}, {error.reason}"
        raise ManifestError([Problem(source, line, "", told)]) from None


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_SIZE + 1)
    except FileNotFoundError:
        raise NotFoundError(f"there is no file {path}") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None


def _fetched(address: str) -> bytes:
    # Slow to import, and most manifests are files.
    from urllib.error import HTTPError, URLError  # noqa: PLC0415
    from urllib.request import Request, urlopen  # noqa: PLC0415

    try:
        request = Request(address, headers={"User-Agent": "vmpod", "Accept": "*/*"})  # noqa: S310 - see _ADDRESSES
        with urlopen(request, timeout=_TIMEOUT) as answer:  # noqa: S310
            found: bytes = answer.read(_MAX_SIZE + 1)
            return found
    except HTTPError as error:
        with error:
            raise NotFoundError(f"{address} cannot be had: {error.code} {error.reason}") from None
    except URLError as error:
        raise NotFoundError(f"{address} cannot be had: {error.reason}") from None
    except (OSError, ValueError) as error:
        raise NotFoundError(f"{address} cannot be had: {error}") from None
