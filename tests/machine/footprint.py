"""What there is of pods on this host, by the kernel's own lists: what a removed pod must not leave."""

from __future__ import annotations

import contextlib
import os
import stat
import time
from dataclasses import dataclass
from pathlib import Path

SHARED = ("/tmp", "/run", "/dev/shm", "/var/tmp")
"""Where programs leave things that they mean to be temporary."""

OURS = ("vmpod", "libvirt", "qemu", "skopeo", "storage-", "container_images_storage")
"""How names begin that this program, or one that it runs, makes in a shared place."""

PATIENCE = 20.0  # seconds


@dataclass(frozen=True)
class Footprint:
    """files: size of every file below the home, by path; the others: a line for each thing."""

    files: dict[str, int]
    shared: frozenset[str]
    processes: frozenset[str]
    sockets: frozenset[str]
    locks: frozenset[str]

    def since(self, before: Footprint) -> list[str]:
        """What is there now and was not before, a line each."""
        found = [f"file {path}" for path in self.files.keys() - before.files.keys()]
        found += [
            f"{path} grew by {self.files[path] - size} bytes"
            for path, size in before.files.items()
            if self.files.get(path, 0) > size
        ]
        for name in ("shared", "processes", "sockets", "locks"):
            found += [f"{name}: {each}" for each in getattr(self, name) - getattr(before, name)]
        return sorted(found)


def nothing_since(before: Footprint, home: Path, *, but: str = "\0") -> None:
    """Check that nothing of the pods that came since then is left. but: part of a path that may be new.

    What others do at the same time, in shared places say, is gone a moment later.
    """
    end = time.monotonic() + PATIENCE
    while left := [line for line in footprint(home).since(before) if but not in line]:
        assert time.monotonic() < end, "left behind:\n" + "\n".join(left)
        time.sleep(0.5)


def footprint(home: Path) -> Footprint:
    """What there is now of the pods that are kept in a home."""
    listed = {str(path): path.lstat() for path in _below(home)}
    files = {path: found.st_size for path, found in listed.items() if stat.S_ISREG(found.st_mode)}
    # Directories, sockets and links have no size that means anything.
    files |= {path: 0 for path, found in listed.items() if not stat.S_ISREG(found.st_mode)}
    return Footprint(
        files=files,
        shared=frozenset(_shared()),
        processes=frozenset(_processes(str(home))),
        sockets=frozenset(_sockets(str(home))),
        locks=frozenset(_locks({found.st_ino for found in listed.values()})),
    )


def _below(home: Path) -> list[Path]:
    """Everything in the home; the guest images, which are a link, are not."""
    return [Path(top, name) for top, directories, names in os.walk(home) for name in directories + names]


def _shared() -> list[str]:
    """What programs have left in shared places."""
    found = []
    for place in SHARED:
        with contextlib.suppress(FileNotFoundError):
            found += [str(path) for path in Path(place).iterdir() if path.name.startswith(OURS)]
    return found


def _processes(home: str) -> list[str]:
    """Processes that name the home in an argument or, as every command of it does, in the environment."""
    own = f"VMPOD_HOME={home}\0".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                line = (entry / "cmdline").read_bytes()
                if home.encode() in line or own in (entry / "environ").read_bytes():
                    found.append(
                        f"{entry.name} {line.replace(bytes(1), b' ').decode(errors='replace')[:200]}"
                    )
    return found


def _sockets(home: str) -> list[str]:
    """Unix sockets that somebody still has open (proc(5), /proc/net/unix)."""
    lines = Path("/proc/net/unix").read_text().splitlines()
    return [line.split()[-1] for line in lines if home in line]


def _locks(inodes: set[int]) -> list[str]:
    """Locks that somebody holds on files of the home (proc(5), /proc/locks)."""
    lines = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    # 1: FLOCK ADVISORY WRITE 2568 fd:00:5537 0 EOF
    held = [words for words in lines if "->" not in words]
    return [" ".join(words[1:]) for words in held if int(words[5].rpartition(":")[2]) in inodes]


@dataclass(frozen=True)
class Kernel:
    """What the whole host uses: open files (proc(5), /proc/sys/fs/file-nr), locks, and KiB of memory.

    shared: shared memory and tmpfs. used: neither free nor a cache.
    """

    files: int
    locks: int
    shared: int
    used: int


def kernel() -> Kernel:
    """What is in use now."""
    lines = [line.split() for line in Path("/proc/meminfo").read_text().splitlines()]
    memory = {words[0].rstrip(":"): int(words[1]) for words in lines}
    cached = sum(memory[name] for name in ("MemFree", "Buffers", "Cached", "SReclaimable"))
    return Kernel(
        files=int(Path("/proc/sys/fs/file-nr").read_text().split()[0]),
        locks=len(Path("/proc/locks").read_text().splitlines()),
        shared=memory["Shmem"],
        used=memory["MemTotal"] - cached + memory["Shmem"],
    )


def listens(port: int) -> bool:
    """Whether anybody listens on a TCP port (proc(5), /proc/net/tcp; state 0A is TCP_LISTEN)."""
    wanted = f":{port:04X}"
    for table in ("tcp", "tcp6"):
        lines = [line.split() for line in Path("/proc/net", table).read_text().splitlines()[1:]]
        if any(words[1].endswith(wanted) and words[3] == "0A" for words in lines):
            return True
    return False
