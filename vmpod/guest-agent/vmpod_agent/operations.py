"""The steps that make the machine ready for its containers, as objects that can be listed and run.

`prepare.py` decides which; a test reads them; the agent executes them in order and reports the one that
failed by its description.
"""

from __future__ import annotations

import errno
import os

from vmpod_agent import network, syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Operation(Protocol):
        def describe(self) -> str:
            """The step in a few words, for the console and for errors."""

        def execute(self) -> None:
            """Do it. Raises OSError."""


class Mount:
    """Mount a filesystem, making its directory."""

    def __init__(self, source: str, target: str, kind: str, *, flags: int = 0, options: str = "") -> None:
        self.source, self.target, self.kind = source, target, kind
        self.flags, self.options = flags, options

    def describe(self) -> str:
        return f"mount {self.kind} {self.source} on {self.target}"

    def execute(self) -> None:
        os.makedirs(self.target, exist_ok=True)
        syscalls.mount(self.source, self.target, self.kind, flags=self.flags, options=self.options)


class Skeleton:
    """Make the files and directories on which something is mounted in each container.

    They lie below the container's image: what that has not is there then, and need not be made in the
    container's layer on the scratch disk, which takes an emulated guest milliseconds each.
    """

    def __init__(self, path: str) -> None:
        self.path = path

    def describe(self) -> str:
        return f"make {self.path}"

    def execute(self) -> None:
        for name in ("proc", "dev", "sys", "etc"):
            os.makedirs(f"{self.path}/{name}")
        for name in ("hosts", "hostname", "resolv.conf"):
            os.close(os.open(f"{self.path}/etc/{name}", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))


class Writable:
    """Let what is mounted read-only be written to."""

    def __init__(self, target: str, flags: int) -> None:
        self.target, self.flags = target, flags

    def describe(self) -> str:
        return f"make {self.target} writable"

    def execute(self) -> None:
        syscalls.mount("none", self.target, "", flags=self.flags | syscalls.MS_REMOUNT)


class Unmount:
    """Unmount a filesystem."""

    def __init__(self, target: str) -> None:
        self.target = target

    def describe(self) -> str:
        return f"unmount {self.target}"

    def execute(self) -> None:
        syscalls.unmount(self.target)


class Partition:
    """Make a part of a disk a block device of its own: DISK and the number, as in /dev/vdc1."""

    def __init__(self, disk: str, number: int, start: int, length: int) -> None:
        self.disk, self.number, self.start, self.length = disk, number, start, length

    def describe(self) -> str:
        return f"make partition {self.number} of {self.disk}: {self.length} bytes at {self.start}"

    def execute(self) -> None:
        syscalls.add_partition(self.disk, self.number, self.start, self.length)


class Attached:
    """Mount the file system of a disk that was attached. target: its place on the bus.

    block: it has none, and the path is to be a link to the device.
    """

    def __init__(self, target: int, serial: str, path: str, *, read_only: bool, block: bool) -> None:
        self.target, self.serial, self.path = target, serial, path
        self.read_only, self.block = read_only, block

    def describe(self) -> str:
        return f"{'find' if self.block else 'mount'} the disk {self.serial}"

    def execute(self) -> None:
        from vmpod_agent import attached  # noqa: PLC0415 - few pods have such disks

        if self.block:
            attached.link_claim(self.target, self.serial, self.path)
        else:
            attached.mount_claim(self.target, self.serial, self.path, read_only=self.read_only)


class Directory:
    """Make a directory with exactly that mode. group: who else may write, and owns what is new; or -1."""

    def __init__(self, path: str, mode: int, group: int = -1) -> None:
        self.path, self.group = path, group
        self.mode = mode if group < 0 else mode | 0o2770

    def describe(self) -> str:
        return f"make directory {self.path} with mode {self.mode:o}"

    def execute(self) -> None:
        os.makedirs(self.path, exist_ok=True)
        if self.group >= 0:
            os.chown(self.path, -1, self.group)
        os.chmod(self.path, self.mode)


class WriteFile:
    """Write a small file with exactly that mode, making its directory.

    group: who else may read it; or -1. user: whose it is.
    """

    def __init__(
        self, path: str, content: bytes, mode: int = 0o644, *, group: int = -1, user: int = 0
    ) -> None:
        self.path, self.content, self.group, self.user = path, content, group, user
        self.mode = mode if group < 0 else mode | 0o440

    def describe(self) -> str:
        return f"write {self.path}"

    def execute(self) -> None:
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            done = 0
            while done < len(self.content):
                done += os.write(fd, self.content[done:])
            if self.group >= 0 or self.user:
                os.fchown(fd, self.user or -1, self.group)
            os.fchmod(fd, self.mode)
        finally:
            os.close(fd)


class WriteFiles:
    """Write the files of a volume, in a way that lets them be exchanged later; see filevolume."""

    def __init__(self, path: str, files: list[tuple[str, bytes, int, int]], group: int) -> None:
        self.path, self.files, self.group = path, files, group

    def describe(self) -> str:
        return f"write the files of {self.path}"

    def execute(self) -> None:
        from vmpod_agent.filevolume import FileVolume  # noqa: PLC0415 - it imports this module

        FileVolume(self.path, self.group).write(self.files)


class HugePages:
    """Set memory aside as huge pages, of 2 MiB, which is what an x86 kernel has by default."""

    _SIZE = 2 << 20
    _FILE = "/proc/sys/vm/nr_hugepages"

    def __init__(self, size: int) -> None:
        self.count = size // self._SIZE

    def describe(self) -> str:
        return f"set {self.count} huge pages aside"

    def execute(self) -> None:
        with open(self._FILE, "w") as file:
            file.write(str(self.count))
        # The kernel takes what it can get, and says nothing.
        with open(self._FILE) as file:
            if (there := int(file.read())) < self.count:
                raise OSError(errno.ENOMEM, f"there is unbroken memory for {there} alone")


class Hostname:
    """Set the machine's host name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def describe(self) -> str:
        return f"set the host name {self.name}"

    def execute(self) -> None:
        syscalls.set_host_name(self.name)


class KernelSetting:
    """Write a file of /proc/sys or /sys."""

    def __init__(self, name: str, value: str) -> None:
        self.name, self.value = name, value

    def describe(self) -> str:
        return f"set {self.name} to {self.value}"

    def execute(self) -> None:
        syscalls.write_setting(self.name, self.value)


class Interface:
    """Bring a network interface up, with a static address and default route where one is given."""

    def __init__(self, name: str, address: str, prefix: int, gateway: str) -> None:
        self.name, self.address, self.prefix, self.gateway = name, address, prefix, gateway

    def describe(self) -> str:
        return f"configure {self.name} with {self.address}/{self.prefix}"

    def execute(self) -> None:
        network.set_address(self.name, self.address, self.prefix)
        if self.gateway:
            network.add_default_route(self.gateway)


class Interface6:
    """Give an interface that is up a static IPv6 address and default route."""

    def __init__(self, name: str, address: str, prefix: int, gateway: str) -> None:
        self.name, self.address, self.prefix, self.gateway = name, address, prefix, gateway

    def describe(self) -> str:
        return f"configure {self.name} with {self.address}/{self.prefix}"

    def execute(self) -> None:
        network.set_address6(self.name, self.address, self.prefix, self.gateway)
