"""All pods of this user.

<state>/pods/<key>/       pod.json, the disks, the console's log
<runtime>/<12 digits>/    sockets, and libvirt's files if its driver is embedded
<runtime>/locks/<key>     held by a command that changes the pod
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, MutableSequence, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

from vmpod import lock
from vmpod.dataclass import dataclass
from vmpod.errors import ConflictError, HostError, NotFoundError
from vmpod.paths import Paths, private_dir
from vmpod.plan.forward import called, pod_key
from vmpod.plan.model import CONSOLE, FILES, JOURNAL
from vmpod.run import remove_deep
from vmpod.state import journal, record
from vmpod.state.record import Record
from vmpod.state.status import PodStatus, derive
from vmpod.wire.journal import timestamp
from vmpod.wire.logdisk import HEARTBEAT_SECONDS

KINDS = ("pod", "pods")
"""Words that stand for pods as such."""


@dataclass(frozen=True)
class PodEntry:
    """A pod that is there."""

    record: Record
    directory: Path

    @property
    def journal(self) -> journal.Disk:
        """What its agent reports, and what its containers write."""
        return journal.Disk(self.directory / JOURNAL, self.record.layout)

    @property
    def console(self) -> Path:
        """What the machine wrote to its serial console."""
        return self.directory / CONSOLE

    def last_written(self) -> float:
        """When the machine last wrote to its journal disk (seconds since the epoch); 0 if never."""
        try:
            return (self.directory / JOURNAL).stat().st_mtime
        except FileNotFoundError:
            return 0.0

    def alive(self) -> bool:
        """Whether the pod's machine runs."""
        return self.record.qemu is not None and self.record.qemu.alive()

    def check_awake(self) -> None:
        """Raise ConflictError for a pod that stands still: its agent would not answer."""
        if self.record.paused and self.alive():
            called = self.record.called
            raise ConflictError(f"the pod {called} is paused", hint=f"`vmpod resume {called}` lets it run on")


Ask = Callable[[PodEntry], "list[dict[str, Any]] | None"]
"""Asks a pod's agent for the events that tell its state; None if it does not answer."""

SILENCE = 2.5 * HEARTBEAT_SECONDS
"""Seconds after which an agent that has written nothing is asked whether it lives."""


class PodStore:
    """Finds, adds and removes pods. Nothing is cached: other commands work on the same files."""

    def __init__(self, paths: Paths, ask: Ask = lambda _entry: None) -> None:
        self._paths = paths
        self._ask = ask

    def directory(self, key: str) -> Path:
        """Where a pod of that key is kept, whether or not it is there."""
        return self._paths.pods / key

    def sockets(self, uid: str) -> Path:
        """Where a pod's sockets are. Short: their paths are limited."""
        return self._paths.runtime / uid.replace("-", "")[:12]

    def locked(self, key: str) -> AbstractContextManager[None]:
        """Hold the pod's lock, whether or not the pod is there. Raises ConflictError."""
        private_dir(self._paths.runtime)
        return lock.locked(self._lock(key), f"the pod {called(key)}")

    def if_free(self, key: str) -> AbstractContextManager[bool]:
        """Hold the pod's lock, if nobody else does; whether it is held."""
        private_dir(self._paths.runtime)
        return lock.if_free(self._lock(key))

    def locks(self) -> Sequence[Path]:
        """The files of the locks, held or not."""
        return _content(self._paths.runtime / "locks")

    def unclaimed(self) -> Sequence[Path]:
        """Directories of sockets that no pod's record names. One of them may be in use by a machine."""
        # In this order: a pod that is being started is written down before it gets the directory.
        there = [path for path in _content(self._paths.runtime) if _SOCKETS.fullmatch(path.name)]
        claimed = {entry.record.sockets for entry in self.list(problems=[])}
        return [path for path in there if path not in claimed]

    def keys(self) -> Sequence[str]:
        """What has a directory among the pods, be it a pod or not."""
        return [path.name for path in _content(self._paths.pods)]

    def list(self, *, problems: MutableSequence[HostError] | None = None) -> list[PodEntry]:
        """Every pod, by key. A record that cannot be read goes to problems; without that, it is raised."""
        return sorted(self._entries(problems), key=lambda entry: entry.record.key)

    def find(self, name: str) -> PodEntry:
        """The pod of that name, 'NAME' or 'NAMESPACE/NAME', with 'pod/' before it if need be.

        Raises NotFoundError.
        """
        found = (self.lookup(key_of(each)) for each in _meant(name))
        entry = next(filter(None, found), None)
        if entry is None:
            raise NotFoundError(f"there is no pod {name!r}", hint="`vmpod ps --all` lists all pods")
        return entry

    def find_awake(self, name: str) -> PodEntry:
        """As find(), for who is about to ask its agent. Raises NotFoundError, ConflictError if paused."""
        entry = self.find(name)
        if entry.record.paused and entry.alive():
            # While it is being copied it stands still as well, but soon goes on.
            with self.locked(entry.record.key):
                entry = self.find(name)
            entry.check_awake()
        return entry

    def lookup(self, key: str) -> PodEntry | None:
        """The pod of that key, None if there is none."""
        directory = self.directory(key)
        found = record.load(directory)
        return PodEntry(found, directory) if found else None

    def save(self, entry: PodEntry) -> PodEntry:
        """Write the pod's record; makes its directory."""
        private_dir(self._paths.state)
        # QEMU may run as another user (libvirtd's), who has to reach the disks by name.
        entry.directory.mkdir(mode=0o711, parents=True, exist_ok=True)
        record.save(entry.record, entry.directory)
        return entry

    def delete(self, key: str, sockets: Path | None) -> None:
        """Remove everything that is kept of a pod. Its machine must be gone."""
        import shutil  # noqa: PLC0415 - slow to import, and most commands delete nothing

        if sockets:
            shutil.rmtree(sockets, ignore_errors=True)
        # First, so that what is left if we are killed meanwhile is not taken for a pod.
        (self.directory(key) / record.FILE).unlink(missing_ok=True)
        with suppress(HostError):
            remove_deep(self.directory(key) / FILES)
        shutil.rmtree(self.directory(key), ignore_errors=True)

    def status(self, entry: PodEntry, *, locked: bool = False) -> PodStatus:
        """The pod's state now. locked: the caller holds its lock, and starts nothing."""
        # In this order: a machine that ends in between has told its end before.
        alive = entry.alive()
        undecided = alive or entry.record.qemu is None
        starting = undecided and not locked and lock.held(self._lock(entry.record.key))
        seen = entry.last_written()
        events: Iterable[tuple[str, dict[str, Any]]] = self.events(entry)
        silent = False
        if alive and not entry.record.paused and time.time() - seen > SILENCE:
            # It beats every few seconds, unless the machine is stuck, or the host's disk is full.
            answer = self._ask(entry)
            silent = answer is None
            now = _moment(time.time())
            events = [*events, *((now, event) for event in answer or ())]
        last_seen = _moment(seen) if seen else ""
        return derive(
            entry.record, events, alive=alive, starting=starting, silent=silent, last_seen=last_seen
        )

    def busy(self, entry: PodEntry) -> bool:
        """Whether the pod's machine runs, or some command may be about to start it."""
        return entry.alive() or (entry.record.qemu is None and lock.held(self._lock(entry.record.key)))

    def events(self, entry: PodEntry) -> Iterator[tuple[str, dict[str, Any]]]:
        """(timestamp, event) of all that its agent has reported so far, in order. Not trusted."""
        return journal.events(entry.journal)

    def _entries(self, problems: MutableSequence[HostError] | None) -> Iterator[PodEntry]:
        if not self._paths.pods.is_dir():
            return
        for directory in self._paths.pods.iterdir():
            try:
                found = record.load(directory)
            except HostError as error:
                if problems is None:
                    raise
                problems.append(error)
                continue
            if found:
                yield PodEntry(found, directory)

    def _lock(self, key: str) -> Path:
        return self._paths.runtime / "locks" / key


_SOCKETS = re.compile("[0-9a-f]{12}")


def _content(directory: Path) -> Sequence[Path]:
    return sorted(directory.iterdir()) if directory.is_dir() else []


def _moment(seconds: float) -> str:
    return timestamp(int(seconds * 1_000_000_000))


def _meant(name: str) -> list[str]:
    """What is to be looked for, the first first: a namespace may be called 'pod', too."""
    kind, _, rest = name.partition("/")
    if kind not in KINDS or not rest:
        return [name]
    return [rest] if "/" in rest else [name, rest]


def key_of(name: str) -> str:
    """The key of 'NAME' or 'NAMESPACE/NAME'. Raises NotFoundError for what cannot be one."""
    namespace, _, rest = name.rpartition("/")
    if not rest or any(part.startswith(".") or "/" in part or "_" in part for part in (namespace, rest)):
        raise NotFoundError(f"{name!r} cannot be the name of a pod")
    return pod_key(namespace or "default", rest)
