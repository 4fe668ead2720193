"""Records as JSON files with the version of their form: written whole, and read with suspicion."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from vmpod.errors import HostError
from vmpod.files import write_atomically

T = TypeVar("T")
Json = dict[str, Any]


def save(path: Path, version: int, content: Mapping[str, Any]) -> None:
    """Write a record. Paths in it become text."""
    told = {"version": version} | dict(content)
    write_atomically(path, json.dumps(told, indent=1, default=os.fspath).encode())


def load(path: Path, version: int, make: Callable[[Json], T], *, other: str, damaged: str) -> T | None:
    """Read a record, and make of it what it stands for; None if there is none (yet, or any more).

    other, damaged: what to do about one of another version, or one that make() can make nothing of. Raises
    HostError for both.
    """
    try:
        content = json.loads(path.read_bytes())
        if content.pop("version") != version:
            raise HostError(f"{path} was written by another version of vmpod", hint=other)
        return make(content)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise HostError(f"{path} is damaged: {error}", hint=damaged) from error
