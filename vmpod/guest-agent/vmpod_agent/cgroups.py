"""The containers' control groups: their limits, and the filter of the devices that they may open.

Sources: the kernel's cgroup-v2.rst; for shares and weights, the kubelet (1024 shares a core, at least 2).
"""

from __future__ import annotations

import errno
import os

from vmpod_agent import devices, layout, syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from vmpod_agent.devices import Disk

_CONTROLLERS = "+cpu +io +memory +pids"
_UNLIMITED = (("memory.max", "max"), ("cpu.max", "max 100000"), ("cpu.weight", "100"))
_CPU_PERIOD = 100_000  # microseconds
_MIN_CPU_QUOTA = 1000  # microseconds; the kernel refuses less

_filter = -1


def prepare() -> None:
    """Make the group of the pod, if it is not there yet. Raises OSError."""
    try:
        os.mkdir(layout.cgroup(layout.POD))
    except FileExistsError:
        return
    _control(_CONTROLLERS)


def _control(controllers: str) -> None:
    for directory in (layout.CGROUPS, layout.cgroup(layout.POD)):
        syscalls.write_setting(f"{directory}/cgroup.subtree_control", controllers)


def count_huge_pages() -> None:
    """Let the groups of containers have limits of huge pages. Raises OSError."""
    prepare()
    _control("+hugetlb")


def limit_huge_pages(group: str, size: int) -> None:
    """Limit the bytes of huge pages that a container may use; see count_huge_pages(). Raises OSError."""
    syscalls.write_setting(f"{layout.cgroup(group)}/hugetlb.2MB.max", str(size))


def limit_processes(group: str, count: int) -> None:
    """Limit how many processes and threads a group may have. Raises OSError."""
    syscalls.write_setting(f"{layout.cgroup(group)}/pids.max", str(count))


def create(group: str, *, privileged: bool = False, disks: Collection[Disk] = ()) -> None:
    """Make a container's group. Raises OSError.

    The filter of devices on it, which privileged containers have not, holds in every group below. disks: may
    be used beside what every container may.
    """
    prepare()
    directory = layout.cgroup(group)
    os.mkdir(directory)
    if privileged:
        return
    if not disks:
        syscalls.filter_devices(directory, _usual())
        return
    own = syscalls.load_filter(devices.program(disks))
    try:
        syscalls.filter_devices(directory, own)
    finally:
        os.close(own)


def _usual() -> int:
    """The filter of most containers: the kernel checks it once."""
    global _filter  # noqa: PLW0603
    if _filter < 0:
        _filter = syscalls.load_filter(devices.program())
    return _filter


def limit(group: str, *, memory: int, cpu: int, cpu_request: int, all_of_them: bool = False) -> None:
    """Limit what a container's group may have; see limits(). Raises OSError.

    all_of_them: take back limits of before that there are to be no more.
    """
    files = dict(_UNLIMITED) if all_of_them else {}
    files.update(limits(memory=memory, cpu=cpu, cpu_request=cpu_request))
    for file, value in files.items():
        syscalls.write_setting(f"{layout.cgroup(group)}/{file}", value)


def memory_used(group: str) -> int:
    """Bytes that the processes of a group have now, what can be given up at once left out. Raises OSError."""
    with open(f"{layout.cgroup(group)}/memory.current") as file:
        used = int(file.read())
    with open(f"{layout.cgroup(group)}/memory.stat") as file:
        found = dict(line.split() for line in file)
    return used - int(found.get("inactive_file", "0"))


def limits(*, memory: int, cpu: int, cpu_request: int) -> Iterator[tuple[str, str]]:
    """The files of a group that limit it, and what to write. Pure.

    Bytes, and thousandths of a core; 0 for no limit.
    """
    if memory:
        yield "memory.max", str(memory)
        yield "memory.swap.max", "0"
    if cpu:
        yield "cpu.max", f"{max(_MIN_CPU_QUOTA, cpu * _CPU_PERIOD // 1000)} {_CPU_PERIOD}"
    if cpu_request:
        shares = max(2, cpu_request * 1024 // 1000)
        # 2 to 262144 shares are weights of 1 to 10000.
        yield "cpu.weight", str(min(10_000, 1 + (shares - 2) * 9999 // 262142))


def enter(group: str) -> None:
    """Move this process there. Raises OSError."""
    add(group, 0)


def add(group: str, pid: int) -> None:
    """Move a process there. Raises OSError."""
    syscalls.write_setting(f"{layout.cgroup(group)}/cgroup.procs", str(pid))


def join(group: str, pid: int) -> None:
    """Move this process there, or to where that process is that was there first. Raises OSError.

    A container that makes groups of its own, as an init system does, may not have processes beside them.
    """
    try:
        enter(group)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        own = _group_of(pid)
        if not own.startswith(f"{group}/"):
            raise
        enter(own)


def _group_of(pid: int) -> str:
    with open(f"/proc/{pid}/cgroup") as file:
        # One line: cgroup v2 has one hierarchy.
        return file.read().strip().removeprefix("0::/")


def remove(group: str) -> None:
    """Remove a container's group, and the groups that it made. Without effect while it has a process."""
    top = layout.cgroup(group)
    try:
        os.rmdir(top)
    except FileNotFoundError:
        pass
    except OSError:
        for directory, _, _ in os.walk(top, topdown=False):
            try:
                os.rmdir(directory)
            except OSError:
                pass  # somebody is in it still


def kill(group: str) -> None:
    """Kill every process there. Raises OSError."""
    syscalls.write_setting(f"{layout.cgroup(group)}/cgroup.kill", "1")
