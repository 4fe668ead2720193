"""What a manifest may ask of the machine around a pod: annotations, as Kubernetes has no fields for it.

    vmpod/machine-memory: 4Gi    the machine has at least so much
    vmpod/machine-cpus: "4"      and so many processors

What a pod's containers ask for decides how large its machine is (`plan/size.py`). These make it larger: so
much can `vmpod resize` give to the containers later, and so much may those without limits use.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from vmpod.spec import quantity
from vmpod.spec.model import MachineSize
from vmpod.spec.reader import Place
from vmpod.spec.resources import read_bytes

PREFIX = "vmpod/"
OWNER = "vmpod/owner"
"""The annotation of a pod that tells what made it, as 'Deployment/web'."""

MEMORY, CPUS = "vmpod/machine-memory", "vmpod/machine-cpus"

MAX_CPUS = 255
"""As many as an x86 machine has without an IOMMU."""

_MAX_MEMORY = 1 << 42
_NUMBER = re.compile("[1-9][0-9]{0,2}")


def read_machine(annotations: dict[str, Place]) -> MachineSize:
    """What annotations ask of the machine. An unknown one with vmpod's prefix is a slip of the pen."""
    for key, place in annotations.items():
        if key.startswith(PREFIX) and key not in (OWNER, MEMORY, CPUS):
            place.wrong(f"vmpod has no such annotation; it knows {MEMORY} and {CPUS}")
    # What is no string is reported as such, by whoever reads annotations.
    texts = {key: place for key, place in annotations.items() if isinstance(place.node.value, str)}
    return MachineSize(_memory(texts.get(MEMORY)), _cpus(texts.get(CPUS)))


def machine_of(annotations: Mapping[str, Any]) -> MachineSize:
    """The same of annotations that were read before, and were sound."""
    memory, cpus = annotations.get(MEMORY), annotations.get(CPUS)
    return MachineSize(quantity.whole(quantity.parse(memory)) if memory else 0, int(cpus or "0"))


def _memory(place: Place | None) -> int:
    size = read_bytes(place) if place else None
    if place and size is not None and not 0 < size <= _MAX_MEMORY:
        place.wrong("must be a size such as 4Gi, and at most 4Ti")
        return 0
    return size or 0


def _cpus(place: Place | None) -> int:
    text = place.text() if place else ""
    if place and not (_NUMBER.fullmatch(text) and int(text) <= MAX_CPUS):
        place.wrong(f"must be a whole number from 1 to {MAX_CPUS}")
        return 0
    return int(text or "0")
