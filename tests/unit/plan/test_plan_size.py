"""How large machines are."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.spec.manifests import container, pod, read_pod
from vmpod.plan import size

MIB = 1024 * 1024


def resources(memory: str = "", cpu: str = "", kind: str = "limits") -> dict[str, Any]:
    return {"resources": {kind: {name: text for name, text in (("memory", memory), ("cpu", cpu)) if text}}}


@pytest.mark.parametrize(
    ("containers", "inits", "mebibytes"),
    [
        ([{}], [], 512),
        ([{}, {}], [], 512),
        ([resources("100Mi")], [], 240),
        ([resources("1")], [], 144),
        ([resources("100Mi"), resources("28Mi")], [], 256),
        ([resources("100Mi"), {}], [], 624),
        ([resources("64Mi", kind="requests")], [], 192),
        ([resources("64Mi")], [resources("512Mi")], 640),
        ([resources("64Mi")], [resources("300Mi"), resources("300Mi")], 432),
        ([resources("64Mi")], [{}], 512),
    ],
)
def test_memory(containers: list[dict[str, Any]], inits: list[dict[str, Any]], mebibytes: int) -> None:
    assert size.memory(made(containers, inits)) == mebibytes * MIB


@pytest.mark.parametrize(
    ("containers", "inits", "cpus"),
    [
        ([{}], [], 1),
        ([resources(cpu="1")], [], 1),
        ([resources(cpu="1001m")], [], 2),
        ([resources(cpu="500m"), resources(cpu="500m")], [], 1),
        ([resources(cpu="1500m"), resources(cpu="600m")], [], 3),
        ([resources(cpu="3", kind="requests")], [], 3),
        ([resources(cpu="1")], [resources(cpu="4"), resources(cpu="4")], 4),
    ],
)
def test_cpus(containers: list[dict[str, Any]], inits: list[dict[str, Any]], cpus: int) -> None:
    assert size.cpus(made(containers, inits)) == cpus


def made(containers: list[dict[str, Any]], inits: list[dict[str, Any]]) -> Any:
    return read_pod(
        pod(
            *(container(name=f"c{number}", **each) for number, each in enumerate(containers)),
            initContainers=[container(name=f"i{number}", **each) for number, each in enumerate(inits)],
        )
    )
