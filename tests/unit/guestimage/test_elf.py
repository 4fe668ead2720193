"""Which libraries a program needs."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from vmpod.errors import GuestImageError
from vmpod.guestimage.elf import libraries, needed
from vmpod.guestimage.tree import file, link

PROGRAM = Path(shutil.which("ls") or sys.executable).resolve()


def test_a_real_program_needs_the_c_library() -> None:
    assert "libc.so.6" in needed(PROGRAM.read_bytes())


def test_links_between_libraries_are_followed() -> None:
    program = file(PROGRAM.read_bytes())
    tree = {f"lib/{name}": link("real.so.1") for name in needed(program.data)}
    tree |= {"bin/program": program, "lib/real.so.1": file(_static())}
    assert libraries(["bin/program"], tree, "lib") == tree.keys() - {"bin/program"}


def test_a_missing_library_is_named() -> None:
    with pytest.raises(GuestImageError, match=r"bin/program needs lib.*\.so"):
        libraries(["bin/program"], {"bin/program": file(PROGRAM.read_bytes())}, "lib")


@pytest.mark.parametrize(
    "data", [b"", b"#!/bin/sh\n", b"\x7fELF\x01\x01" + bytes(80), PROGRAM.read_bytes()[:100]]
)
def test_what_is_no_elf_file_is_refused(data: bytes) -> None:
    with pytest.raises(GuestImageError, match="not a sound ELF file"):
        needed(data)


def _static() -> bytes:
    """An ELF header with no segments: only their size, 56 bytes, is told."""
    return b"\x7fELF\x02\x01\x01".ljust(54, b"\0") + b"\x38".ljust(10, b"\0")
