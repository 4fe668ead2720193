"""Pods that are started many at a time."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench import common, kinds


class Many:
    """Pods that idle. The image has to be in the store. See many()."""

    def __init__(self, what: str, accel: str, directory: Path) -> None:
        self._what = what
        self._accel = accel
        self._directory = directory
        self.names: list[str] = []

    def start(self, kind: str, number: int) -> float:
        """Start so many more at once, each by a command of its own: seconds until all of them are Ready."""
        names = self._new_names(number)
        return self._start(kind, names, [common.manifest(name, common.IDLE) for name in names])

    def start_of_one(self, kind: str, number: int) -> float:
        """Start so many more of one manifest: seconds until all of them are Ready."""
        names = self._new_names(number)
        return self._start(
            kind, names, ["\n---\n".join(common.manifest(name, common.IDLE) for name in names)]
        )

    def _new_names(self, number: int) -> list[str]:
        names = [kinds.pod_name(self._what, len(self.names) + index) for index in range(number)]
        self.names += names
        return names

    def _start(self, kind: str, names: Sequence[str], manifests: Sequence[str]) -> float:
        commands = []
        for index, text in enumerate(manifests):
            path = self._directory / f"{index}.json"
            path.write_text(text)
            run = ["run", "--quiet", "--detach", "--accel", self._accel, *kinds.kinds()[kind]]
            commands.append([*common.VMPOD, *run, str(path)])
        taken = _together(commands)
        for name in names:
            kinds.check(kind, name)
        return taken

    def remove(self) -> None:
        """Remove all that were started."""
        remove(self.names)
        self.names.clear()


@contextmanager
def many(what: str, accel: str) -> Iterator[Many]:
    """A way to start many pods, which are gone after the block."""
    with tempfile.TemporaryDirectory() as directory:
        pods = Many(what, accel, Path(directory))
        try:
            yield pods
        finally:
            pods.remove()


def remove(names: Iterable[str]) -> None:
    """Remove those of the pods that are there."""
    if there := common.pods() & set(names):
        argv = [*common.VMPOD, "rm", "--force", *sorted(there)]
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)


def _together(commands: Sequence[Sequence[str]]) -> float:
    begin = time.monotonic()
    running = [subprocess.Popen(argv, stdout=subprocess.DEVNULL) for argv in commands]
    failed = [process.args for process in running if process.wait() != 0]
    taken = time.monotonic() - begin
    if failed:
        sys.exit(f"{len(failed)} of {len(commands)} commands failed, {failed[0]!r} among them")
    return taken
