"""Seccomp profiles as programs that the kernel runs at every system call (classic BPF). Pure.

A profile is what container engines take: JSON with a default action and rules for system calls, some with
conditions on arguments. Sources: seccomp(2), linux/seccomp.h, linux/bpf_common.h; OCI Runtime Specification
1.0, config-linux.md, for the words; what RuntimeDefault forbids is what the engines' own profiles do.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Any

from vmpod.dataclass import dataclass
from vmpod.plan.syscalls import LAST, NUMBERS
from vmpod.wire import capabilities

_ACTIONS = {
    "SCMP_ACT_KILL": 0x00000000,
    "SCMP_ACT_KILL_THREAD": 0x00000000,
    "SCMP_ACT_KILL_PROCESS": 0x80000000,
    "SCMP_ACT_TRAP": 0x00030000,
    "SCMP_ACT_ERRNO": 0x00050000,
    "SCMP_ACT_TRACE": 0x7FF00000,
    "SCMP_ACT_LOG": 0x7FFC0000,
    "SCMP_ACT_ALLOW": 0x7FFF0000,
}
_WITH_ERRNO = ("SCMP_ACT_ERRNO", "SCMP_ACT_TRACE")
_EPERM, _ENOSYS = 1, 38
_ALLOW = _ACTIONS["SCMP_ACT_ALLOW"]
_UNKNOWN = _ACTIONS["SCMP_ACT_ERRNO"] | _ENOSYS
"""For calls that are newer than this program, or of another architecture: then the C library tries others."""

_ARCHITECTURE = 0xC000003E  # AUDIT_ARCH_X86_64
# Offsets in struct seccomp_data.
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16
_MAX_INSTRUCTIONS = 4096
_MAX_SKIP = 255

_LOAD, _AND, _RETURN = 0x20, 0x54, 0x06
_IF_EQUAL, _IF_GREATER, _IF_AT_LEAST = 0x15, 0x25, 0x35

_OPERATORS = (
    "SCMP_CMP_EQ",
    "SCMP_CMP_NE",
    "SCMP_CMP_LT",
    "SCMP_CMP_LE",
    "SCMP_CMP_GT",
    "SCMP_CMP_GE",
    "SCMP_CMP_MASKED_EQ",
)

_Instruction = tuple[int, int, int, int]
"""Opcode, where to jump if true and if false (so many instructions on), operand."""


class ProfileError(ValueError):
    """A profile cannot be understood; the message says what of it."""


@dataclass(frozen=True)
class _Condition:
    """On an argument of a call, all 64 bits of it."""

    index: int
    operator: str
    value: int
    mask: int


@dataclass(frozen=True)
class _Rule:
    action: int
    conditions: tuple[_Condition, ...] = ()


# What each capability allows in the default profile; '' stands for nobody.
_FORBIDDEN = {
    "SYS_ADMIN": """
        bpf clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie mount mount_setattr move_mount
        open_tree perf_event_open quotactl quotactl_fd setdomainname sethostname setns syslog umount2 unshare
        """,
    "SYS_BOOT": "reboot",
    "SYS_CHROOT": "chroot",
    "SYS_MODULE": "delete_module init_module finit_module",
    "SYS_PACCT": "acct",
    "SYS_PTRACE": "kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev",
    "SYS_RAWIO": "iopl ioperm",
    "SYS_TIME": "settimeofday clock_settime clock_adjtime",
    "SYS_TTY_CONFIG": "vhangup",
    "SYS_NICE": "get_mempolicy mbind set_mempolicy set_mempolicy_home_node",
    "DAC_READ_SEARCH": "open_by_handle_at",
    "": """
        _sysctl add_key create_module get_kernel_syms io_uring_enter io_uring_register io_uring_setup
        kexec_file_load kexec_load keyctl migrate_pages move_pages nfsservctl pivot_root query_module
        request_key swapoff swapon sysfs uselib userfaultfd ustat vserver
        """,
}
_ALSO = {"BPF": ("bpf",), "PERFMON": ("perf_event_open",), "SYSLOG": ("syslog",)}
_NAMESPACES = 0x7E020000  # CLONE_NEW...
_PERSONALITIES = (0x0, 0x0008, 0x20000, 0x20008, 0xFFFFFFFF)


def runtime_default(bounding: int) -> bytes:
    """The program for seccompProfile RuntimeDefault. bounding: the container's capabilities, as a mask."""

    def has(name: str) -> bool:
        return bool(name) and bool(bounding & capabilities.mask([name]))

    allowed = {call for name, calls in _ALSO.items() if has(name) for call in calls}
    forbidden = {
        call
        for name, calls in _FORBIDDEN.items()
        if not has(name)
        for call in calls.split()
        if call not in allowed
    }
    refuse = _ACTIONS["SCMP_ACT_ERRNO"] | _EPERM
    rules: dict[int, list[_Rule]] = {NUMBERS[call]: [_Rule(refuse)] for call in forbidden if call in NUMBERS}
    if not has("SYS_ADMIN"):
        # Its flags lie in memory, which no filter sees: as if there were none, so that clone is taken.
        rules[NUMBERS["clone3"]] = [_Rule(_UNKNOWN)]
        rules[NUMBERS["clone"]] = [
            _Rule(_ALLOW, (_Condition(0, "SCMP_CMP_MASKED_EQ", 0, _NAMESPACES),)),
            _Rule(refuse),
        ]
    rules[NUMBERS["personality"]] = [
        *(_Rule(_ALLOW, (_Condition(0, "SCMP_CMP_EQ", each, 0),)) for each in _PERSONALITIES),
        _Rule(refuse),
    ]
    # AF_VSOCK leads to the host.
    rules[NUMBERS["socket"]] = [_Rule(refuse, (_Condition(0, "SCMP_CMP_EQ", 40, 0),)), _Rule(_ALLOW)]
    return _assemble(rules, _ALLOW)


def compiled(profile: Any, bounding: int) -> bytes:
    """The program of a profile, as read from JSON. bounding: as above. Raises ProfileError."""
    if not isinstance(profile, Mapping):
        raise ProfileError("is not a JSON object")
    default = _action(profile.get("defaultAction"), profile.get("defaultErrnoRet"), "defaultAction")
    rules: dict[int, list[_Rule]] = {}
    for index, entry in enumerate(_list(profile, "syscalls")):
        where = f"syscalls[{index}]"
        if not isinstance(entry, Mapping):
            raise ProfileError(f"{where} is not an object")
        if not _applies(entry, bounding, where):
            continue
        rule = _Rule(_action(entry.get("action"), entry.get("errnoRet"), where), _conditions(entry, where))
        for name in _list(entry, "names") or [entry.get("name")]:
            if not isinstance(name, str):
                raise ProfileError(f"{where}.names holds what is no name")
            # Names of other architectures and kernels are no faults.
            if name in NUMBERS:
                rules.setdefault(NUMBERS[name], []).append(rule)
    for found in rules.values():
        # The most special first, the rest is the default.
        found.sort(key=lambda rule: -len(rule.conditions))
        if found[-1].conditions:
            found.append(_Rule(default))
    return _assemble(rules, default)


def _action(name: Any, number: Any, where: str) -> int:
    if not isinstance(name, str) or name not in _ACTIONS:
        raise ProfileError(f"{where}: {str(name)[:40]!r} is none of {', '.join(_ACTIONS)}")
    if number is None:
        number = _EPERM
    if type(number) is not int or not 0 <= number < 4096:
        raise ProfileError(f"{where}: the error number must be between 0 and 4095")
    return _ACTIONS[name] | (number if name in _WITH_ERRNO else 0)


def _list(entry: Mapping[str, Any], name: str) -> list[Any]:
    value = entry.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise ProfileError(f"{name} is not a list")
    return value


def _applies(entry: Mapping[str, Any], bounding: int, where: str) -> bool:
    """Whether a rule is meant for this architecture and these capabilities."""
    includes, excludes = entry.get("includes") or {}, entry.get("excludes") or {}
    if not isinstance(includes, Mapping) or not isinstance(excludes, Mapping):
        raise ProfileError(f"{where}: includes and excludes must be objects")

    def has(name: object) -> bool:
        number = capabilities.NUMBERS.get(str(name).removeprefix("CAP_"))
        return number is not None and bool(bounding >> number & 1)

    arches, caps = _list(includes, "arches"), _list(includes, "caps")
    if (arches and "amd64" not in arches) or not all(map(has, caps)):
        return False
    return "amd64" not in _list(excludes, "arches") and not any(map(has, _list(excludes, "caps")))


def _conditions(entry: Mapping[str, Any], where: str) -> tuple[_Condition, ...]:
    return tuple(_condition(each, where) for each in _list(entry, "args"))


def _condition(entry: Any, where: str) -> _Condition:
    if not isinstance(entry, Mapping):
        raise ProfileError(f"{where}.args holds what is no object")
    index, operator = entry.get("index"), entry.get("op")
    value, second = entry.get("value"), entry.get("valueTwo", 0)
    if type(index) is not int or not 0 <= index <= 5:
        raise ProfileError(f"{where}.args: the index must be between 0 and 5")
    if operator not in _OPERATORS:
        raise ProfileError(f"{where}.args: {str(operator)[:40]!r} is none of {', '.join(_OPERATORS)}")
    value, second = (_word(number, where) for number in (value, second))
    if operator == "SCMP_CMP_MASKED_EQ":
        # The first value is the mask, the second is what is left of the argument under it.
        return _Condition(index, operator, second, value)
    return _Condition(index, operator, value, 0)


def _word(number: Any, where: str) -> int:
    if type(number) is not int or not 0 <= number < 2**64:
        raise ProfileError(f"{where}.args: values must be whole numbers of 64 bits")
    return number


def _assemble(rules: Mapping[int, list[_Rule]], default: int) -> bytes:
    """The whole program. Calls without conditions are taken together as far as their numbers follow."""
    code: list[_Instruction] = [
        (_LOAD, 0, 0, _ARCH),
        (_IF_EQUAL, 1, 0, _ARCHITECTURE),
        (_RETURN, 0, 0, _UNKNOWN),
        (_LOAD, 0, 0, _NUMBER),
        # Also of the calls of x32, which have a number of their own for everything.
        (_IF_GREATER, 0, 1, LAST),
        (_RETURN, 0, 0, _UNKNOWN),
    ]
    for last, found in _ranges(rules, default):
        block = _block(found)
        if len(block) > _MAX_SKIP:
            raise ProfileError("holds too many conditions on one system call")
        code.append((_IF_GREATER, len(block), 0, last))
        code += block
    code.append((_RETURN, 0, 0, default))
    if len(code) > _MAX_INSTRUCTIONS:
        raise ProfileError(f"makes {len(code)} instructions, more than the kernel's {_MAX_INSTRUCTIONS}")
    return b"".join(struct.pack("=HBBI", *each) for each in code)


def _ranges(rules: Mapping[int, list[_Rule]], default: int) -> Iterator[tuple[int, list[_Rule]]]:
    """(last number, what holds up to it), in order."""
    plain = [_Rule(default)]
    pending: list[_Rule] | None = None
    for number in range(LAST + 1):
        found = rules.get(number, plain)
        # The first without conditions decides; what comes after it never does.
        cut = next((place for place, rule in enumerate(found) if not rule.conditions), len(found) - 1)
        found = found[: cut + 1]
        if pending is not None and (found != pending or len(found) > 1):
            yield number - 1, pending
        pending = found
    if pending is not None:
        yield LAST, pending


def _block(rules: list[_Rule]) -> list[_Instruction]:
    """What decides about one call, or about many without conditions; it returns in any case."""
    code: list[_Instruction] = []
    for rule in rules:
        tests = [_test(condition) for condition in rule.conditions]
        for place, test in enumerate(tests):
            # To the end of this rule: the tests that follow, and the answer.
            rest = sum(map(len, tests[place + 1 :])) + 1
            code += _resolved(test, rest)
        code.append((_RETURN, 0, 0, rule.action))
    return code


_YES, _NO = "yes", "no"
_Test = list[tuple[int, int | str, int | str, int]]
"""Instructions whose jumps lead on by a number, to where the condition holds, or to where it does not."""


def _test(condition: _Condition) -> _Test:
    """The instructions that test an argument, its upper half first."""
    low, high = _ARGUMENTS + 8 * condition.index, _ARGUMENTS + 8 * condition.index + 4
    below, above = condition.value & 0xFFFFFFFF, condition.value >> 32
    if condition.operator == "SCMP_CMP_MASKED_EQ":
        return [
            (_LOAD, 0, 0, high),
            (_AND, 0, 0, condition.mask >> 32),
            (_IF_EQUAL, 0, _NO, above),
            (_LOAD, 0, 0, low),
            (_AND, 0, 0, condition.mask & 0xFFFFFFFF),
            (_IF_EQUAL, _YES, _NO, below),
        ]
    if condition.operator in ("SCMP_CMP_EQ", "SCMP_CMP_NE"):
        same, other = (_YES, _NO) if condition.operator == "SCMP_CMP_EQ" else (_NO, _YES)
        return [
            (_LOAD, 0, 0, high),
            (_IF_EQUAL, 0, other, above),
            (_LOAD, 0, 0, low),
            (_IF_EQUAL, same, other, below),
        ]
    if condition.operator in ("SCMP_CMP_GT", "SCMP_CMP_GE"):
        yes, no = _YES, _NO
    else:
        yes, no = _NO, _YES
    # Not greater is less or equal, not at least is less.
    jump = _IF_GREATER if condition.operator in ("SCMP_CMP_GT", "SCMP_CMP_LE") else _IF_AT_LEAST
    return [
        (_LOAD, 0, 0, high),
        (_IF_GREATER, yes, 0, above),
        (_IF_EQUAL, 0, no, above),
        (_LOAD, 0, 0, low),
        (jump, yes, no, below),
    ]


def _resolved(test: _Test, rest: int) -> Iterator[_Instruction]:
    """The instructions with their jumps counted. rest: how many come after them until the next rule."""
    for place, (code, true, false, operand) in enumerate(test):
        after = len(test) - place - 1
        targets = {_YES: after, _NO: after + rest}
        yield (
            code,
            targets[true] if isinstance(true, str) else true,
            targets[false] if isinstance(false, str) else false,
            operand,
        )
