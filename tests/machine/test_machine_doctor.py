"""`vmpod doctor` on hosts that lack something, each arranged for real: namespaces with another /dev or /proc,
another user, half a libvirt, a full disk."""

from __future__ import annotations

import json
import os
import pwd
import resource
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests import schemas
from tests.machine.harness import Done, Json, Vmpod, processes
from tests.machine.manifests import container, pod, text
from tests.machine.test_machine_user import readable

POD = text(pod("no", container("m", "true") | {"image": "localhost/none"}))
NOBODY = 65534
QEMU = "qemu-system-x86_64"

# Puts another /dev, made in the directory $0, in the place of this one: with what programs need, and what
# the script $1 makes.
_DEV = """
mount -t tmpfs -o mode=755 dev "$0"
for name in null zero full random urandom tty; do
    : >"$0/$name"
    mount --bind "/dev/$name" "$0/$name"
done
eval "$1"
mount --rbind "$0" /dev
shift
exec "$@"
"""
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="takes root")


@pytest.fixture
def auto(vmpod: Vmpod) -> Iterator[Vmpod]:
    """The command, free to choose its accelerator, with a home that knows nothing and that all may enter."""
    with tempfile.TemporaryDirectory(prefix="vd", dir="/tmp") as name:
        home = Path(name)
        home.chmod(0o755)
        (home / "data").mkdir()
        (home / "data/guests").symlink_to(vmpod.home / "data/guests")
        yield Vmpod(home, environment={"VMPOD_ACCEL": ""})
        assert [line for _, line in processes(name)] == []


def diagnosed(vmpod: Vmpod, *options: str, status: int | None = 1) -> dict[str, Json]:
    """The findings, by the name of the check."""
    done = vmpod("doctor", "-o", "json", *options, status=status)
    assert done.errors == ""
    found = json.loads(done.out)
    schemas.check(found)
    return {each["name"]: each for each in found["checks"]}


def refused(vmpod: Vmpod, code: str, *options: str) -> Done:
    """A run that fails before any machine, soon, with the error of that code."""
    begin = time.monotonic()
    done = vmpod("run", *options, "-", input=POD, status=125)
    assert f"[{code}]" in done.errors
    assert "Traceback" not in done.errors
    assert time.monotonic() - begin < 30
    return done


def mounting(vmpod: Vmpod, script: str, *words: str) -> Vmpod:
    """The command in a mount namespace of its own, after a script there, whose $0 and so on are the words."""
    user = () if os.geteuid() == 0 else ("--map-root-user",)
    return vmpod.behind("unshare", *user, "--mount", "/bin/sh", "-euc", script, *words)


def with_dev(vmpod: Vmpod, kvm: str = ":") -> Vmpod:
    """The command with a /dev of its own. kvm: makes "$0/kvm"."""
    place = vmpod.home / "dev"
    place.mkdir()
    return mounting(vmpod, _DEV, str(place), kvm)


def with_qemu(vmpod: Vmpod, script: str) -> Vmpod:
    """The command with another QEMU. script: of bash, has the real one as $real."""
    program = vmpod.home / "bin" / QEMU
    program.parent.mkdir()
    program.write_text(f"#!/bin/bash\nreal={shutil.which(QEMU)}\n{script}\n")
    program.chmod(0o755)
    path = f"{program.parent}:{os.environ['PATH']}"
    return replace(vmpod, environment={**vmpod.environment, "PATH": path})


def kvm_here(vmpod: Vmpod) -> Json:
    """What is found of this host's own KVM."""
    done = vmpod("doctor", "-o", "json", status=None)
    return next(each for each in json.loads(done.out)["checks"] if each["name"] == "kvm")


# KVM. Together these three take less than ten seconds.


@pytest.mark.skipif(
    "libvirt-qemu" not in {each.pw_name for each in pwd.getpwall()},
    reason="libvirt wants that user where it runs as root, as in a user namespace",
)
def test_kvm_that_is_absent(auto: Vmpod) -> None:
    bare = with_dev(auto)
    found = diagnosed(bare)["kvm"]
    assert (found["state"], found["impact"]) == ("missing", "degraded")
    assert found["evidence"] == "/dev/kvm does not exist"
    assert found["mend"]
    assert diagnosed(bare, "--accel", "kvm", status=2)["kvm"]["impact"] == "fatal"
    assert "KVM cannot be used: /dev/kvm does not exist" in refused(bare, "no-kvm", "--accel", "kvm").errors


@root_only
def test_kvm_that_is_denied(auto: Vmpod) -> None:
    """To an ordinary user, as root's alone."""
    home = auto.home / "home"
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)
    own = {"VMPOD_HOME": str(home), "HOME": str(home), "USER": "nobody"}
    user = replace(readable(auto.home), prefix=(), environment={**auto.environment, **own})
    there = with_dev(replace(user, home=auto.home), 'mknod -m 600 "$0/kvm" c 10 232')
    denied = there.behind("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--")
    # Whether it could build a guest image is another matter.
    found = diagnosed(denied, status=None)["kvm"]
    assert (found["state"], found["impact"]) == ("denied", "degraded")
    assert found["evidence"] == "/dev/kvm may not be opened by this user"
    assert found["mend"][0] == "sudo sh -c 'chgrp kvm /dev/kvm && chmod 660 /dev/kvm'"
    assert found["mend"][1].startswith("sudo usermod --append --groups kvm ")
    assert "/dev/kvm may not be opened by this user" in refused(denied, "no-kvm", "--accel", "kvm").errors


def lying(vmpod: Vmpod) -> Vmpod:
    """The command where KVM opens and runs no guest: this host's own, or else through a QEMU that aborts."""
    state = kvm_here(vmpod)["state"]
    if state in {"missing", "denied"}:
        pytest.skip("this host has no KVM that opens, and nothing stands in for its device")
    if state == "unusable":
        return vmpod
    return with_qemu(vmpod, '[[ " $* " != *" -accel kvm "* ]] || kill -ABRT $$; exec "$real" "$@"')


def test_kvm_that_lies(auto: Vmpod) -> None:
    """It is found out within seconds, and then known within half a second, by runs as well."""
    liar = lying(auto)
    found = diagnosed(liar, "--fresh")["kvm"]
    assert (found["state"], found["impact"]) == ("unusable", "degraded")
    assert "/dev/kvm opens, but runs no guest: QEMU ended" in found["evidence"]
    assert "known from before" not in found["evidence"]
    assert "known from before" in diagnosed(liar)["kvm"]["evidence"]
    # Of processor time: other programs, which may be many, do not make that longer.
    assert min(taken(liar) for _ in range(3)) < 0.5
    done = refused(liar, "no-kvm", "--accel", "kvm")
    assert "KVM cannot be used: /dev/kvm opens, but runs no guest: QEMU ended" in done.errors
    assert "Trying KVM" not in done.errors
    told = refused(liar, "image").errors
    assert "software emulation, many times slower than KVM: /dev/kvm opens, but runs no guest" in told
    assert "accelerator: tcg" in liar("plan", "-", input=POD).text


def taken(vmpod: Vmpod) -> float:
    """Seconds that all processes of a `vmpod doctor` compute."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    vmpod("doctor", status=1)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def test_kvm_that_hangs(auto: Vmpod) -> None:
    """QEMU computes, and its guest never gets past the firmware, as here with a plainer processor."""
    kvm = kvm_here(auto)
    if kvm["state"] != "unusable":
        pytest.skip("takes a KVM that opens and runs no guest")
    hanging = with_qemu(auto, 'exec "$real" "${@/#host/qemu64}"')
    begin = time.monotonic()
    done = refused(hanging, "no-kvm", "--accel", "kvm")
    assert time.monotonic() - begin < 20
    assert "runs no guest: it said not a word" in done.errors


def test_kvm_that_runs_guests(auto: Vmpod) -> None:
    if kvm_here(auto)["state"] not in {"ok", "degraded"}:
        pytest.skip("takes a KVM that runs guests")
    assert "ran a guest in" in kvm_here(auto)["evidence"]
    assert "accelerator: kvm" in auto("plan", "-", input=POD).text


# What else may be broken.


@root_only
def test_half_a_libvirt(auto: Vmpod) -> None:
    """Its driver is not installed; or not the user that root's driver wants. Runs are told the same."""
    (drivers,) = Path("/usr/lib").glob("*/libvirt/connection-driver")
    empty = auto.home / "empty"
    empty.mkdir()
    bare = mounting(auto, 'mount --bind "$0" "$1"; shift; exec "$@"', str(empty), str(drivers))
    found = diagnosed(bare, status=2)["libvirt"]
    assert (found["state"], found["impact"]) == ("missing", "fatal")
    assert "libvirt's QEMU driver is not installed" in found["evidence"]
    assert "libvirt-daemon" in found["mend"][0]

    users = auto.home / "passwd"
    lines = Path("/etc/passwd").read_text().splitlines(keepends=True)
    users.write_text("".join(line for line in lines if not line.startswith("libvirt-qemu:")))
    alone = mounting(auto, 'mount --bind "$0" /etc/passwd; exec "$@"', str(users))
    found = diagnosed(alone, status=2)["libvirt"]
    assert (found["state"], found["impact"]) == ("unusable", "fatal")
    assert found["evidence"] == "libvirt wants the system user libvirt-qemu to exist, and it does not"
    assert found["mend"][0].startswith("useradd --system")


def test_a_qemu_that_hangs(auto: Vmpod) -> None:
    """It is killed, with what it has started, and the other checks are made."""
    sleeper = auto.home / "sleeper"
    shutil.copy("/bin/sleep", sleeper)
    hanging = with_qemu(auto, f'[[ $1 != --version ]] || {{ {sleeper} 1000 & wait; }}; exec "$real" "$@"')
    begin = time.monotonic()
    found = diagnosed(hanging, "--accel", "tcg", status=2)
    assert time.monotonic() - begin < 60
    assert (found["qemu"]["state"], found["network"]["state"]) == ("unusable", "ok")
    assert "no end after 10 seconds" in found["qemu"]["evidence"]
    assert found["clock"]["state"] == "ok"


def test_a_host_without_proc(auto: Vmpod) -> None:
    found = diagnosed(mounting(auto, 'mount -t tmpfs none /proc; exec "$0" "$@"'), status=2)
    assert found["cpu"]["evidence"] == "/proc/cpuinfo cannot be read: No such file or directory"
    assert found["memory"]["state"] == found["libvirt"]["state"] == "unusable"


def test_a_full_disk(auto: Vmpod) -> None:
    place = auto.home / "full"
    place.mkdir()
    fill = 'mount -t tmpfs -o size=1m none "$0"; head -c 2m /dev/zero 2>/dev/null >"$0/x" || :; exec "$@"'
    full = replace(
        mounting(auto, fill, str(place)), environment={**auto.environment, "VMPOD_HOME": f"{place}/h"}
    )
    found = diagnosed(full, status=2)
    assert (found["disk"]["state"], found["disk"]["impact"]) == ("unusable", "fatal")
    assert "0 MiB of free space" in found["disk"]["evidence"]
    assert "df -h" in found["disk"]["mend"]
    assert "No space left on device" in found["libvirt"]["evidence"]


def test_what_people_see(auto: Vmpod) -> None:
    """A line for each check, lines that mend, and a verdict at the end."""
    done = auto("doctor", "--accel", "tcg", "--registry", "localhost:1", status=1)
    lines = done.lines
    assert lines[0].split()[0] == "cpu"
    (at,) = (number for number, line in enumerate(lines) if line.startswith("registry "))
    assert lines[at].split()[1] == "unusable"
    assert "localhost:1 cannot be reached" in lines[at]
    assert lines[at + 1].split()[0] == "mend:"
    verdict, _, mend = lines[-1].partition("; to mend: ")
    assert verdict == "degraded: pods run, but not everything works"
    # A host may have its directory for temporary files in memory.
    assert mend in ("registry", "disk, registry")
