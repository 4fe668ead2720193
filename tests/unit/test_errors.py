"""Every error has a code of its own, and a line in the documentation."""

from __future__ import annotations

import errno
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import vmpod
from vmpod.errors import DiskFullError, SystemCallError, VmpodError, from_system
from vmpod.run import failed

TABLE = Path(__file__).parents[2] / "docs/errors.md"


def classes(base: type[VmpodError] = VmpodError) -> Iterator[type[VmpodError]]:
    yield base
    for each in base.__subclasses__():
        yield from classes(each)


def own_codes() -> set[str]:
    """The codes of all errors of all modules."""
    for module in pkgutil.walk_packages(vmpod.__path__, "vmpod."):
        if module.name != "vmpod.__main__":
            importlib.import_module(module.name)
    return {each.code for each in classes() if each.__module__.startswith("vmpod.")}


def test_every_code_is_explained_and_no_other() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| (.+) \| (.+) \|$", TABLE.read_text(), re.MULTILINE)
    codes = [code for code, _, _ in rows]
    assert len(codes) == len(set(codes))
    assert set(codes) == own_codes()


def test_the_systems_errors_are_ours() -> None:
    full = from_system(OSError(errno.ENOSPC, "No space left on device", "/var/lib/vmpod/x"))
    assert isinstance(full, DiskFullError)
    assert "/var/lib/vmpod/x" in full.message
    assert "df -h" in str(full.hint)
    assert isinstance(from_system(OSError(errno.EACCES, "Permission denied", "/x")), SystemCallError)


def test_a_command_that_found_the_disk_full_says_so() -> None:
    assert failed(["mkfs.ext4", "x"], 1, b"mkfs.ext4: No space left on device").code == "disk-full"
    assert failed(["mkfs.ext4", "x"], 1, b"mkfs.ext4: bad option").code == "host-command"
