"""Control groups of containers: what limits become, and which devices may be opened."""

from __future__ import annotations

import ctypes
import errno
import struct
from pathlib import Path

import pytest

from vmpod_agent import cgroups, devices, layout, syscalls


@pytest.mark.parametrize(
    ("memory", "cpu", "request_", "files"),
    [
        (0, 0, 0, {}),
        (64 << 20, 0, 0, {"memory.max": "67108864", "memory.swap.max": "0"}),
        (0, 500, 0, {"cpu.max": "50000 100000"}),
        (0, 2500, 0, {"cpu.max": "250000 100000"}),
        # Never less than the kernel takes.
        (0, 1, 0, {"cpu.max": "1000 100000"}),
        (0, 11, 0, {"cpu.max": "1100 100000"}),
        # The kubelet's shares, 1024 a core, as weights.
        (0, 0, 1, {"cpu.weight": "1"}),
        (0, 0, 100, {"cpu.weight": "4"}),
        (0, 0, 1000, {"cpu.weight": "39"}),
        (0, 0, 4000, {"cpu.weight": "157"}),
        (0, 0, 10_000_000, {"cpu.weight": "10000"}),
    ],
)
def test_limits(memory: int, cpu: int, request_: int, files: dict[str, str]) -> None:
    assert dict(cgroups.limits(memory=memory, cpu=cpu, cpu_request=request_)) == files


def test_a_group_goes_with_those_that_it_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "CGROUPS", str(tmp_path))
    (tmp_path / "vmpod/c-0/a/b").mkdir(parents=True)
    (tmp_path / "vmpod/c-1").mkdir()
    cgroups.remove("vmpod/c-0")
    cgroups.remove("vmpod/c-0")
    assert [each.name for each in tmp_path.glob("vmpod/*")] == ["c-1"]


def test_who_joins_a_container_with_groups_of_its_own_goes_where_its_first_process_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entered: list[str] = []

    def enter(group: str) -> None:
        if group == "vmpod/c-0":
            raise OSError(errno.EBUSY, "busy")
        entered.append(group)

    monkeypatch.setattr(cgroups, "enter", enter)
    for where in ("", "vmpod/c-01/x"):
        monkeypatch.setattr(cgroups, "_group_of", lambda _pid, where=where: where)
        with pytest.raises(OSError, match="busy"):
            cgroups.join("vmpod/c-0", 1)
    monkeypatch.setattr(cgroups, "_group_of", lambda _pid: "vmpod/c-0/init.scope")
    cgroups.join("vmpod/c-0", 1)
    cgroups.join("vmpod/c-1", 1)
    assert entered == ["vmpod/c-0/init.scope", "vmpod/c-1"]


def answer(program: bytes, access: int, kind: int, major: int, minor: int) -> int:
    """What the kernel makes of the program: as bpf/instruction-set.rst says, as far as it goes here."""
    question = struct.pack("<III", access << 16 | kind, major, minor)
    code = [struct.unpack_from("<BBhi", program, at) for at in range(0, len(program), 8)]
    registers, at = [0] * 11, 0
    while True:
        opcode, both, offset, value = code[at]
        target, source, at = both & 15, both >> 4, at + 1
        if opcode == 0x61:
            assert source == 1
            (registers[target],) = struct.unpack_from("<I", question, offset)
        elif opcode == 0xBF:
            registers[target] = registers[source]
        elif opcode == 0xB7:
            registers[target] = value
        elif opcode == 0x57:
            registers[target] &= value
        elif opcode == 0x4F:
            registers[target] |= registers[source]
        elif opcode == 0x67:
            registers[target] <<= value
        elif opcode == 0x77:
            registers[target] >>= value
        elif opcode == 0x15:
            at += offset if registers[target] == value else 0
        elif opcode == 0x55:
            at += offset if registers[target] != value else 0
        else:
            assert opcode == 0x95
            return registers[0]


BLOCK, CHARACTER = 1, 2
MKNOD, READ, WRITE = 1, 2, 4


@pytest.mark.parametrize(
    ("kind", "major", "minor", "allowed"),
    [
        (CHARACTER, 1, 3, True),  # null
        (CHARACTER, 1, 5, True),  # zero
        (CHARACTER, 1, 9, True),  # urandom
        (CHARACTER, 5, 0, True),  # tty
        (CHARACTER, 5, 2, True),  # ptmx
        (CHARACTER, 136, 0, True),
        (CHARACTER, 136, 300, True),
        (CHARACTER, 1, 1, False),  # mem
        (CHARACTER, 1, 11, False),  # kmsg
        (CHARACTER, 5, 3, False),
        (CHARACTER, 10, 200, False),
        (BLOCK, 1, 3, False),
        (BLOCK, 254, 48, False),  # a disk
        (BLOCK, 136, 0, False),
    ],
)
def test_devices_that_may_be_opened(kind: int, major: int, minor: int, allowed: bool) -> None:
    program = devices.program()
    for access in (READ, WRITE, READ | WRITE, MKNOD | READ):
        assert answer(program, access, kind, major, minor) == allowed
    # A node alone does no harm.
    assert answer(program, MKNOD, kind, major, minor) == 1


@pytest.mark.parametrize(("refusals", "works"), [(0, True), (3, True), (1000, False)])
def test_a_signal_that_comes_while_the_kernel_checks_the_filter_is_no_failure(
    refusals: int, works: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Library:
        calls = 0

        def syscall(self, *_arguments: object) -> int:
            self.calls += 1
            if self.calls <= refusals:
                ctypes.set_errno(errno.EAGAIN)
                return -1
            return 7

    monkeypatch.setattr(syscalls, "_libc", Library())
    if works:
        syscalls.load_filter(devices.program())
    else:
        with pytest.raises(BlockingIOError):
            syscalls.load_filter(devices.program())


def test_disks_that_a_container_was_given() -> None:
    """One to write to, one only to read; other disks, and what is harmless, are as ever."""
    program = devices.program([(8, 0, False), (8, 16, True)])
    for access in (READ, WRITE, READ | WRITE, MKNOD | READ):
        assert answer(program, access, BLOCK, 8, 0)
        assert answer(program, access, BLOCK, 8, 16) == (access == READ)
        assert not answer(program, access, BLOCK, 8, 32)
        assert not answer(program, access, CHARACTER, 8, 0)
        assert answer(program, access, CHARACTER, 1, 3)
