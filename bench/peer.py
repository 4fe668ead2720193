"""podman as a peer: the same image and manifest on the same host, without a machine around the containers.

Its storage is a directory of its own. Its containers have no network, so that no bridge stays behind on the
host; it is quicker that way. The pod's infrastructure container has the same busybox, as the usual image has
to be built or pulled.

podman's crun refuses hybrid cgroups (the newer hierarchy mounted at `unified`, beside the older ones). There,
podman runs in a mount namespace in which that mount is gone. Entering it takes a millisecond.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench import common
from tests.images import busybox_archive

_UNIFIED = Path("/sys/fs/cgroup/unified")
_INFRASTRUCTURE = "localhost/vmpod-bench-infrastructure:latest"
# Its own limits are more than some hosts allow to root.
_CONF = f"""\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
netns = "none"
[engine]
cgroup_manager = "cgroupfs"
infra_image = "{_INFRASTRUCTURE}"
"""
_POLL = 0.0005


class Podman:
    """podman with the image in its store. See podman()."""

    def __init__(self, words: list[str], directory: Path) -> None:
        self._words = words
        self._directory = directory

    @contextmanager
    def running(self, command: list[str]) -> Iterator[list[str]]:
        """A container that runs a command: the words that run further commands in it."""
        name = f"bench-{os.getpid()}"
        self.run("run", "--detach", "--name", name, common.IMAGE, *command)
        try:
            yield [*self._words, "exec", name]
        finally:
            self.run("rm", "--force", "--time=0", name)

    def first_byte(self, manifest: Path, name: str) -> float:
        """Seconds from the start of `podman kube play` to the first byte of output in the container's log."""
        return self._played(manifest, name)[0]

    def started(self, manifest: Path, name: str) -> float:
        """Seconds that `podman kube play` takes."""
        return self._played(manifest, name)[1]

    def _played(self, manifest: Path, name: str) -> tuple[float, float]:
        log = self._directory / "log"
        log.unlink(missing_ok=True)
        options = ["--network=none", "--log-driver=k8s-file", f"--log-opt=path={log}"]
        argv = [*self._words, "kube", "play", *options, str(manifest)]
        begin = time.monotonic()
        first = ended = 0.0
        with subprocess.Popen(argv, stdout=subprocess.DEVNULL) as command:
            while not (first and ended):
                now = time.monotonic()
                if not first and log.exists() and log.stat().st_size:
                    first = now
                if not ended and command.poll() is not None:
                    ended = now
                if now > begin + 60 or (ended and command.returncode):
                    sys.exit(f"podman kube play failed with {command.returncode}")
                time.sleep(_POLL)
        self.run("pod", "rm", "--force", "--time=0", name)
        return first - begin, ended - begin

    def run(self, *words: str) -> None:
        """Run a command of podman's. Raises CalledProcessError, OSError."""
        subprocess.run([*self._words, *words], check=True, capture_output=True, text=True)


@contextmanager
def podman(archive: Path) -> Iterator[Podman | None]:
    """podman, with the image of an archive; None where it runs no container, the reason told on stderr."""
    with ExitStack() as stack:
        try:
            found = _open(stack, archive)
            found.run("run", "--rm", common.IMAGE, "true")
        except (OSError, subprocess.CalledProcessError) as error:
            told = error.stderr if isinstance(error, subprocess.CalledProcessError) else str(error)
            print(f"without podman, which does not run here: {str(told).strip()}", file=sys.stderr)
            yield None
            return
        yield found


def _open(stack: ExitStack, archive: Path) -> Podman:
    # It may leave mounts there, which go with the host's next start.
    directory = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
    (directory / "conf").write_text(_CONF)
    words = ["env", f"CONTAINERS_CONF={directory}/conf", "podman"]
    words += ["--root", f"{directory}/root", "--runroot", f"{directory}/run", "--cgroup-manager=cgroupfs"]
    if _UNIFIED.is_mount():
        words = [*stack.enter_context(_without_unified()), *words]
    found = Podman(words, directory)
    found.run("pull", f"oci-archive:{archive}")
    settings = {"Cmd": ["sleep", "1000000"]}
    infrastructure = busybox_archive(directory / "infrastructure.tar", _INFRASTRUCTURE, settings)
    found.run("pull", f"oci-archive:{infrastructure}")
    return found


@contextmanager
def _without_unified() -> Iterator[list[str]]:
    """The words that run a command where the newer hierarchy of cgroups is out of sight. Raises OSError."""
    script = f"umount {_UNIFIED} && echo ready && exec cat"
    argv = ["unshare", "--mount", "sh", "-c", script]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        if not holder.stdout.readline():
            raise OSError(f"{_UNIFIED} cannot be hidden from podman: that takes root")
        yield ["nsenter", f"--target={holder.pid}", "--mount", "--"]
        holder.stdin.close()
