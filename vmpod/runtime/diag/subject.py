"""What a record is made of: a pod, or what is left of one."""

from __future__ import annotations

from pathlib import Path

from vmpod.dataclass import dataclass
from vmpod.errors import HostError, NotFoundError, VmpodError
from vmpod.hypervisor.machines import RunningMachine
from vmpod.plan.forward import called
from vmpod.runtime.context import Runtime
from vmpod.runtime.faults import failures
from vmpod.runtime.remove import machines_of
from vmpod.state.store import PodEntry


@dataclass(frozen=True)
class Subject:
    """directory: where its files are, or would be. entry: None without a record that can be read; why then.

    machines: those that run with its disks. failure: the log of a start that failed, None if there is none.
    error: what has just gone wrong with it.
    """

    key: str
    directory: Path
    entry: PodEntry | None
    why: str
    machines: tuple[RunningMachine, ...]
    failure: Path | None
    error: VmpodError | None = None

    def known(self) -> PodEntry:
        """Its entry. Raises HostError if there is none."""
        if self.entry is None:
            raise HostError(self.why)
        return self.entry


def find(runtime: Runtime, key: str, error: VmpodError | None = None) -> Subject:
    """The pod of that key as it is now: whole, half made, damaged or gone."""
    entry, why = None, "there is no pod of that name; its start failed, and it was removed"
    directory = runtime.pods.directory(key)
    try:
        entry = runtime.pods.lookup(key)
        if entry is None and directory.exists():
            why = "the pod has no record: a command that was making or removing it was killed"
    except HostError as damage:
        why = damage.message
    log = failures(runtime.paths.state) / f"{key}.log"
    return Subject(
        key,
        directory,
        entry,
        why,
        tuple(machines_of(runtime, key)),
        log if log.exists() else None,
        error,
    )


def find_something(runtime: Runtime, key: str) -> Subject:
    """As find(). Raises NotFoundError if nothing at all is known of such a pod."""
    found = find(runtime, key)
    if not (found.entry or found.failure or found.machines or found.directory.exists()):
        raise NotFoundError(
            f"there is no pod {called(key)!r}, and no log of a start of it that failed",
            hint="`vmpod ps --all` lists all pods",
        )
    return found
