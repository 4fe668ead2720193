"""What a pod may be told about itself: fields of its own, and its containers' resources.

Source: Kubernetes, Downward API.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field

from vmpod.dataclass import dataclass
from vmpod.spec import names, quantity
from vmpod.spec.containermodel import ResourceRef, Resources
from vmpod.spec.model import Pod

_ONE_KEY = re.compile(r"metadata\.(labels|annotations)\['([^']*)'\]")
FIXED = ("metadata.name", "metadata.namespace", "metadata.uid")
WHOLE = ("metadata.labels", "metadata.annotations")
VARIABLES = (
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)

_AMOUNTS = ("cpu", "memory", "ephemeral-storage", "hugepages-2Mi")
RESOURCES = tuple(f"{kind}.{name}" for kind in ("limits", "requests") for name in _AMOUNTS)
_CPU_DIVISORS = ("0", "1", "1m")
_BYTE_DIVISORS = ("0", "1", *(f"1{unit}" for unit in ("k", "M", "G", "T", "P", "E")))
_BYTE_DIVISORS += tuple(f"1{unit}i" for unit in ("K", "M", "G", "T", "P", "E"))


def path_fault(path: str, known: tuple[str, ...]) -> str | None:
    """Why a fieldPath cannot be told, or None. known: those that may be, beside labels and annotations."""
    if path in known:
        return None
    found = _ONE_KEY.fullmatch(path)
    if not found:
        return f"must be one of {', '.join(known)}, metadata.labels['KEY'], metadata.annotations['KEY']"
    fault = names.qualified_name(found[2] if found[1] == "labels" else found[2].lower())
    return f"has a key that {fault}" if fault else None


def divisor_fault(resource: str, divisor: str) -> str | None:
    """Why an amount cannot be told in these units, or None."""
    allowed = _CPU_DIVISORS if resource.endswith("cpu") else _BYTE_DIVISORS
    return None if divisor in allowed else f"must be one of {', '.join(allowed)} for {resource}"


@dataclass(frozen=True)
class Facts:
    """A pod's own. fields: by their path; resources: of each container.

    machine: what a container may use that states no limit, CPU in thousandths, the rest in bytes.
    """

    fields: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    resources: Mapping[str, Resources] = field(default_factory=dict)
    machine: Mapping[str, int] = field(default_factory=dict)

    def field(self, path: str) -> str:
        """The value of a fieldPath; '' for what is not there."""
        if found := _ONE_KEY.fullmatch(path):
            return (self.labels if found[1] == "labels" else self.annotations).get(found[2], "")
        if path in WHOLE:
            pairs = self.labels if path == "metadata.labels" else self.annotations
            return "".join(f"{key}={_quoted(value)}\n" for key, value in sorted(pairs.items())).rstrip("\n")
        return self.fields.get(path, "")

    def resource(self, ref: ResourceRef, own: str) -> str:
        """An amount, rounded up. own: the container that asks."""
        kind, _, name = ref.resource.partition(".")
        stated = self.resources.get(ref.container or own, Resources())
        amount = stated.amount(kind, name)
        if amount is None and kind == "requests":
            amount = 0
        elif amount is None:
            amount = self.machine.get(name, 0)
        unit = quantity.parse(ref.divisor)
        if not unit:
            unit = quantity.parse("1")
        if name == "cpu":
            unit *= 1000
        return str(quantity.whole(amount / unit))


def _quoted(value: str) -> str:
    """As the kubelet writes it: Go's %q."""
    # Only a volume with all labels or annotations needs it.
    import json  # noqa: PLC0415

    return json.dumps(value, ensure_ascii=False)


def facts_of(pod: Pod, fields: Mapping[str, str], machine: Mapping[str, int]) -> Facts:
    """The facts of a pod. fields: what is known of it beside its manifest."""
    return Facts(
        {"metadata.name": pod.name, "metadata.namespace": pod.namespace, "spec.serviceAccountName": "default"}
        | dict(fields),
        pod.labels,
        pod.annotations,
        {container.name: container.resources for container in pod.every_container},
        machine,
    )
