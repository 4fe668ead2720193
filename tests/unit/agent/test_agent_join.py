"""What becomes of a child on its way into a container."""

from __future__ import annotations

import errno
import os
import socket
import struct
from typing import Any

import pytest

from tests.unit.agent.harness import StandInServices
from vmpod_agent import capabilities, join, ociconfig, syscalls
from vmpod_agent.join import JoinError, Starting, start
from vmpod_agent.users import User

ROOT, WEB = User(0, 0, [], "/root"), User(1000, 1001, [1002], "/home/web")


def settings(*argv: str, user: User = ROOT, env: tuple[str, ...] = ("PATH=/usr/bin:/bin",)) -> dict[str, Any]:
    return ociconfig.process(list(argv), env=list(env), cwd="/", user=user)


def steps(user: User = ROOT, terminal: tuple[int, int] | None = None) -> list[str]:
    wanted = ociconfig.process(["true"], env=[], cwd="/some/where", user=user, terminal=terminal)
    return [name for name, _ in join._Process("/cgroup", wanted, []).steps(-1, -1)]


def test_rights_are_given_up_before_a_file_of_the_container_is_touched() -> None:
    order = steps(terminal=(80, 24))
    given_up = order.index("give up capabilities")
    assert order[:given_up] == [
        "begin",
        "enter the container's cgroup",
        "enter the container",
        "pass the standard streams",
    ]
    assert order[given_up + 1 :] == [
        "enter the working directory /some/where",
        "change the user",
        "open a terminal",
        "execute",
    ]
    assert "open a terminal" not in steps()


def test_every_setting_of_a_process_is_known_to_it() -> None:
    """Who adds one to ociconfig has to add it here, or exec differs from the container."""
    known = {"terminal", "consoleSize", "user", "args", "env", "cwd", "noNewPrivileges", "capabilities"}
    found = ociconfig.process(["true"], env=[], cwd="/", user=WEB, terminal=(80, 24))
    assert set(found) == known
    assert set(found["capabilities"]) == {"bounding", "permitted", "effective"}
    assert set(found["user"]) == {"uid", "gid", "additionalGids"}


def test_capabilities_are_counted_as_the_kernel_does() -> None:
    assert capabilities.mask(
        ociconfig.process([], env=[], cwd="/", user=ROOT)["capabilities"]["bounding"]
    ) == (
        0xA80425FB  # what CapBnd in /proc/PID/status shows in containers of every engine
    )
    assert capabilities.mask([]) == 0
    assert capabilities.mask(["CAP_CHOWN", "CAP_CHOWN", "CAP_CHECKPOINT_RESTORE"]) == 1 | 1 << 40
    with pytest.raises(KeyError):
        capabilities.mask(["CAP_NONSENSE"])


@pytest.mark.parametrize("last", [40, 45])
def test_every_other_capability_is_dropped(last: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that a later kernel adds."""
    dropped: list[int] = []

    def prctl(_option: int, number: int) -> None:
        if number > last:
            raise OSError(errno.EINVAL, "")
        dropped.append(number)

    monkeypatch.setattr(syscalls, "prctl", prctl)
    capabilities.limit(0b1001 | 1 << 40)
    assert dropped == [number for number in range(last + 1) if number not in (0, 3, 40)]


def test_a_capability_that_cannot_be_dropped_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def prctl(_option: int, _number: int) -> None:
        raise OSError(errno.EPERM, "")

    monkeypatch.setattr(syscalls, "prctl", prctl)
    with pytest.raises(PermissionError):
        capabilities.limit(0)


@pytest.mark.parametrize("argv", [("a\0b",), ("true", "\ud800")])
def test_what_execve_cannot_take_is_refused_before_the_fork(
    argv: tuple[str, ...], services: StandInServices
) -> None:
    with pytest.raises(ValueError, match=r"NUL|surrogates"):
        start(os.getpid(), "/cgroup", settings(*argv), [0, 1, 2])
    assert not services.joined.pids


@pytest.mark.parametrize(
    ("number", "step", "status", "told"),
    [
        (errno.ENOENT, "execute", 127, "cmd: executable file not found in the container"),
        (errno.ENOTDIR, "execute", 127, "cmd: executable file not found in the container"),
        (errno.EACCES, "execute", 126, "cmd: Permission denied"),
        (errno.ENOEXEC, "execute", 126, "cmd: Exec format error"),
        (errno.E2BIG, "execute", 128, "cmd: Argument list too long"),
        (errno.ENOENT, "enter /x", 128, "could not enter /x: No such file"),
    ],
)
def test_a_failure_tells_step_and_reason(number: int, step: str, status: int, told: str) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        starting = Starting(1, ours, "cmd")
        theirs.send(b"F" + f"{number} {step}".encode())
        with pytest.raises(JoinError, match=told) as raised:
            starting.report()
    assert raised.value.status == status


def test_a_terminal_and_then_silence_is_a_start() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    read_end, write_end = os.pipe()
    with ours:
        ours.setblocking(False)
        starting = Starting(1, ours, "cmd")
        with pytest.raises(BlockingIOError):
            starting.report()
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", write_end))
        theirs.sendmsg([b"T"], [rights])
        theirs.close()
        passed = starting.report()
        assert passed is not None
        assert not os.get_inheritable(passed)
        os.write(passed, b"x")
        assert os.read(read_end, 1) == b"x"
        assert starting.report() is None
    for fd in (read_end, write_end, passed):
        os.close(fd)
