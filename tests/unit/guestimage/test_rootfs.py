"""The root disk, made and read by the real tools."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from vmpod.errors import GuestImageError
from vmpod.guestimage.recipe import load, recipe_directory
from vmpod.guestimage.rootfs import contents, kernel_release, root_tree, write_disk
from vmpod.guestimage.tree import directory, file, link, with_parents

TREE = with_parents(
    {"usr/bin/tool": file(b"x" * 5000, executable=True), "bin": link("usr/bin"), "tmp": directory(0o1777)}
)


def listing(disk: Path) -> list[str]:
    lines = subprocess.check_output(
        ["unsquashfs", "-lls", disk], text=True, env={"TZ": "UTC", "PATH": "/usr/bin"}
    )
    return [line for line in lines.splitlines() if "squashfs-root" in line]


@pytest.mark.skipif(not shutil.which("mksquashfs"), reason="squashfs-tools is not installed")
def test_nothing_on_the_disk_depends_on_when_or_by_whom_it_was_made(tmp_path: Path) -> None:
    disk = tmp_path / "root"
    write_disk(TREE, disk, load(recipe_directory()).squashfs_options)
    lines = listing(disk)
    assert [line.split()[0] for line in lines] == [
        "drwxr-xr-x",  # the top
        "lrwxrwxrwx",
        "drwxrwxrwt",
        "drwxr-xr-x",
        "drwxr-xr-x",
        "-rwxr-xr-x",
    ]
    assert all(" root/root " in line and " 1970-01-01 00:00 " in line for line in lines)


def test_contents_are_listed_with_sizes_and_targets() -> None:
    assert contents(TREE).split("\n") == ["          bin -> usr/bin", "     5000 usr/bin/tool", ""]


def test_there_must_be_one_kernel() -> None:
    one = {"usr/lib/modules/6.1/modules.dep": file(b"")}
    assert kernel_release(one) == "6.1"
    with pytest.raises(GuestImageError, match="2 kernels"):
        kernel_release({**one, "usr/lib/modules/6.2/modules.dep": file(b"")})


def test_only_what_the_recipe_keeps_and_its_libraries_go_in(tmp_path: Path) -> None:
    shutil.copytree(recipe_directory(), tmp_path / "images")
    text = (tmp_path / "images/guest.toml").read_text()
    before, _, after = text.partition("[modules]")
    _, _, after = after.partition("[squashfs]")
    (tmp_path / "images/guest.toml").write_text(
        f'{before}[modules]\nboot = ["a"]\nroot = []\n[squashfs]{after}'
    )
    top = "usr/lib/modules/6.1"
    tree = root_tree(
        load(tmp_path / "images"),
        {
            "usr/bin/busybox": file(b"#!/bin/sh\n"),
            "usr/bin/other": file(b""),
            "usr/lib/python3.11/json/__init__.pyc": file(b""),
            "usr/lib/python3.11/lib-dynload/_json.cpython-311.so": file(b""),
            "usr/lib/python3.11/lib-dynload/_sqlite3.cpython-311.so": file(b""),
            "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2": file(b""),
            "usr/lib/x86_64-linux-gnu/libunused.so.1": file(b""),
            f"{top}/modules.dep": file(b"kernel/a.ko:\nkernel/b.ko:\n"),
            f"{top}/modules.alias": file(b""),
            f"{top}/kernel/a.ko": file(b"a"),
            f"{top}/kernel/b.ko": file(b"b"),
        },
    )
    files = {path for path, node in tree.items() if node.is_file and not path.startswith("etc/")}
    assert files == {
        "usr/bin/busybox",
        "usr/lib/python3.11/json/__init__.pyc",
        "usr/lib/python3.11/lib-dynload/_json.cpython-311.so",
        "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
        f"{top}/modules.dep",
        f"{top}/modules.alias",
        f"{top}/kernel/a.ko",
    }
