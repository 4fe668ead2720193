"""What pods, Jobs and claims have in common as they are written down: names, and a document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vmpod.plan.forward import called, pod_key


class Named:
    """For records to derive from. document: the manifest's, as JSON."""

    name: str
    namespace: str
    document: Mapping[str, Any]

    @property
    def key(self) -> str:
        """Its directory's name."""
        return pod_key(self.namespace, self.name)

    @property
    def called(self) -> str:
        """What commands call it; a Job's name they take behind 'job/'."""
        return called(self.key)

    @property
    def spec(self) -> Mapping[str, Any]:
        """Of its document."""
        return self.document.get("spec") or {}

    def metadata(self, name: str) -> Mapping[str, Any]:
        """Its labels or annotations."""
        return (self.document.get("metadata") or {}).get(name) or {}
