"""Who has written more to the disk than was allowed: such a pod is evicted, as a kubelet does it.

A child counts from time to time: it may take long, and what it reads is the containers'.
"""

from __future__ import annotations

import os
import stat

from vmpod_agent import launch, layout, prepare, syscalls
from vmpod_agent.loop import READ
from vmpod_agent.process import pipe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vmpod_agent.container import Services
    from vmpod_agent.pod import PodController

    Limits = list[tuple[str, int, str]]
    """(directory, bytes, what to say)."""

_EVERY = 10.0  # seconds
_BLOCK = 512  # bytes; what st_blocks counts, whatever the file system
_GRACE = 1  # seconds, as the kubelet gives who has too much


class Watcher:
    """Counts what limited directories hold. evict(message) is called once, for one that has too much."""

    def __init__(
        self, services: Services, limits: Callable[[], Limits], evict: Callable[[str], None]
    ) -> None:
        self._services = services
        self._limits = limits
        self._evict = evict

    def start(self) -> None:
        """Count every now and then."""
        self._services.loop.call_later(_EVERY, self._count)

    def _count(self) -> None:
        limits = self._limits()
        read_end, write_end = pipe()
        pid = os.fork()
        if pid == 0:
            _be_counter(limits, write_end)  # does not return
        os.close(write_end)
        os.set_blocking(read_end, False)
        self._services.reaper.adopt(pid, lambda _status: None)
        self._services.loop.watch(read_end, READ, lambda _events: self._counted(read_end, limits))

    def _counted(self, fd: int, limits: Limits) -> None:
        found = os.read(fd, 16)
        self._services.loop.forget(fd)
        os.close(fd)
        if found.isdigit():
            self._evict(limits[int(found)][2])
        else:
            self.start()


def watch(pod: PodController) -> None:
    """Have a pod evicted that writes too much."""
    Watcher(pod.services, lambda: limits_of(pod), lambda told: pod.fail("Evicted", told, _GRACE)).start()


def limits_of(pod: PodController) -> Limits:
    """What is limited now: directories of volumes, and what the containers that run have written."""
    found: Limits = []
    for volume in pod.volumes.values():
        if volume["kind"] == "disk" and volume["size"]:
            told = f'Usage of EmptyDir volume "{volume["name"]}" exceeds the limit of {volume["size"]} bytes.'
            found.append((prepare.source(volume), volume["size"], told))
    for member in pod.members():
        if member.run and member.spec["storage"]:
            limit = member.spec["storage"]
            told = f"Container {member.name} exceeded its local ephemeral storage limit of {limit} bytes."
            found.append((f"{layout.SCRATCH}/containers/{member.run.id}", limit, told))
    return found


def _be_counter(limits: Limits, output: int) -> None:
    """Say which of them has too much, if one has, and end."""
    try:
        launch.begin()
        os.dup2(output, 3)
        syscalls.close_range(4, syscalls.LAST_FD)
        os.nice(10)
        for number, (directory, limit, _) in enumerate(limits):
            if used(directory, limit) > limit:
                os.write(3, str(number).encode())
                break
    finally:
        os._exit(0)


def used(directory: str, enough: int) -> int:
    """Bytes on disk in a directory, or more than enough of them."""
    total, seen, waiting = 0, set(), [directory]
    while waiting and total <= enough:
        for entry in _entries(waiting.pop()):
            try:
                status = entry.stat(follow_symlinks=False)
            except OSError:
                continue  # it has just gone; the others have not
            if stat.S_ISDIR(status.st_mode):
                waiting.append(entry.path)
            elif status.st_nlink > 1:
                # Each file once, whatever its names.
                if status.st_ino in seen:
                    continue
                seen.add(status.st_ino)
            total += status.st_blocks * _BLOCK
    return total


def _entries(directory: str) -> Iterator[os.DirEntry[str]]:
    """One by one: there may be millions."""
    try:
        with os.scandir(directory) as found:
            yield from found
    except OSError:
        pass  # it has just gone
