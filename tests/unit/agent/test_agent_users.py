"""Who a process runs as, from the image's own files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmpod_agent.users import UserError, look_up, resolve

PASSWD = b"""\
root:x:0:0:root:/root:/bin/sh
# comment:x:1:1::/:
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
www:x:33:33:www:/var/www:/bin/false
broken:x
caf\xe9:x:50:50:::
app:x:1000:100:App:/home/app:/bin/sh
lost:x:none:1::/:
"""
GROUP = b"""\
root:x:0:
daemon:x:1:app
www:x:33:
staff:x:50:www,app
short:x:60
bad:x:many:lost
app:x:100:
"""


@pytest.mark.parametrize(
    ("user", "uid", "gid", "groups", "home"),
    [
        ("root", 0, 0, [], "/root"),
        ("0", 0, 0, [], "/root"),
        ("www", 33, 33, [50], "/var/www"),
        ("33", 33, 33, [50], "/var/www"),
        ("app", 1000, 100, [1, 50], "/home/app"),
        ("app:www", 1000, 33, [1, 50], "/home/app"),
        ("app:4711", 1000, 4711, [1, 50], "/home/app"),
        ("1000:0", 1000, 0, [1, 50], "/home/app"),
        ("4711", 4711, 0, [], "/"),
        ("4711:staff", 4711, 50, [], "/"),
        ("4711:60", 4711, 60, [], "/"),
        ("4711:4712", 4711, 4712, [], "/"),
        ("", 0, 0, [], "/root"),
    ],
)
def test_users(user: str, uid: int, gid: int, groups: list[int], home: str) -> None:
    found = resolve(user, PASSWD, GROUP)
    assert (found.uid, found.gid, found.groups, found.home) == (uid, gid, groups, home)


@pytest.mark.parametrize(
    ("user", "message"),
    [
        ("nobody", "the image has no user 'nobody' in /etc/passwd"),
        ("broken", "the image has no user 'broken' in /etc/passwd"),
        ("app:nogroup", "the image has no group 'nogroup' in /etc/group"),
        ("4294967295", "'4294967295' is no user or group number"),
        ("9" * 5000, "is no user or group number"),
        ("0:" + "9" * 5000, "is no user or group number"),
        ("-1", "no user '-1'"),
        ("lost", "'none' is no user or group number"),
        (":5", "no user ''"),
    ],
)
def test_users_that_are_not_there(user: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        resolve(user, PASSWD, GROUP)
    assert message in str(error.value)


def test_without_the_files_numbers_still_work() -> None:
    found = resolve("1000:1000", b"", b"")
    assert (found.uid, found.gid, found.groups, found.home) == (1000, 1000, [], "/")
    assert resolve("", b"", b"").uid == 0


@given(st.text(max_size=12), st.binary(max_size=80), st.binary(max_size=80))
def test_hostile_files_give_a_user_or_an_error(user: str, passwd: bytes, group: bytes) -> None:
    try:
        found = resolve(user, passwd, group)
    except UserError:
        return
    assert 0 <= found.uid < 2**32
    assert 0 <= found.gid < 2**32


@pytest.mark.skipif(os.geteuid() != 0, reason="chroot(2) needs root, as the agent is")
def test_links_in_the_image_lead_nowhere_else(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc/passwd").write_bytes(PASSWD)
    (root / "etc/group").symlink_to("/data/group")
    (root / "data").mkdir()
    (root / "data/group").write_bytes(GROUP)
    assert look_up("app", str(root)).groups == [1, 50, 100]

    (root / "data/group").unlink()
    (root / "data/group").symlink_to("../../../../etc/group")
    assert look_up("app", str(root)).groups == [100]


@pytest.mark.skipif(os.geteuid() != 0, reason="chroot(2) needs root, as the agent is")
@pytest.mark.parametrize("kind", ["fifo", "directory", "large", "loop"])
def test_what_is_no_file_does_not_hold_the_agent_up(kind: str, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    passwd = tmp_path / "etc/passwd"
    if kind == "fifo":
        os.mkfifo(passwd)
    elif kind == "directory":
        passwd.mkdir()
    elif kind == "large":
        passwd.write_bytes(b"x:x:1:1::/:\n" * 1_000_000)
    else:
        passwd.symlink_to("passwd")
    with pytest.raises(UserError):
        look_up("app", str(tmp_path))
    assert look_up("", str(tmp_path)).uid == 0


def test_groups_of_the_pod_come_on_top_or_alone(tmp_path: Path) -> None:
    assert look_up("", str(tmp_path), groups=[7, 3]).groups == [0, 3, 7]
    assert look_up("root", str(tmp_path), groups=[], strict=True).groups == [0]
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_bytes(PASSWD)
    (tmp_path / "etc/group").write_bytes(GROUP)
    if os.geteuid() == 0:
        assert look_up("app:www", str(tmp_path), groups=[7]).groups == [1, 7, 33, 50]
        assert look_up("app:www", str(tmp_path), groups=[7], strict=True).groups == [7, 33]
