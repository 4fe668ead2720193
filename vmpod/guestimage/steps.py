"""A program that only makes system calls, one after the other: as data, and as a static ELF file.

Between the kernel and the agent there is nothing to decide, only a list to go through, and under emulation
every page of a shell or a C library that has to be fetched and translated is time. So the init program is
its list, followed by 128 bytes of machine code that walk it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

from vmpod.dataclass import dataclass

Argument = int | str | tuple[str, ...]
"""A number, or what a pointer shall point to: a string, or a NULL-terminated list of strings."""


@dataclass(frozen=True)
class Step:
    """One system call.

    number: from the kernel's arch/x86/entry/syscalls/syscall_64.tbl.
    failure: what to say if it fails, before the machine is turned off; '' if it may fail.
    """

    number: int
    arguments: tuple[Argument, ...]
    failure: str = ""


_BASE = 0x400000
_HEADERS = 64 + 56
_ENTRY = struct.Struct("<8Q")  # number, five arguments, address and length of the failure message

# rsi and rdx hold message and length where the errno is written over the message's last digits.
_CODE = bytes.fromhex(
    "4c8d3d79000000"  # start: lea r15, [rip+table]
    "498b07"  # next:  mov rax, [r15]
    "498b7f08"  #        mov rdi, [r15+8]
    "498b7710"  #        mov rsi, [r15+16]
    "498b5718"  #        mov rdx, [r15+24]
    "4d8b5720"  #        mov r10, [r15+32]
    "4d8b4728"  #        mov r8, [r15+40]
    "0f05"  #        syscall
    "4885c0"  #        test rax, rax
    "7806"  #        js failed
    "4983c740"  # go_on: add r15, 64
    "ebdc"  #        jmp next
    "498b7730"  # failed: mov rsi, [r15+48]
    "4885f6"  #        test rsi, rsi
    "74f1"  #        jz go_on            no message: it may fail
    "498b5738"  #        mov rdx, [r15+56]
    "f7d8"  #        neg eax
    "488d7c16fe"  #        lea rdi, [rsi+rdx-2]
    "b90a000000"  #        mov ecx, 10
    "31d2"  # digit: xor edx, edx
    "f7f1"  #        div ecx
    "80c230"  #        add dl, '0'
    "8817"  #        mov [rdi], dl
    "48ffcf"  #        dec rdi
    "85c0"  #        test eax, eax
    "75f0"  #        jnz digit
    "498b5738"  #        mov rdx, [r15+56]
    "bf01000000"  #        mov edi, 1
    "b801000000"  #        mov eax, 1          write
    "0f05"  #        syscall
    "bfaddee1fe"  #        mov edi, LINUX_REBOOT_MAGIC1
    "be69191228"  #        mov esi, LINUX_REBOOT_MAGIC2
    "badcfe2143"  #        mov edx, LINUX_REBOOT_CMD_POWER_OFF
    "b8a9000000"  #        mov eax, 169        reboot
    "0f05"  #        syscall
    "ebfe"  #        jmp .
).ljust(128, b"\x90")


def program(steps: Iterable[Step]) -> bytes:
    """A static x86-64 ELF program that runs the steps. The last one should not return."""
    steps = list(steps)
    table = _BASE + _HEADERS + len(_CODE)
    data = _Data(table + _ENTRY.size * len(steps))
    entries = b"".join(_entry(step, data) for step in steps)
    body = _CODE + entries + data.content
    size = _HEADERS + len(body)
    # Source: System V ABI, chapters 4 and 5; one segment, readable, writable and executable.
    ident = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    header = struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, _BASE + _HEADERS, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 7, 0, _BASE, _BASE, size, size, 0x1000)
    return ident + header + segment + body


class _Data:
    """What the arguments point to, laid out from an address on."""

    def __init__(self, address: int) -> None:
        self._address = address
        self.content = b""

    def value(self, argument: Argument) -> int:
        """The number that stands for the argument in a register."""
        if isinstance(argument, int):
            return argument
        if isinstance(argument, str):
            return self.put(argument.encode() + b"\0")
        pointers = [self.value(text) for text in argument]
        return self.put(struct.pack(f"<{len(pointers) + 1}Q", *pointers, 0))

    def put(self, data: bytes) -> int:
        address = self._address + len(self.content)
        self.content += data
        return address


def _entry(step: Step, data: _Data) -> bytes:
    arguments: Sequence[int] = [data.value(argument) for argument in step.arguments]
    message = f"vmpod-init: FAILED: {step.failure}: errno 000\n".encode() if step.failure else b""
    address = data.put(message) if message else 0
    return _ENTRY.pack(step.number, *arguments, *[0] * (5 - len(arguments)), address, len(message))
