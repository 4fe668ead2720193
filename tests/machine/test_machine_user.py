"""Everything as an ordinary user: no root, no daemon, and nothing of root's is needed."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.images import busybox_archive
from tests.machine.harness import CHECKOUT, Vmpod, eventually, free_port, processes
from tests.machine.manifests import IMAGE, container, mount, pod, text

# What the command imports besides the standard library.
_PACKAGES = ("click", "yaml", "libvirt", "libvirtmod", "libvirt_qemu", "libvirtmod_qemu", "pycdlib")


# Or a template would be made in the background, for longer than a test takes.
_BOOTS = {"VMPOD_TEMPLATE": "0"}


@dataclass(frozen=True)
class User:
    """Somebody without privileges, who has a checkout that can be read. vmpod: the command as run by them."""

    name: str
    uid: int
    home: Path
    vmpod: Vmpod

    def left(self) -> list[str]:
        """What is there of pods."""
        top = [
            self.home / ".local/state/vmpod/pods",
            self.home / "runtime/vmpod",
            Path(f"/tmp/vmpod-{self.uid}"),
        ]
        files = [
            str(path) for each in top for path in each.glob("**/*") if path.is_socket() or path.is_file()
        ]
        return files + [line for _, line in processes(str(self.home))]


@pytest.fixture(scope="module")
def user(vmpod: Vmpod) -> Iterator[User]:
    """A user made for the test if root runs it, else the one who does."""
    with tempfile.TemporaryDirectory(prefix="vu", dir="/tmp") as name:
        top = Path(name)
        top.chmod(0o755)
        home = top / "home"
        if os.geteuid() != 0:
            home.mkdir()
            found = _user(pwd.getpwuid(os.geteuid()).pw_name, home, Vmpod(home))
        else:
            _add_user("vmpodtest", home)
            found = _user("vmpodtest", home, readable(top))
        try:
            _give_images(found, vmpod, top)
            yield found
        finally:
            shutil.rmtree(f"/tmp/vmpod-{found.uid}", ignore_errors=True)
            if os.geteuid() == 0:
                subprocess.run(["userdel", "vmpodtest"], check=True)


def _add_user(name: str, home: Path) -> None:
    """With a range of subordinate ids, as every user of a Debian system has."""
    argv: list[str | Path] = [
        "useradd",
        "--create-home",
        "--home-dir",
        home,
        "--shell",
        "/bin/sh",
        "--user-group",
        name,
    ]
    subprocess.run(argv, check=True)
    assert f"{name}:" in Path("/etc/subuid").read_text()


def readable(top: Path) -> Vmpod:
    """The command from a copy that everybody can read: root's own may be out of reach."""
    checkout = top / "checkout"
    for name in ("vmpod", "images"):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(CHECKOUT / name, checkout / name, symlinks=True, ignore=ignore)
    for name in _PACKAGES:
        spec = find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        if spec.submodule_search_locations:
            shutil.copytree(Path(spec.origin).parent, checkout / name)
        else:
            shutil.copy(spec.origin, checkout)
    python = str(Path(sys.executable).resolve())
    return Vmpod(
        top / "home",
        prefix=("runuser", "-u", "vmpodtest", "--"),
        python=python,
        checkout=checkout,
    )


def _user(name: str, home: Path, vmpod: Vmpod) -> User:
    runtime = home / "runtime"
    runtime.mkdir(mode=0o700)
    own = _BOOTS | {
        "VMPOD_HOME": "",
        "HOME": str(home),
        "USER": name,
        "XDG_RUNTIME_DIR": str(runtime),
    }
    uid = pwd.getpwnam(name).pw_uid
    os.chown(runtime, uid, -1)
    return User(name, uid, home, replace(vmpod, environment=own))


def _give_images(found: User, vmpod: Vmpod, top: Path) -> None:
    """The guest image, which would take a minute to build, and the busybox image."""
    data = found.home / ".local/share/vmpod"
    shutil.copytree(vmpod.home / "data/guests", data / "guests", symlinks=True)
    if os.geteuid() == 0:
        subprocess.run(["chown", "-R", f"{found.name}:", found.home], check=True)
    found.vmpod("image", "load", str(busybox_archive(top / "busybox.tar", IMAGE)))


def test_a_pod_with_a_published_port(user: User) -> None:
    """It answers, its QEMU is the user's, its shares are as the user sees them, and rm leaves nothing."""
    share, file, port = user.home / "share", user.home / "file", free_port()
    serve = "echo in a file > /file; httpd -p 80 -h /share; echo by root > /share/made; "
    serve += "trap 'exit 9' TERM; while :; do sleep 1; done"
    manifest = text(
        pod(
            "hello",
            container("main", serve, volumeMounts=[mount("share", "/share"), mount("file", "/file")]),
            volumes=[
                {"name": "share", "hostPath": {"path": str(share), "type": "DirectoryOrCreate"}},
                {"name": "file", "hostPath": {"path": str(file), "type": "FileOrCreate"}},
            ],
            terminationGracePeriodSeconds=20,
        )
    )
    user.vmpod("run", "-d", "--publish", f"127.0.0.1:{port}:80", "-", input=manifest)
    try:
        eventually((share / "made").exists, "the file that the container writes")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/made", timeout=60) as answer:
            assert answer.read() == b"by root\n"
        assert (share / "made").stat().st_uid == user.uid
        assert (file.read_text(), file.stat().st_uid) == ("in a file\n", user.uid)
        owners = [Path(f"/proc/{pid}").stat().st_uid for pid, _ in processes(str(user.home))]
        assert owners == [user.uid]
        assert user.vmpod("ps", "-q").lines == ["hello"]
        assert user.vmpod("exec", "hello", "--", "id", "-u").out == b"0\n"
        user.vmpod("stop", "hello")
        assert user.vmpod.status("hello", "main")["state"]["terminated"]["exitCode"] == 9
    finally:
        user.vmpod("rm", "--force", "hello")
    assert user.left() == []


def test_a_file_of_another_user(user: User) -> None:
    """It cannot be linked by who may not write to it, and that is told before anything starts."""
    volumes = [{"name": "v", "hostPath": {"path": "/etc/hostname", "type": "File"}}]
    wrong = text(pod("no", container("main", "true"), volumes=volumes))
    told = user.vmpod("run", "-", input=wrong, status=125).errors
    assert "spec.volumes[0].hostPath: /etc/hostname " in told
    assert "second name" in told
    assert user.left() == []


def test_without_a_login_session(user: User) -> None:
    """No XDG_RUNTIME_DIR, as in cron or a build: the exit code comes through all the same."""
    vmpod = replace(user.vmpod, environment={**user.vmpod.environment, "XDG_RUNTIME_DIR": ""})
    done = vmpod("run", "--rm", "-", input=text(pod("hello", container("main", "echo hi; exit 7"))), status=7)
    assert done.out == b"main | hi\n"
    assert Path(f"/tmp/vmpod-{user.uid}").stat().st_mode & 0o777 == 0o700
    assert user.left() == []


def test_a_template_of_its_own(user: User) -> None:
    """Its files belong to the user, and its copies run as the user."""
    cloning = replace(user.vmpod, environment={**user.vmpod.environment, "VMPOD_TEMPLATE": "1"})
    cloning("template", "create")
    cloning("run", "-d", "-", input=text(pod("copied", container("main", "sleep 1000"))))
    try:
        frozen = json.loads((user.home / ".local/state/vmpod/pods/copied/machine.json").read_text())["frozen"]
        assert Path(frozen["memory"]).stat().st_uid == user.uid
        assert cloning.exec("copied", "id", "-u").text == "0\n"
    finally:
        cloning("rm", "--force", "copied")
        cloning("template", "prune", "--all")
