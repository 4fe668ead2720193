"""Copies in and out of a container, without one: the child works on the host's own tree."""

from __future__ import annotations

import io
import os
import stat
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.unit.agent.harness import Host, StandInServices, run_until
from tests.unit.agent.standins import Agent
from vmpod.wire import frames, messages
from vmpod.wire.frames import Frame
from vmpod_agent import syscalls
from vmpod_agent.loop import Loop
from vmpod_agent.users import User

MEBIBYTE = 1024 * 1024
Found = dict[str, tuple[tarfile.TarInfo, bytes]]


class Member:
    name = "c"
    running = True
    kept = None

    def __init__(self) -> None:
        self.run = self
        self.pid = os.getpid()
        self.user = User(os.getuid(), os.getgid(), [], "/")


class Pod:
    def find(self, _name: str) -> Member:
        return Member()


@pytest.fixture
def copier(agent: Agent, host: Host, services: StandInServices, monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setattr(syscalls, "set_namespaces", lambda *_: None)
    agent.pod = Pod()
    agent.services = services
    return host


def receive(host: Host, loop: Loop, path: Path | str) -> tuple[Found, str, int]:
    """What the tar holds by name, what was said, and how it ended."""
    host.request(1, messages.COPY, path=str(path))

    def ended() -> object:
        host.grant()
        return host.of(1, frames.END)

    run_until(loop, ended)
    found: Found = {}
    data = host.output(1)
    if data:
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            for each in tar:
                content = tar.extractfile(each) if each.isreg() else None
                found[each.name] = (each, content.read() if content else b"")
    return found, host.output(1, frames.STDERR).decode(), host.exit_code(1)


def send(
    host: Host, loop: Loop, path: Path | str, *members: tuple[tarfile.TarInfo, bytes], **more: Any
) -> tuple[str, int]:
    """What was said, and how it ended."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, content in members:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    left = buffer.getvalue()
    host.request(1, messages.COPY, path=str(path), into=True, **more)

    def pump() -> object:
        nonlocal left
        while left and (size := host.input(1, left)):
            left = left[size:]
            if not left:
                host.send(Frame(frames.EOF, 1))
        host.grant()
        return host.of(1, frames.END)

    run_until(loop, pump)
    return host.output(1, frames.STDERR).decode(), host.exit_code(1)


def member(name: str, kind: bytes = tarfile.REGTYPE, *, mode: int = 0o644, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.linkname, info.mtime = kind, mode, link, 1_000_000
    return info


def made(name: str) -> tuple[tarfile.TarInfo, bytes]:
    if name.endswith("/"):
        return member(name.rstrip("/"), tarfile.DIRTYPE, mode=0o755), b""
    return member(name), b"new"


# Out.


def test_a_directory_comes_with_all_that_is_in_it(copier: Host, loop: Loop, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "empty").mkdir(parents=True)
    (tree / "file").write_bytes(b"x" * MEBIBYTE)
    (tree / "file").chmod(0o751)
    os.utime(tree / "file", (5, 1234.5))
    (tree / "link").symlink_to("/nowhere")
    (tree / "hard").hardlink_to(tree / "file")
    os.mkfifo(tree / "fifo")
    found, said, status = receive(copier, loop, tree)
    assert (said, status) == ("tree/fifo: is a special file and is left out\n", 0)
    assert set(found) == {"tree", "tree/empty", "tree/file", "tree/link", "tree/hard"}
    info, content = found["tree/file"]
    assert (info.mtime, stat.S_IMODE(info.mode)) == (1234, 0o751)
    assert len(content) in (0, MEBIBYTE)
    assert found["tree/link"][0].linkname == "/nowhere"
    assert {found["tree/file"][0].islnk(), found["tree/hard"][0].islnk()} == {True, False}
    assert (info.uname, info.gname) == ("", ""), "names were looked up in the container"


@pytest.mark.parametrize(
    ("path", "names"),
    [("tree/.", {".", "./a"}), ("tree/", {"tree", "tree/a"}), ("tree/a", {"a"}), ("link", {"link"})],
)
def test_what_the_tar_calls_it(path: str, names: set[str], copier: Host, loop: Loop, tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/a").write_text("a")
    (tmp_path / "link").symlink_to("tree/a")
    found, _, status = receive(copier, loop, f"{tmp_path}/{path}")
    assert (set(found), status) == (names, 0)


@pytest.mark.parametrize("path", ["none", "file/", "file/.", "loop"])
def test_what_is_not_there_is_said(path: str, copier: Host, loop: Loop, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to("loop")
    found, said, status = receive(copier, loop, f"{tmp_path}/{path}")
    assert status == 1
    assert said.startswith(f"{tmp_path}/{path}: ")
    assert found == {}


def test_a_client_that_goes_ends_the_child(copier: Host, loop: Loop, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(4 * MEBIBYTE))
    before = set(os.listdir("/proc/self/fd"))
    copier.request(1, messages.COPY, path=str(tmp_path / "large"))
    run_until(loop, lambda: copier.output(1))
    copier.session.client_gone()
    run_until(loop, lambda: not _children())
    assert set(os.listdir("/proc/self/fd")) == before


def _children() -> list[str]:
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()


# In.


def test_a_directory_goes_in_as_it_is(copier: Host, loop: Loop, tmp_path: Path) -> None:
    said, status = send(
        copier,
        loop,
        tmp_path / "new",
        (member("tree", tarfile.DIRTYPE, mode=0o500), b""),
        (member("tree/file", mode=0o4711), b"x" * MEBIBYTE),
        (member("tree/link", tarfile.SYMTYPE, link="/nowhere"), b""),
        (member("tree/hard", tarfile.LNKTYPE, link="tree/file"), b""),
        (member("tree/device", tarfile.CHRTYPE), b""),
        name="tree",
    )
    assert (said, status) == ("tree/device: is a special file and is left out\n", 0)
    new = tmp_path / "new"
    assert (stat.S_IMODE(new.stat().st_mode), new.stat().st_mtime) == (0o500, 1_000_000)
    file = (new / "file").stat()
    assert (file.st_size, stat.S_IMODE(file.st_mode), file.st_mtime) == (MEBIBYTE, 0o711, 1_000_000)
    assert (new / "link").readlink() == Path("/nowhere")
    assert (new / "hard").samefile(new / "file")
    assert {each.name for each in new.iterdir()} == {"file", "link", "hard"}


@pytest.mark.parametrize(
    ("destination", "name", "members", "result"),
    [
        ("there", "f", ["f"], "there/f"),
        ("there/", "f", ["f"], "there/f"),
        ("new", "f", ["f"], "new"),
        ("old", "f", ["f"], "old"),
        ("there", "d", ["d/", "d/f"], "there/d/f"),
        ("there", ".", ["./", "./f"], "there/f"),
        ("new", ".", ["./", "./f"], "new/f"),
        ("new/", "d", ["d/", "d/f"], "new/f"),
        ("there", "", ["deep/er/f"], "there/deep/er/f"),
        ("link", "f", ["f"], "there/f"),
    ],
)
def test_where_it_goes(
    destination: str, name: str, members: list[str], result: str, copier: Host, loop: Loop, tmp_path: Path
) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there")
    (tmp_path / "old").write_text("a longer text than the new one")
    sent = [made(each) for each in members]
    assert send(copier, loop, f"{tmp_path}/{destination}", *sent, name=name) == ("", 0)
    assert (tmp_path / result).read_bytes() == b"new"


@pytest.mark.parametrize(
    ("destination", "name", "members"),
    [
        ("none/deep", "f", ["f"]),
        ("none/", "f", ["f"]),
        ("file/", "f", ["f"]),
        ("file", "d", ["d/", "d/f"]),
        ("none", "", ["f"]),
        ("there", "", ["../f"]),
    ],
)
def test_what_cannot_be_is_said(
    destination: str, name: str, members: list[str], copier: Host, loop: Loop, tmp_path: Path
) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "file").write_text("old")
    sent = [made(each) for each in members]
    said, status = send(copier, loop, f"{tmp_path}/{destination}", *sent, name=name)
    assert (len(said.splitlines()), status) == (1, 1)
    assert {each.name for each in tmp_path.iterdir()} == {"there", "file"}


def test_a_link_in_the_way_is_replaced_and_not_followed(copier: Host, loop: Loop, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "victim").write_text("safe")
    (tmp_path / "there/f").symlink_to(tmp_path / "victim")
    assert send(copier, loop, tmp_path / "there", (member("f"), b"new"), name="f") == ("", 0)
    assert (tmp_path / "victim").read_text() == "safe"
    assert (tmp_path / "there/f").read_text() == "new"


def test_broken_archives_are_said(copier: Host, loop: Loop, tmp_path: Path) -> None:
    copier.request(1, messages.COPY, path=str(tmp_path), into=True, name="")
    copier.input(1, b"this is no archive" * 100)
    copier.send(Frame(frames.EOF, 1))
    run_until(loop, lambda: copier.of(1, frames.END))
    assert copier.exit_code(1) == 1
    assert copier.output(1, frames.STDERR)


def test_the_child_imports_nothing_from_the_container() -> None:
    program = """
import sys
from vmpod_agent import copying
copying._prepare()
try:
    import wave
except ImportError:
    print("nothing")
"""
    variables = {"PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=variables,
        capture_output=True,
        check=True,
    )
    assert done.stdout == b"nothing\n"
