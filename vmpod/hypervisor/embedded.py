"""libvirt's embedded driver: a QEMU driver inside this process, with no libvirtd anywhere.

Its state is one directory, the root. The machine outlives the process, and whoever opens the root next
finds it again; only one process may have a root open at a time, so every pod has a root of its own, and
the pod's lock guards it. Source: libvirt, "QEMU driver embedded mode".
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from urllib.parse import quote

import libvirt

from vmpod.errors import HostError
from vmpod.hypervisor import libvirt_errors

_ROOM = 256 * 1024  # bytes, several times the description of a machine
_MAX_SOCKET_PATH = 107  # sun_path of unix(7), without its NUL

# As the user who runs the command: hostPath volumes then show the user's files as they are, and no file
# has to change hands. The machine is confined by KVM and QEMU's seccomp filter.
_SETTINGS = """\
user = "+{user}"
group = "+{group}"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
namespaces = []
cgroup_controllers = []
seccomp_sandbox = 1
stdio_handler = "file"
"""


def prepare_root(root: Path, cache: Path) -> str:
    """Make a root directory for one pod and return the URI that opens it.

    cache: shared by all roots, for what libvirt learns about QEMU by asking it for seconds.
    Raises HostError if paths below the root would be too long for sockets, OSError without room there.
    """
    # libvirt takes at most 20 characters of the machine's name.
    check_socket_path(root / "lib/qemu/domain-1-vmpod-0123456789abcd/monitor.sock")
    (root / "etc").mkdir(parents=True, exist_ok=True)
    _check_room(root)
    settings = _SETTINGS.format(user=os.geteuid(), group=os.getegid())
    (root / "etc/qemu.conf").write_text(settings)
    cache.mkdir(parents=True, exist_ok=True)
    if not (root / "cache").is_symlink():
        (root / "cache").symlink_to(cache)
    return f"qemu:///embed?root={quote(str(root))}"


def _check_room(root: Path) -> None:
    """Raise OSError if libvirt could not write there.

    When it finds a machine again it writes down its state, and ends the machine if it cannot.
    """
    path = root / "room"
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(fd, 0, _ROOM)
    except OSError as error:
        error.filename = str(root)
        raise
    finally:
        os.close(fd)
        path.unlink()


def check_socket_path(path: Path) -> None:
    """Raise HostError if a socket cannot have that path."""
    if len(os.fsencode(path)) > _MAX_SOCKET_PATH:
        raise HostError(
            f"{path} is too long for a socket: {_MAX_SOCKET_PATH} bytes are the limit",
            hint="set VMPOD_HOME or XDG_RUNTIME_DIR to a directory with a shorter path",
        )


def start_event_loop() -> None:
    """Serve libvirt's events in a thread: the embedded driver lives in this process and needs them."""
    if _Loop.thread is None:
        libvirt_errors.silence()
        libvirt.virEventRegisterDefaultImpl()
        _Loop.thread = threading.Thread(target=_serve, name="libvirt-events", daemon=True)
        _Loop.thread.start()


class _Loop:
    thread: threading.Thread | None = None


def _serve() -> None:
    while True:
        libvirt.virEventRunDefaultImpl()
