"""A fresh Debian to try a first set-up in: a root directory of its own, as a new machine's would be.

It has what a Vagrant box has: an ordinary user who may become root by sudo, git, and nothing of ours.
Processes in it see no other root and no processes of the host, but use its network; they end with the test.
It has no /dev/kvm: the host's groups mean nothing there.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.machine.harness import CHECKOUT
from vmpod.guestimage.sources import apt_options, source_lines

SUITE = "bookworm"
USER = "vagrant"
WHERE = "/vagrant"
"""Where the checkout is, as in a machine that vagrant makes."""

# Settings of the host without which nothing could be fetched here: how to get out, and whom to trust.
_PASSED = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_OWN_CERTIFICATES = Path("/usr/local/share/ca-certificates")

# Not a chroot: in one, the kernel lets nobody make a user namespace, which the guest image is built in.
_ENTER = r"""
set -eu
root=$1
shift
mount --make-rprivate /
mount --bind "$root" "$root"
cd "$root"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t tmpfs -o mode=755 tmpfs dev
for node in null zero full random urandom tty; do
    : >"dev/$node"
    mount --bind "/dev/$node" "dev/$node"
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=666,mode=620 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mount -t tmpfs -o mode=1777 tmpfs dev/shm
mount -t tmpfs -o mode=755 tmpfs run
cat /etc/resolv.conf >etc/resolv.conf
mkdir -p mnt/host
pivot_root . mnt/host
umount -l mnt/host
# The shell stays, as the process 1 that takes care of orphans: libvirt waits 40 s for one that nobody reaps.
status=0
"$@" || status=$?
exit "$status"
"""


@contextlib.contextmanager
def debian() -> Iterator[Path]:
    """Make the root directory, with the checkout in it as it is now; it is removed afterwards."""
    # Not below pytest's directories: it is a gigabyte, which they would keep.
    with tempfile.TemporaryDirectory(prefix="vmpod-pristine-", dir="/var/tmp") as name:
        root = Path(name) / "root"
        options = [f"--aptopt={line}" for line in apt_options()]
        user = f"chroot $1 useradd --create-home --shell /bin/bash {USER}"
        hosts = "echo 127.0.0.1 localhost $(hostname) >$1/etc/hosts"
        sudo = f"echo '{USER} ALL=(ALL) NOPASSWD: ALL' >$1/etc/sudoers.d/{USER}"
        subprocess.run(
            [
                "mmdebstrap",
                "--quiet",
                "--variant=minbase",
                "--include=sudo,git,ca-certificates",
                *options,
                f"--customize-hook={user}",
                f"--customize-hook={sudo}",
                f"--customize-hook={hosts}",
                SUITE,
                str(root),
                *source_lines(SUITE),
            ],
            check=True,
            stdin=subprocess.DEVNULL,
        )
        _trust(root)
        checkout = root / WHERE.lstrip("/")
        _copy_checkout(checkout)
        owner = root.joinpath("home", USER).stat()
        for path in (checkout, *checkout.rglob("*")):
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
        yield root


def run(
    root: Path, script: str, *, timeout: float, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a script there, as the ordinary user who has logged in. All that it leaves running is killed."""
    passed = {name: os.environ[name] for name in _PASSED if name in os.environ}
    settings = [f"{name}={value}" for name, value in (passed | dict(variables or {})).items()]
    login = ["runuser", "--login", USER, "--command", 'exec env "$@" bash -c "$0"', "--", script, *settings]
    apart = ["unshare", "--mount", "--pid", "--ipc", "--fork", "--kill-child", "sh", "-c", _ENTER, "enter"]
    return subprocess.run(
        [*apart, str(root), *login],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=timeout,
        check=False,
    )


def _trust(root: Path) -> None:
    """Let it believe whom the host believes: a mirror or a proxy may have a certificate of its own."""
    if _OWN_CERTIFICATES.is_dir():
        shutil.copytree(_OWN_CERTIFICATES, root / "usr/local/share/ca-certificates", dirs_exist_ok=True)
        subprocess.run(["chroot", str(root), "update-ca-certificates"], check=True, capture_output=True)


def _copy_checkout(target: Path) -> None:
    """What git knows, and what is new and not ignored, as it is in the working tree."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        check=True,
    ).stdout
    for name in filter(None, listed.decode().split("\0")):
        if os.path.lexists(CHECKOUT / name):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(CHECKOUT / name, target / name, follow_symlinks=False)
