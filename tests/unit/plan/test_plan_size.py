"""How large machines are."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.spec.manifests import container, pod, read_pod
from vmpod.plan import size

MIB = 1024 * 1024


SIDECAR = {"restartPolicy": "Always"}


def resources(memory: str = "", cpu: str = "", kind: str = "limits") -> dict[str, Any]:
    return {"resources": {kind: {name: text for name, text in (("memory", memory), ("cpu", cpu)) if text}}}


@pytest.mark.parametrize(
    ("containers", "inits", "mebibytes"),
    [
        ([{}], [], 512),
        ([{}, {}], [], 512),
        ([resources("100Mi")], [], 256),
        ([resources("1")], [], 256),
        ([resources("100Mi"), resources("28Mi")], [], 256),
        ([resources("100Mi"), {}], [], 640),
        ([resources("64Mi", kind="requests")], [], 256),
        ([resources("64Mi")], [resources("512Mi")], 640),
        ([resources("64Mi")], [resources("300Mi"), resources("300Mi")], 448),
        ([resources("64Mi")], [{}], 512),
        ([resources("64Mi")], [SIDECAR | resources("200Mi"), resources("100Mi")], 448),
        ([resources("300Mi")], [SIDECAR | resources("200Mi"), resources("100Mi")], 640),
        ([resources("300Mi")], [resources("100Mi"), SIDECAR | resources("20Mi")], 448),
    ],
)
def test_memory(containers: list[dict[str, Any]], inits: list[dict[str, Any]], mebibytes: int) -> None:
    assert size.memory(made(containers, inits)) == mebibytes * MIB


def test_machines_have_few_sizes_and_are_hardly_larger_than_needed() -> None:
    needed = range(200 * MIB, 8192 * MIB, 7 * MIB)
    classes = {size.memory_class(each) for each in needed}
    assert len(classes) == 21
    assert all(each <= size.memory_class(each) for each in needed)
    assert all(size.memory_class(each) <= max(256 * MIB, each * 1.25) for each in needed)
    assert all(size.memory_class(each) == each for each in classes)


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


def test_numbers_of_cpus_are_few() -> None:
    classes = sorted({size.cpu_class(each) for each in range(1, 300)})
    assert classes == [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 255]
    assert all(each <= size.cpu_class(each) <= 1.5 * each for each in range(1, 256))


def test_a_pod_may_ask_for_a_larger_machine() -> None:
    def sizes(memory: str, cpus: str) -> tuple[int, int]:
        document = pod(container(**resources("400Mi", "2500m")))
        document["metadata"]["annotations"] = {"vmpod/machine-memory": memory, "vmpod/machine-cpus": cpus}
        found = read_pod(document)
        return size.memory(found) // MIB, size.cpus(found)

    assert sizes("2Gi", "5") == (2048, 6)
    assert sizes("300Mi", "1") == (640, 3)


def made(containers: list[dict[str, Any]], inits: list[dict[str, Any]]) -> Any:
    return read_pod(
        pod(
            *(container(name=f"c{number}", **each) for number, each in enumerate(containers)),
            initContainers=[container(name=f"i{number}", **each) for number, each in enumerate(inits)],
        )
    )


def test_what_the_pod_is_limited_to_goes_before_the_sum() -> None:
    limits = {"memory": "1Gi", "cpu": "3"}
    found = read_pod(pod(container(), container(name="d"), resources={"limits": limits}))
    assert (size.memory(found), size.cpus(found)) == (1280 * MIB, 3)
    alone = read_pod(pod(container(), resources={"requests": limits}))
    assert (size.memory(alone), size.cpus(alone)) == (1280 * MIB, 3), "what is requested has room"
