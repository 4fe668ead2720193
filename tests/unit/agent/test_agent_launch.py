"""What becomes of a child on its way into a container, a new one or one that runs."""

from __future__ import annotations

import errno
import marshal
import os
import socket
import struct
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.unit.agent.harness import StandInServices
from vmpod.wire import capabilities as granted
from vmpod_agent import capabilities, join, launch, mounts, syscalls
from vmpod_agent.create import Creating
from vmpod_agent.launch import Command, LaunchError, Process, Starting
from vmpod_agent.users import User

ROOT, WEB = User(0, 0, [], "/root"), User(1000, 1001, [1002], "/home/web")


def command(*argv: str, user: User = ROOT, terminal: tuple[int, int] | None = None) -> Command:
    return Command(
        list(argv) or ["true"], env=["PATH=/usr/bin:/bin"], cwd="/some/where", user=user, terminal=terminal
    )


class Entering(Process):
    """A child that goes nowhere."""

    def entering(self) -> Iterator[str]:
        yield "enter"


@pytest.fixture
def harmless(monkeypatch: pytest.MonkeyPatch) -> None:
    """The steps of a child do nothing, so that they can be listed here."""
    monkeypatch.setattr(launch, "begin", lambda: None)
    for step in ("_pass_streams", "_give_up", "_change_user", "_open_terminal", "_execute"):
        monkeypatch.setattr(Process, step, lambda *_arguments: None)
    monkeypatch.setattr(os, "chdir", lambda _path: None)


@pytest.mark.usefixtures("harmless")
def test_rights_are_given_up_before_a_file_of_the_container_is_touched() -> None:
    order = list(Entering(command(terminal=(80, 24)), []).steps(-1))
    assert order == [
        "begin",
        "enter",
        "pass the standard streams",
        "give up capabilities",
        "enter the working directory /some/where",
        "change the user",
        "open a terminal",
        "execute",
    ]
    assert "open a terminal" not in list(Entering(command(), []).steps(-1))


def test_nothing_of_the_machine_is_looked_for_by_a_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """It leaves the machine's mounts, and gets what it is given as descriptors."""
    done: list[str] = []

    def note(name: str) -> Callable[..., int]:
        def noted(*arguments: Any, **_options: Any) -> int:
            done.append(" ".join([name, *(str(each) for each in arguments[:2])]))
            return len(done)

        return noted

    for name in ("take", "leave", "enter", "mount", "make_devices", "place", "hide", "protect"):
        monkeypatch.setattr(mounts, name, note(name))
    for name in ("unshare", "join_new_keyring"):
        monkeypatch.setattr(syscalls, name, note(name))
    monkeypatch.setattr("vmpod_agent.cgroups.enter", note("cgroup"))
    monkeypatch.setattr(os, "makedirs", note("make"))
    list(Creating("c-0", [(70, "/"), (71, "/etc/hosts"), (72, "/data")], command(), []).entering())
    left, entered = done.index("leave /mnt"), done.index("enter 70")
    assert [each for each in done[:left] if each.startswith("take")] == ["take /dev/shm"]
    assert [each for each in done[left:entered] if each.startswith("take")] == [
        "take /proc",
        "take /dev",
        "take /sys",
    ]
    assert "hide /proc/kcore" in done[left:entered]
    placed = [each.split()[2] for each in done[entered:] if each.startswith("place")]
    assert placed == ["/proc", "/dev", "/sys", "/etc/hosts", "/data"]
    assert done[-2:] == ["place 72 /data", "make b'/some/where'"]


def test_a_command_is_the_same_after_it_was_packed() -> None:
    before = Command(["sh", "-c", "\udcff"], env=["A=b", "C"], cwd="/x", user=WEB)
    after = Command.unpack(marshal.loads(marshal.dumps(before.packed())))
    assert (after.argv, after.env, after.cwd, after.name) == (before.argv, before.env, b"/x", "sh")
    assert after.packed() == before.packed()
    assert after.user.groups == WEB.groups


def test_capabilities_are_counted_as_the_kernel_does() -> None:
    # What CapBnd in /proc/PID/status shows in containers of every engine.
    assert granted.DEFAULT == 0xA80425FB
    assert granted.mask([]) == 0
    assert granted.mask(["CHOWN", "CHOWN", "CHECKPOINT_RESTORE"]) == 1 | 1 << 40
    with pytest.raises(KeyError):
        granted.mask(["NONSENSE"])


def test_only_root_has_capabilities_in_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[int, int]] = []

    def note(*, permitted: int, effective: int) -> None:
        given.append((permitted, effective))

    monkeypatch.setattr(syscalls, "set_capabilities", note)
    monkeypatch.setattr(syscalls, "prctl", lambda *_arguments: None)
    monkeypatch.setattr(os, "setresuid", lambda *_ids: None)
    for user in (ROOT, WEB):
        Entering(command(user=user), [])._change_user()
    assert given == [(granted.DEFAULT, granted.DEFAULT), (0, 0)]


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
def test_what_execve_cannot_take_is_refused(argv: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"NUL|surrogates"):
        command(*argv)


def test_a_container_that_has_just_ended_cannot_be_joined(services: StandInServices) -> None:
    pid = os.posix_spawn("/bin/true", ["true"], {})
    os.waitpid(pid, 0)
    with pytest.raises(ProcessLookupError):
        join.start(pid, "c-0", command(), [0, 1, 2])
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
        with pytest.raises(LaunchError, match=told) as raised:
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
