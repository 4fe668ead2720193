"""Writes the record of a pod: what can be had of it, and of what cannot, why."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from vmpod import __version__
from vmpod.dataclass import dataclass
from vmpod.errors import HostError, VmpodError, disk_full, from_system
from vmpod.files import replacing
from vmpod.plan.forward import called
from vmpod.progress import SILENT, Progress
from vmpod.runtime.context import Runtime
from vmpod.runtime.diag import host
from vmpod.runtime.diag.archive import Archive
from vmpod.runtime.diag.guest import GuestParts
from vmpod.runtime.diag.known import Known, known
from vmpod.runtime.diag.machine import MachineParts
from vmpod.runtime.diag.pod import PodParts
from vmpod.runtime.diag.redact import SHORTEST, Redactor
from vmpod.runtime.diag.subject import Subject, find
from vmpod.spec.model import Manifest
from vmpod.state.record import moment


@dataclass(frozen=True)
class Options:
    """What the user says of a record.

    file: a manifest with the pod's Secrets, None for the one it was run from; manifest: that itself, if it is
    at hand. with_logs: also the logs of a pod whose Secrets are not known.
    """

    file: Path | None = None
    manifest: Manifest | None = None
    with_logs: bool = False


def default_name(key: str) -> str:
    """What the archive of a pod is called: with the moment, so that none takes another's place."""
    return f"vmpod-diag-{key}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.tar.gz"


def record(
    runtime: Runtime, subject: Subject, target: Path, *, options: Options, progress: Progress = SILENT
) -> None:
    """Write the archive, whole or not at all. Raises HostError if it cannot be written."""
    entry = subject.entry
    secrets = known(entry.record if entry else None, options.file, options.manifest)
    try:
        with replacing(target) as output:
            if stat.S_ISREG(os.fstat(output.fileno()).st_mode):
                # What is not known to be secret is still not for everybody.
                os.fchmod(output.fileno(), 0o600)
            top = target.name.partition(".")[0] or "record"
            _Recorder(runtime, subject, secrets, options).write(output, top, progress)
    except OSError as error:
        raise _cannot_be_written(target, error) from error


def record_failure(
    runtime: Runtime,
    key: str,
    error: VmpodError | None,
    *,
    directory: Path,
    manifest: Manifest,
    say: Callable[[str], None],
) -> None:
    """Write a record of a pod that has failed into a directory, which is made. That this fails is only told.

    manifest: what the pod is made from, Secrets and all.
    """
    target = directory / default_name(key)
    try:
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as fault:
            raise _cannot_be_written(directory, fault) from fault
        record(runtime, find(runtime, key, error), target, options=Options(manifest=manifest))
    except VmpodError as fault:
        say(fault.message)
    else:
        say(f"what is known of the failure is in {target}")


def _cannot_be_written(target: Path, error: OSError) -> HostError:
    message = f"the record cannot be written to {target}: {error.strerror}"
    if from_system(error).code == "disk-full":
        return disk_full(message)
    return HostError(message, hint="`vmpod diag -o FILE` puts it elsewhere")


class _Recorder:
    """One record."""

    def __init__(self, runtime: Runtime, subject: Subject, secrets: Known, options: Options) -> None:
        self._runtime = runtime
        self._subject = subject
        self._secrets = secrets
        self._options = options
        self._redactor = Redactor(secrets.values)

    def write(self, output: BinaryIO, top: str, progress: Progress) -> None:
        """Write all of it. Raises OSError."""
        archive = Archive(output, top, self._redactor)
        options, reach = self._options, self._redactor.reach
        pod = PodParts(
            self._runtime,
            self._subject,
            self._secrets,
            logs=self._secrets.certain or options.with_logs,
            margin=reach,
            file=options.file,
            manifest=options.manifest,
        )
        for title, collect in (
            ("Reading what is known of the pod", pod.collect),
            ("Looking at its machine", MachineParts(self._subject, reach).collect),
            ("Asking its agent", GuestParts(self._subject).collect),
            ("Reading its containers' logs", pod.collect_logs),
            ("Looking at this host", lambda archive: host.collect(self._runtime, archive)),
        ):
            with progress.phase(title):
                collect(archive)
        archive.close(self._head(), self._readme())

    def _head(self) -> dict[str, object]:
        known = self._redactor.known
        secrets = {"known": known, "short": self._redactor.short, "missing": self._secrets.missing}
        return {
            "pod": self._subject.key,
            "created": moment(time.time()),
            "vmpod": __version__,
            "secrets": secrets,
        }

    def _readme(self) -> str:
        lines = [
            f"The pod {called(self._subject.key)}, as of {moment(time.time())}: {self._state()}.",
            f"Written by vmpod {__version__}; docs/diag.md says what is in it. index.json is for programs.",
            "",
            f"Secret values that were looked for: {self._redactor.known}; in their place stands [redacted].",
        ]
        if self._redactor.short:
            lines.append(
                f"Values of fewer than {SHORTEST} characters, not looked for: {self._redactor.short}."
            )
        if self._secrets.missing:
            lines.append(f"Take care: {self._secrets.missing}.")
        return "\n".join(lines) + "\n"

    def _state(self) -> str:
        entry = self._subject.entry
        if entry is None:
            return self._subject.why
        return "its machine runs" if entry.alive() else "its machine has ended"
