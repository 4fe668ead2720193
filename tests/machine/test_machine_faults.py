"""Faults that are real: guests that cannot boot, a QEMU that goes, a host without room or programs.

The guest images are links to the real one, with one file of them exchanged.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import struct
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.machine.harness import Done, Vmpod, eventually, kill, processes
from tests.machine.manifests import container, pod, text
from tests.machine.pods import Pods

mounting = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")

TRUE = text(pod("broken", container("main", "true")))


@pytest.fixture
def broken(vmpod: Vmpod, tmp_path: Path) -> Iterator[Vmpod]:
    """The command with a guest image of its own, which a test may break."""
    home = Path(f"/tmp/vb{os.getpid()}")
    guests, own = (vmpod.home / "data/guests").resolve(), home / "data/guests"
    (own / "images").mkdir(parents=True)
    (own / "recipes").mkdir()
    for image in (guests / "images").glob("[0-9a-f]*"):
        (own / "images" / image.name).mkdir()
        for file in image.iterdir():
            (own / "images" / image.name / file.name).symlink_to(file)
    for link in (guests / "recipes").iterdir():
        (own / "recipes" / link.name).symlink_to(link.readlink())
    (home / "data/images").symlink_to(vmpod.home / "data/images")
    try:
        yield replace(vmpod, home=home, environment={"VMPOD_TEMPLATE": "0"})
    finally:
        shutil.rmtree(home)


def exchange(vmpod: Vmpod, name: str, change: Callable[[bytes], bytes]) -> None:
    """Replace a file of every guest image."""
    for path in (vmpod.home / "data/guests/images").glob(f"*/{name}"):
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(change(content))


def fails(vmpod: Vmpod, code: str, *options: str, manifest: str = TRUE) -> Done:
    """Run a pod that cannot start: exit 125, the code, the log's place; nothing of it may be left."""
    done = vmpod("run", *options, "-", input=manifest, status=125)
    assert f"[{code}]" in done.errors
    assert vmpod.leftovers() == []
    return done


def kept(vmpod: Vmpod, done: Done) -> str:
    """The log that an error names, which has outlived the pod."""
    path = vmpod.home / "state/failures/broken.log"
    assert str(path) in done.errors
    return path.read_text()


def looping_kernel(kernel: bytes) -> bytes:
    """The kernel with `cli; hlt; jmp -3` where QEMU enters it: the 32-bit entry of its PVH note."""
    (entry,) = struct.unpack_from("<I", kernel, _pvh_note(kernel))
    (offset,) = struct.unpack_from("<Q", kernel, 32)
    (count,) = struct.unpack_from("<H", kernel, 56)
    for number in range(count):
        kind, _, start, _, physical, size = struct.unpack_from("<IIQQQQ", kernel, offset + 56 * number)
        if kind == 1 and physical <= entry < physical + size:
            place = start + entry - physical
            return kernel[:place] + b"\xfa\xf4\xeb\xfc" + kernel[place + 4 :]
    raise AssertionError("no segment holds the entry")


def _pvh_note(kernel: bytes) -> int:
    """Where the value of XEN_ELFNOTE_PHYS32_ENTRY (18) is: after the sizes of name and value, type, name."""
    for size in (4, 8):
        head = struct.pack("<III", 4, size, 18) + b"Xen\0"
        if (found := kernel.find(head)) >= 0:
            return found + len(head)
    raise AssertionError("the kernel has no PVH note")


def test_a_kernel_that_never_says_a_word(broken: Vmpod) -> None:
    """The time that it is given is the user's to set."""
    exchange(broken, "kernel", looping_kernel)
    done = fails(broken, "boot-timeout", "--boot-timeout", "3s")
    assert "booting the guest: the guest's kernel has not said a word" in done.errors
    assert "in 3 s" in done.errors
    assert "the console log is empty" in done.errors


def test_a_kernel_that_panics(broken: Vmpod) -> None:
    """Without an init in the initrd it looks for a root file system that is not there."""
    exchange(broken, "initrd", lambda _: b"")
    initrds = broken.home / "data/guests/initrds"
    shutil.rmtree(initrds, ignore_errors=True)
    done = fails(broken, "guest-panic")
    assert "booting the guest: the guest's kernel panicked: " in done.errors
    assert "  | " in done.errors
    assert "Kernel panic - not syncing" in kept(broken, done)


def test_an_initrd_that_finds_no_root(broken: Vmpod) -> None:
    """The root disk holds no file system."""
    exchange(broken, "root", lambda content: bytes(len(content)))
    done = fails(broken, "guest-init")
    assert "booting the guest: the guest's initrd failed: cannot mount /dev/vda on /disk" in done.errors
    assert "vmpod-init: FAILED" in kept(broken, done)


def test_a_qemu_that_is_killed(vmpod: Vmpod, pods: Pods) -> None:
    """By whom, if it was told politely."""
    with vmpod.started("run", "--no-template", str(_file(vmpod, pods))) as running:
        running.until_error(b"Booting the guest ...")
        eventually(lambda: processes(str(vmpod.home)), "QEMU to appear")
        ((pid, _),) = processes(str(vmpod.home))
        os.kill(pid, signal.SIGTERM)
        done = running.end()
    assert done.status == 125
    assert f"QEMU ended: terminating on signal 15 from pid {os.getpid()}" in done.errors
    assert "[qemu-ended]" in done.errors
    assert vmpod.leftovers() == []


def _file(vmpod: Vmpod, pods: Pods) -> Path:
    path = vmpod.home / "killed.yaml"
    path.write_text(pods.expect(pod("killed", container("main", "true"))))
    return path


@mounting
def test_programs_that_are_not_installed(vmpod: Vmpod, tmp_path: Path) -> None:
    """Their directories are hidden from the command; the name of the package is told."""
    hide = 'mount --bind "$0" /usr/bin && exec "$@"'
    python = str(Path(vmpod.python).resolve())
    (tmp_path / "python3").symlink_to(python)
    shutil.copy(python, tmp_path / Path(python).name)
    bare = replace(vmpod, prefix=("unshare", "-m", "/bin/sh", "-c", hide, str(tmp_path)))
    done = fails(bare, "missing-program")
    assert "'qemu-system-x86_64' is not installed" in done.errors
    assert "apt-get install qemu-system-x86" in done.errors


def test_a_machine_that_is_too_large(vmpod: Vmpod) -> None:
    """Found before a byte is written."""
    large = container("main", "true", resources={"limits": {"memory": "4Ti"}})
    done = fails(vmpod, "host-memory", manifest=text(pod("broken", large)))
    assert "Making disks" not in done.errors


@mounting
def test_a_host_disk_that_is_full(broken: Vmpod, tmp_path: Path) -> None:
    """As the only words, or as JSON."""
    state = broken.home / "state"
    state.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", state], check=True)
    try:
        done = fails(broken, "disk-full")
        assert "df -h" in done.errors
        told = replace(broken, environment={"VMPOD_ERRORS": "json"})("run", "-q", "-", input=TRUE, status=125)
        assert json.loads(told.errors.splitlines()[-1])["code"] == "disk-full"
    finally:
        subprocess.run(["umount", state], check=True)


def test_a_full_volume_is_the_programs_affair(vmpod: Vmpod, pods: Pods) -> None:
    """It is told, and the pod lives on."""
    script = "dd if=/dev/zero of=/v/x bs=64k count=100 2>&1; rm /v/x; echo lives > /v/y; cat /v/y"
    volume = {"name": "v", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}
    mounts = [{"name": "v", "mountPath": "/v"}]
    done = pods.run(pod("narrow", container("main", script, volumeMounts=mounts), volumes=[volume]))
    assert "No space left on device" in done.text
    assert done.lines[-1] == "main | lives"


@mounting
def test_a_host_disk_that_fills_up_under_a_running_pod(broken: Vmpod) -> None:
    """A program that flushes is told, the machine runs on, and it works again once there is room."""
    state = broken.home / "state"
    state.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", state], check=True)
    mounts = [{"name": "v", "mountPath": "/v"}]
    manifest = pod("filler", container("main", "sleep 3600", volumeMounts=mounts), volumes=[{"name": "v"}])
    pods = Pods(broken)
    try:
        name = pods.start(manifest)
        fill = state / "fill"
        fill_up(fill)
        write = "dd if=/dev/zero of=/v/x bs=64k count=64 conv=fsync 2>&1; echo status $?"
        told = broken.exec(name, "sh", "-c", write).text
        assert "error" in told
        assert told.endswith("status 1\n")
        assert broken.pod(name)["status"]["phase"] == "Running"
        fill.unlink()
        assert broken.exec(name, "sh", "-c", f"rm /v/x; {write}").text.endswith("status 0\n")
        # Full again: to be rid of the pod must not need room.
        fill_up(fill)
        broken("rm", "--force", name)
        assert broken.leftovers() == []
    finally:
        for pid, _ in processes(str(broken.home)):
            kill(pid)
        subprocess.run(["umount", state], check=True)


@mounting
def test_a_host_disk_that_fills_up_while_a_pod_is_kept(vmpod: Vmpod, broken: Vmpod) -> None:
    """It runs on. While there is no room it cannot be resumed, and can when there is."""
    home, small = broken.home, broken.home / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", small], check=True)
    bound = [home / each for each in ("state", "run", "data/snapshots")]
    for each in bound:
        (small / each.name).mkdir(mode=0o700)
        each.mkdir(mode=0o700)
        subprocess.run(["mount", "--bind", small / each.name, each], check=True)
    (home / "data/templates").symlink_to((vmpod.home / "data/templates").resolve())
    full = replace(broken, environment={})
    pods = Pods(full)
    try:
        name = pods.start(pod("kept", container("main", "sleep 3600")))
        image = ("ssh", name, "--", "echo 3 > /proc/sys/vm/drop_caches; md5sum /dev/vdc")
        before = full(*image).out
        for _ in range(3):
            assert "[disk-full]" in full("snapshot", name, "s", status=125).errors
            assert not list((small / "snapshots").iterdir())
            assert full.pod(name)["status"].get("reason") is None
            assert full.exec(name, "echo", "lives").text == "lives\n"
            assert full(*image).out == before
        full("pause", name)
        fill = small / "fill"
        fill_up(fill)
        assert "[disk-full]" in full("resume", name, status=125).errors
        assert full.pod(name)["status"]["reason"] == "Paused"
        fill.unlink()
        full("resume", name)
        assert full.exec(name, "echo", "lives").text == "lives\n"
        full("rm", "--force", name)
    finally:
        for pid, _ in processes(str(home)):
            kill(pid)
        subprocess.run(["umount", "--lazy", *bound, small], check=True)


def fill_up(path: Path) -> None:
    """Write to a file until its file system is full."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT)
    with contextlib.suppress(OSError):
        while True:
            os.write(fd, bytes(1 << 16))
    os.close(fd)
