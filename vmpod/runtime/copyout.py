"""Files that are copied out of a pod when its containers have ended, before its machine goes.

The agent keeps the files of containers that are named at the start. When the pod has ended its machine waits
for who fetches them: for a minute, and as long as somebody is connected.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from vmpod.dataclass import dataclass
from vmpod.errors import TimeoutExpiredError, UsageError, VmpodError
from vmpod.plan.forward import pod_key
from vmpod.spec.model import Manifest, Pod
from vmpod.state.journal import StreamReader, parsed
from vmpod.state.store import PodEntry
from vmpod.wire.events import FAILED, SUCCEEDED
from vmpod.wire.logdisk import EVENTS

Copies = Mapping[str, Sequence["CopyOut"]]
"""By the key of a pod."""

LIMIT = 600.0
"""Seconds that all copies of a pod may take."""


@dataclass(frozen=True)
class CopyOut:
    """One copy. pod, container: '' for the only or first one; directory: takes it, and is made if missing."""

    pod: str
    container: str
    path: str
    directory: Path

    def __str__(self) -> str:
        return f"{self.container}:{self.path}"


def parse(text: str) -> CopyOut:
    """'[[POD/]CONTAINER]:PATH=DIR'. Raises ValueError."""
    place, colon, rest = text.partition(":")
    path, equals, directory = rest.partition("=")
    if not (colon and equals and path and directory):
        raise ValueError(f"{text!r} is not CONTAINER:PATH=DIRECTORY")
    pod, _, container = place.rpartition("/")
    return CopyOut(pod, container, path, Path(directory))


def by_pod(wanted: Sequence[CopyOut], manifest: Manifest) -> Copies:
    """The copies of each pod, by its key, with the container's name. Raises UsageError."""
    found: dict[str, list[CopyOut]] = {pod_key(pod.namespace, pod.name): [] for pod in manifest.pods}
    for each in wanted:
        pod = _pod(each, manifest)
        names = [container.name for container in pod.every_container]
        container = each.container or pod.containers[0].name
        if container not in names:
            raise UsageError(
                f"--copy-out: the pod {pod.name} has no container {container!r}",
                hint=f"it has {', '.join(names)}",
            )
        key = pod_key(pod.namespace, pod.name)
        found[key].append(CopyOut(pod.name, container, each.path, each.directory))
    return found


def _pod(wanted: CopyOut, manifest: Manifest) -> Pod:
    named = [pod for pod in manifest.pods if wanted.pod in ("", pod.name, f"{pod.namespace}/{pod.name}")]
    if len(named) == 1:
        return named[0]
    names = ", ".join(pod.name for pod in manifest.pods)
    if named:
        raise UsageError(
            "--copy-out: the manifest has several pods", hint=f"write POD/CONTAINER:PATH=DIR; {names}"
        )
    raise UsageError(f"--copy-out: the manifest has no pod {wanted.pod!r}", hint=f"it has {names}")


class Fetcher:
    """Copies what is wanted of pods. say() gets a line for each thing that goes wrong."""

    def __init__(self, wanted: Copies, say: Callable[[str], None]) -> None:
        self._wanted = wanted
        self._say = say
        self._done: set[str] = set()
        self.failed = False

    def fetch(self, entry: PodEntry) -> None:
        """Copy what is wanted of a pod that has ended, and whose machine waits."""
        self._done.add(entry.record.key)
        deadline = time.monotonic() + LIMIT
        for each in self._wanted.get(entry.record.key, ()):
            try:
                _fetch(entry, each, self._say, deadline)
            except TimeoutExpiredError as error:
                late = time.monotonic() >= deadline
                self._fail(each, f"the pod's copies took longer than {LIMIT:g} s" if late else error.message)
            except VmpodError as error:
                self._fail(each, error.message)
            except OSError as error:
                self._fail(each, f"{error.filename or each.directory}: {error.strerror}")

    def miss(self, entry: PodEntry) -> None:
        """Tell of what was wanted of a pod whose machine has gone before it could be copied."""
        if entry.record.key not in self._done:
            for each in self._wanted.get(entry.record.key, ()):
                self._fail(each, "the machine has ended before its files could be copied")

    def _fail(self, wanted: CopyOut, why: str) -> None:
        self.failed = True
        self._say(f"{wanted} of the pod {wanted.pod} is not copied to {wanted.directory}: {why}")


def _fetch(entry: PodEntry, wanted: CopyOut, say: Callable[[str], None], deadline: float) -> None:
    from vmpod.client import copy  # noqa: PLC0415 - a start does without
    from vmpod.client.session import session  # noqa: PLC0415

    wanted.directory.mkdir(parents=True, exist_ok=True)
    with session(entry.record.sockets) as found:
        remote = copy.Remote(wanted.path, wanted.container)
        copy.fetch(found, remote, str(wanted.directory), say, deadline=deadline)


class EndReader:
    """Tells when a pod has ended, by its own words: a hostile guest that lies loses its own files."""

    def __init__(self, entry: PodEntry) -> None:
        self._reader = StreamReader(entry.journal, EVENTS)
        self._ended = False

    def ended(self) -> bool:
        """Whether it has."""
        for _, event in parsed(self._reader):
            self._ended = self._ended or (
                event.get("kind") == "pod" and event.get("phase") in (SUCCEEDED, FAILED)
            )
        return self._ended
