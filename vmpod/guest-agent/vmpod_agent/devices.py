"""The devices that containers may use: a filter that the kernel asks at every open(2) and mknod(2).

A container's root may make device nodes (CAP_MKNOD), as in every engine; what it may open is limited to
devices that are harmless. Without the filter it could make a node of the machine's disks, and read them.

Sources: linux/bpf.h (struct bpf_cgroup_dev_ctx), the kernel's bpf/instruction-set.rst; the devices are the
defaults of the OCI runtime specification, config-linux.md.
"""

from __future__ import annotations

import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    Disk = tuple[int, int, bool]
    """(major, minor, whether it may only be read)."""

_BLOCK, _CHARACTER = 1, 2
_MKNOD, _READ = 1, 2
_PTS = 136  # slaves of terminals
# (major, minor): null, zero, full, random, urandom; tty, console, ptmx.
_ALLOWED = ((1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 1), (5, 2))
_MINOR_BITS = 20  # of the kernel's dev_t

# Opcodes. LOAD: 32 bits from memory; the others calculate with 64 bits; IF: jump if.
_LOAD, _COPY, _SET, _AND, _OR = 0x61, 0xBF, 0xB7, 0x57, 0x4F
_SHIFT_LEFT, _SHIFT_RIGHT, _IF_EQUAL, _IF_OTHER, _EXIT = 0x67, 0x77, 0x15, 0x55, 0x95
# Registers: the first is the answer, the second points to the question (access << 16 | type, major, minor).
_ANSWER, _QUESTION, _TYPE, _ACCESS, _MAJOR, _MINOR, _DEVICE = range(7)
# Where a check jumps to: so many instructions after the last check; or, below 0, over so many checks.
_REFUSE, _ALLOW = 0, 2


def program(disks: Iterable[Disk] = ()) -> bytes:
    """The filter as eBPF instructions: it answers 1 for what is allowed, else 0. Pure.

    disks: beside what is harmless.
    """
    first = (
        _instruction(_LOAD, _TYPE, _QUESTION),
        _instruction(_LOAD, _MAJOR, _QUESTION, offset=4),
        _instruction(_LOAD, _MINOR, _QUESTION, offset=8),
        _instruction(_COPY, _ACCESS, _TYPE),
        _instruction(_AND, _TYPE, value=0xFFFF),
        _instruction(_SHIFT_RIGHT, _ACCESS, value=16),
        _instruction(_COPY, _DEVICE, _MAJOR),
        _instruction(_SHIFT_LEFT, _DEVICE, value=_MINOR_BITS),
        _instruction(_OR, _DEVICE, _MINOR),
    )
    # (opcode, register, number to compare it with, where to jump to)
    checks = [
        (_IF_EQUAL, _ACCESS, _MKNOD, _ALLOW),
        *(check for disk in disks for check in _disk(*disk)),
        (_IF_OTHER, _TYPE, _CHARACTER, _REFUSE),
        (_IF_EQUAL, _MAJOR, _PTS, _ALLOW),
        *((_IF_EQUAL, _DEVICE, major << _MINOR_BITS | minor, _ALLOW) for major, minor in _ALLOWED),
    ]
    refuse = (_instruction(_SET, _ANSWER, value=0), _instruction(_EXIT))
    allow = (_instruction(_SET, _ANSWER, value=1), _instruction(_EXIT))
    asked = [
        # A jump counts from the instruction after it.
        _instruction(code, register, value=value, offset=-end if end < 0 else len(checks) + end - number - 1)
        for number, (code, register, value, end) in enumerate(checks)
    ]
    return b"".join((*first, *asked, *refuse, *allow))


def _disk(major: int, minor: int, read_only: bool) -> Iterator[tuple[int, int, int, int]]:
    """The checks of a disk that may be used."""
    yield _IF_OTHER, _TYPE, _BLOCK, -2
    yield _IF_OTHER, _DEVICE, major << _MINOR_BITS | minor, -1
    # Of one that may be written to everything is allowed, which is a condition that holds by now.
    yield (_IF_EQUAL, _ACCESS, _READ, _ALLOW) if read_only else (_IF_EQUAL, _TYPE, _BLOCK, _ALLOW)


def _instruction(code: int, target: int = 0, source: int = 0, *, offset: int = 0, value: int = 0) -> bytes:
    """struct bpf_insn."""
    return struct.pack("<BBhi", code, source << 4 | target, offset, value)
