"""Pods that are removed when the test that runs them is over."""

from __future__ import annotations

from typing import Any

from tests.machine import manifests
from tests.machine.harness import Done, Vmpod


class Pods:
    """Runs pods and removes them in the end."""

    def __init__(self, vmpod: Vmpod) -> None:
        self._vmpod = vmpod
        self._names: list[str] = []

    def expect(self, *documents: dict[str, Any]) -> str:
        """Remove the pods of a manifest in the end, whoever runs it; the manifest."""
        self._names += [each["metadata"]["name"] for each in documents if each["kind"] == "Pod"]
        return manifests.text(*documents)

    def adopt(self, name: str) -> None:
        """Remove a pod in the end that the test starts by itself."""
        self._names.append(name)

    def run(self, *documents: dict[str, Any], options: tuple[str, ...] = (), status: int = 0) -> Done:
        """Run a manifest in the foreground, to its end."""
        return self._vmpod("run", *options, "-", input=self.expect(*documents), status=status)

    def start(self, *documents: dict[str, Any], options: tuple[str, ...] = ()) -> str:
        """Run a manifest in the background; the last pod's name."""
        self.run(*documents, options=("-d", *options))
        return self._names[-1]

    def close(self) -> None:
        """Remove what is left of them."""
        for name in self._names:
            if self._vmpod.pod_directory(name).exists():
                self._vmpod("rm", "--force", name)
