"""The same on libvirtd, where machines are the system's."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import stat
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machine.harness import Vmpod, eventually, free_port, processes
from tests.machine.manifests import IMAGE, container, mount, pod
from tests.machine.pods import Pods
from tests.machine.test_machine_claims import claim, user

URI = "qemu:///system"
_DAEMONS = (("virtlogd", "/run/libvirt/virtlogd-sock"), ("libvirtd", "/run/libvirt/libvirt-sock"))

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can start libvirtd"),
    pytest.mark.skipif(shutil.which("libvirtd") is None, reason="libvirtd is not installed"),
]


@pytest.fixture(scope="module", autouse=True)
def daemons(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemons]:
    """virtlogd and libvirtd: those that run, or our own."""
    found = Daemons(tmp_path_factory.mktemp("daemons"))
    try:
        found.start()
        yield found
    finally:
        found.stop()


class Daemons:
    """What of them we started ourselves."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._started: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start those that do not answer."""
        for name, path in _DAEMONS:
            if not _answers(path):
                argv = [*_with_usable_kvm(self._directory), name]
                with (self._directory / name).open("ab") as log:
                    self._started[name] = subprocess.Popen(
                        argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log
                    )
                eventually(lambda path=path: _answers(path), name)  # type: ignore[misc]

    def kill_libvirtd(self) -> None:
        """With SIGKILL; skips the test if it is the system's own."""
        if "libvirtd" not in self._started:
            pytest.skip("the libvirtd that runs is not ours to kill")
        process = self._started.pop("libvirtd")
        process.kill()
        process.wait()

    def stop(self) -> None:
        for process in reversed(self._started.values()):
            process.terminate()
            process.wait()


def _with_usable_kvm(directory: Path) -> list[str]:
    """What to put before a daemon, so that it finds /dev/kvm as udev makes it, if it is there.

    Where only root may open it, libvirt asks QEMU for all it can do at every start: most of a minute.
    """
    real, other = Path("/dev/kvm"), directory / "kvm"
    if not real.exists() or real.stat().st_mode & 0o066 == 0o066:
        return []
    if not other.exists():
        os.mknod(other, stat.S_IFCHR | 0o666, real.stat().st_rdev)
        other.chmod(0o666)
    script = 'mount --bind "$0" /dev/kvm && exec "$@"'
    return ["unshare", "--mount", "sh", "-c", script, str(other)]


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(path) == 0


def _domains() -> list[str]:
    argv = ["virsh", "--quiet", "--connect", URI, "list", "--all", "--name"]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.split()


def test_disks_that_are_attached(vmpod: Vmpod, pods: Pods) -> None:
    """A claim, before the machine runs; a debugger's image, while it does."""
    try:
        name = pods.start(user("plugged", "system-claim"), claim("system-claim"), options=("--connect", URI))
        vmpod.exec(name, "sh", "-c", "echo kept > /data/file")
        words = ("--image", IMAGE, "--image-pull-policy", "Never", "-q", "--attach", "--target", "main")
        assert vmpod("debug", name, *words, "--", "cat", "/proc/1/root/data/file").text == "kept\n"
        assert not any(each["attached"] for each in vmpod.record(name)["ephemeral"])
        vmpod("rm", "--force", name)
        again = pods.start(user("again", "system-claim"))
        assert vmpod.exec(again, "cat", "/data/file").text == "kept\n"
    finally:
        pods.close()
        vmpod("volume", "rm", "system-claim")


def test_a_pod_on_libvirtd(vmpod: Vmpod, pods: Pods) -> None:
    """It runs, libvirt knows it, all channels work, and it leaves nothing."""
    share, port = vmpod.home / "system-share", free_port()
    share.mkdir(mode=0o777)
    share.chmod(0o777)
    serve = (
        "echo served > /share/page; echo up; httpd -p 80 -h /share; "
        "trap 'exit 3' TERM; while :; do sleep 1; done"
    )
    name = pods.start(
        pod(
            "system",
            container("main", serve, volumeMounts=[mount("share", "/share")]),
            volumes=[{"name": "share", "hostPath": {"path": str(share)}}],
        ),
        options=("--connect", URI, "--publish", f"127.0.0.1:{port}:80"),
    )
    assert _domains() == ["vmpod-system"]
    eventually((share / "page").exists, "the page")

    def page() -> bytes:
        # The container runs before its server listens.
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(f"http://127.0.0.1:{port}/page", timeout=60) as got,
        ):
            return bytes(got.read())
        return b""

    eventually(lambda: page() == b"served\n", "the page over HTTP")
    assert vmpod("exec", "-i", name, "--", "cat", input=b"through").out == b"through"
    assert vmpod("logs", name).text == "up\n"
    vmpod("stop", name)
    assert vmpod.status(name, "main")["state"]["terminated"]["exitCode"] == 3
    eventually(lambda: not _domains(), "libvirt to notice the end")
    vmpod("rm", name)
    assert processes(str(vmpod.home)) == []
    assert vmpod.leftovers() == []


def test_removed_by_force(vmpod: Vmpod, pods: Pods) -> None:
    """Also while it runs."""
    name = pods.start(pod("system", container("main", "sleep 3600")), options=("--connect", URI))
    uid = vmpod.record(name)["uid"]
    vmpod("rm", "--force", name)
    eventually(lambda: not _domains(), "libvirt to notice the end")
    assert processes(uid) == []
    assert not Path(f"/var/run/libvirt/qemu/vmpod-{name}.pid").exists()


def test_libvirtd_dies_while_a_pod_starts(vmpod: Vmpod, pods: Pods, daemons: Daemons) -> None:
    """The pod runs, or the command says what is wrong; it does not hang, and nothing stays for ever."""
    manifest = vmpod.home / "orphan.yaml"
    manifest.write_text(pods.expect(pod("orphan", container("main", "sleep 3600"))))
    with vmpod.started("run", "-d", "--connect", URI, str(manifest)) as running:
        eventually(lambda: processes(str(vmpod.home)), "QEMU to appear")
        daemons.kill_libvirtd()
        done = running.end()
    daemons.start()
    assert done.status == 0 or (done.status == 125 and "could not start the machine" in done.errors), done
    if done.status == 0:
        vmpod("rm", "--force", "orphan")
    assert vmpod.leftovers() == []
    eventually(lambda: not _domains(), "libvirt to notice the end")


def test_pods_end_without_libvirtd(vmpod: Vmpod, pods: Pods, daemons: Daemons) -> None:
    """Stopped or removed by force; when it is back it sees that they are gone."""
    first = pods.start(
        pod("first", container("main", "sleep 3600"), terminationGracePeriodSeconds=1),
        options=("--connect", URI),
    )
    second = pods.start(pod("second", container("main", "sleep 3600")), options=("--connect", URI))
    daemons.kill_libvirtd()
    vmpod("stop", first)
    vmpod("rm", first)
    vmpod("rm", "--force", second)
    assert vmpod.leftovers() == []
    assert (
        "could not open"
        in vmpod(
            "run",
            "-d",
            "--connect",
            URI,
            "-",
            input=pods.expect(pod("third", container("main", "true"))),
            status=125,
        ).errors
    )
    assert vmpod.leftovers() == []
    daemons.start()
    eventually(lambda: not _domains(), "libvirt to notice the end")
