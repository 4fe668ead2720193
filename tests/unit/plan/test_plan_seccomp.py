"""Seccomp profiles: the programs are run by a small interpreter, and one by the kernel."""

from __future__ import annotations

import struct
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmpod.plan import seccomp
from vmpod.plan.seccomp import ProfileError, compiled, runtime_default
from vmpod.plan.syscalls import LAST, NUMBERS
from vmpod.wire import capabilities

ALLOW, EPERM, ENOSYS, KILL = 0x7FFF0000, 0x00050001, 0x00050026, 0x80000000
X86_64 = 0xC000003E


def run(program: bytes, call: str | int, *arguments: int, arch: int = X86_64) -> int:
    """What a program answers, as bpf(2)'s classic machine computes it."""
    number = NUMBERS[call] if isinstance(call, str) else call
    padded = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("=IIQ6Q", number, arch, 0, *padded)
    code = list(struct.iter_unpack("=HBBI", program))
    place, register = 0, 0
    while True:
        opcode, true, false, operand = code[place]
        place += 1
        match opcode:
            case 0x20:
                (register,) = struct.unpack_from("=I", data, operand)
            case 0x54:
                register &= operand
            case 0x06:
                return int(operand)
            case 0x15 | 0x25 | 0x35:
                holds = {0x15: register == operand, 0x25: register > operand, 0x35: register >= operand}
                place += true if holds[opcode] else false


def test_what_the_default_allows_and_forbids() -> None:
    program = runtime_default(capabilities.DEFAULT)
    for call in ("read", "openat", "clone", "socket", "execve", "futex", "chroot", "ptrace", "personality"):
        assert run(program, call) == ALLOW, call
    for call in (
        "mount",
        "reboot",
        "bpf",
        "unshare",
        "keyctl",
        "init_module",
        "io_uring_setup",
        "settimeofday",
    ):
        assert run(program, call) == EPERM, call
    assert run(program, "clone", 0x10000000) == EPERM, "a namespace for users"
    assert run(program, "clone", 0x11) == ALLOW
    assert run(program, "clone3") == ENOSYS
    assert run(program, "socket", 40) == EPERM
    assert run(program, "personality", 0xFFFFFFFF) == ALLOW
    assert run(program, "personality", 0x40000) == EPERM
    assert run(program, LAST + 1) == ENOSYS
    assert run(program, 0x40000000) == ENOSYS, "x32"
    assert run(program, "read", arch=0x40000003) == ENOSYS, "32 bits"


@pytest.mark.parametrize(
    ("capability", "call"),
    [("SYS_ADMIN", "mount"), ("SYS_TIME", "settimeofday"), ("BPF", "bpf"), ("SYS_MODULE", "init_module")],
)
def test_capabilities_allow_more(capability: str, call: str) -> None:
    program = runtime_default(capabilities.DEFAULT | capabilities.mask([capability]))
    assert run(program, call) == ALLOW
    assert run(program, "keyctl") == EPERM


def profile(*rules: dict[str, Any], default: str = "SCMP_ACT_ERRNO") -> dict[str, Any]:
    return {"defaultAction": default, "syscalls": list(rules)}


def rule(*names: str, action: str = "SCMP_ACT_ALLOW", **more: Any) -> dict[str, Any]:
    return {"names": list(names), "action": action} | more


def test_an_own_profile() -> None:
    program = compiled(
        profile(
            rule("read", "write", "no_such_call"),
            rule("mkdir", action="SCMP_ACT_ERRNO", errnoRet=38),
            rule("kill", action="SCMP_ACT_KILL_PROCESS"),
            rule("reboot", includes={"caps": ["CAP_SYS_BOOT"]}),
            rule("chown", excludes={"caps": ["CAP_CHOWN"]}),
            rule("mount", includes={"arches": ["arm64"]}),
        ),
        capabilities.DEFAULT,
    )
    answers = {call: run(program, call) for call in ("read", "write", "open", "mkdir", "kill")}
    assert answers == {"read": ALLOW, "write": ALLOW, "open": EPERM, "mkdir": ENOSYS, "kill": KILL}
    assert [run(program, call) for call in ("reboot", "chown", "mount")] == [EPERM] * 3


OPERATIONS: dict[str, Callable[[int, int, int], bool]] = {
    "SCMP_CMP_EQ": lambda argument, one, _two: argument == one,
    "SCMP_CMP_NE": lambda argument, one, _two: argument != one,
    "SCMP_CMP_LT": lambda argument, one, _two: argument < one,
    "SCMP_CMP_LE": lambda argument, one, _two: argument <= one,
    "SCMP_CMP_GT": lambda argument, one, _two: argument > one,
    "SCMP_CMP_GE": lambda argument, one, _two: argument >= one,
    "SCMP_CMP_MASKED_EQ": lambda argument, one, two: argument & one == two,
}
NUMBER = st.sampled_from([0, 1, 2**31, 2**32 - 1, 2**32, 2**32 + 1, 2**64 - 1]) | st.integers(0, 2**64 - 1)


@given(st.sampled_from(list(OPERATIONS)), NUMBER, NUMBER, NUMBER, st.integers(0, 5), NUMBER)
def test_conditions_are_computed_with_64_bits(
    operator: str, one: int, two: int, argument: int, index: int, other: int
) -> None:
    condition = {"index": index, "value": one, "valueTwo": two, "op": operator}
    always = {"index": (index + 1) % 6, "value": other, "op": "SCMP_CMP_EQ"}
    arguments = [0] * 6
    arguments[index], arguments[(index + 1) % 6] = argument, other
    program = compiled(profile(rule("ioctl", args=[condition, always])), 0)
    holds = OPERATIONS[operator](argument, one, two)
    assert run(program, "ioctl", *arguments) == (ALLOW if holds else EPERM)
    arguments[(index + 1) % 6] ^= 1 << 40
    assert run(program, "ioctl", *arguments) == EPERM, "every condition has to hold"
    assert run(program, "read") == EPERM


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ([], "is not a JSON object"),
        ({}, "defaultAction: 'None' is none of"),
        (profile(default="ALLOW"), "defaultAction: 'ALLOW' is none of"),
        ({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": {}}, "syscalls is not a list"),
        (profile(rule("read", action="x")), "syscalls[0]: 'x' is none of"),
        (profile(rule("read", errnoRet=5000)), "error number"),
        (profile({"names": [1], "action": "SCMP_ACT_ALLOW"}), "holds what is no name"),
        (profile(rule("read", args=[{"index": 6}])), "index must be between"),
        (profile(rule("read", args=[{"index": 0, "op": "<"}])), "'<' is none of"),
        (profile(rule("read", args=[{"index": 0, "op": "SCMP_CMP_EQ", "value": -1}])), "64 bits"),
        (
            profile(*(rule("read", args=[{"index": 0, "op": "SCMP_CMP_EQ", "value": n}]) for n in range(99))),
            "too many conditions",
        ),
    ],
)
def test_what_is_no_profile(wrong: Any, told: str) -> None:
    with pytest.raises(ProfileError) as caught:
        compiled(wrong, 0)
    assert told in str(caught.value)


KERNEL = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
program = bytes.fromhex(sys.argv[1])
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.byref(Program(len(program) // 8, program))) == 0, ctypes.get_errno()
try:
    os.mkdir("/proc/x")
except OSError as error:
    print(error.errno)
os.getppid()
os.kill(os.getpid(), 0)
"""


def test_the_kernel_takes_it() -> None:
    program = compiled(
        profile(
            rule("mkdir", action="SCMP_ACT_ERRNO", errnoRet=77),
            rule("kill", action="SCMP_ACT_KILL_PROCESS"),
            default="SCMP_ACT_ALLOW",
        ),
        0,
    )
    done = subprocess.run([sys.executable, "-c", KERNEL, program.hex()], capture_output=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (-31, b"77"), done.stderr
    done = subprocess.run(
        [sys.executable, "-c", KERNEL, runtime_default(0).hex()], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_names_of_what_is_forbidden_are_those_of_the_kernel() -> None:
    assert {call for calls in seccomp._FORBIDDEN.values() for call in calls.split()} <= NUMBERS.keys()
