"""Records of what a command's pods fail for, as `vmpod diag` writes them, if somebody wants them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vmpod.cli.common import say
from vmpod.errors import ConflictError, ManifestError, PortTakenError, UsageError, VmpodError

if TYPE_CHECKING:
    from vmpod.runtime.context import Runtime
    from vmpod.spec.model import Manifest


class Failures:
    """directory: where records go, None for nowhere; manifest: what the pods are made from."""

    def __init__(self, runtime: Runtime, manifest: Manifest, directory: Path | None) -> None:
        self._runtime = runtime
        self._manifest = manifest
        self._directory = directory
        self._done: set[str] = set()

    def add(self, key: str, error: VmpodError | None = None) -> None:
        """Write the record of a pod, once, and tell where. error: what it has failed for."""
        if self._directory is None or key in self._done:
            return
        self._done.add(key)
        from vmpod.runtime.diag.recorder import record_failure  # noqa: PLC0415 - hardly ever needed

        record_failure(self._runtime, key, error, directory=self._directory, manifest=self._manifest, say=say)

    def refused(self, key: str, error: VmpodError, *, recorded: bool) -> None:
        """A pod could not be started. What is wrong with what the user wrote needs no record.

        recorded: whether add() has been called for it, if in another process.
        """
        if recorded:
            self._done.add(key)
        told = isinstance(error, ManifestError | UsageError | ConflictError)
        if not told or isinstance(error, PortTakenError):
            self.add(key, error)
