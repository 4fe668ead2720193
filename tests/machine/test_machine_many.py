"""Many pods at once: commands that run beside each other neither disturb each other nor leave anything."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.images import busybox_archive
from tests.machine.footprint import footprint, listens, nothing_since
from tests.machine.harness import Done, Vmpod, free_port
from tests.machine.manifests import Json, container, pod, text
from tests.machine.pods import Pods
from tests.registry import Registry, running_registry

PODS = 20
PULLERS = 8
"""How many of them are started at once, before anybody has their image."""
LANES = 4
"""How many of the others are."""


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    """A registry on loopback with the image of all these pods."""
    (tmp_path / "registry").mkdir()
    with running_registry(tmp_path / "registry") as found:
        archive = busybox_archive(tmp_path / "many.tar")
        found.push(f"oci-archive:{archive}", "team/many:1")
        yield found


def _at_once(lanes: int, work: Callable[[str], Done], names: Iterable[str]) -> list[Done]:
    with ThreadPoolExecutor(lanes) as pool:
        return list(pool.map(work, names))


def _pod(name: str, image: str, port: int) -> Json:
    published = [{"containerPort": 80, "hostPort": port, "hostIP": "127.0.0.1"}]
    main = container("main", "trap 'exit 0' TERM; while :; do sleep 60 & wait $!; done", ports=published)
    return pod(name, main | {"image": image})


@pytest.mark.slow
def test_twenty_pods(vmpod: Vmpod, registry: Registry, tmp_path: Path) -> None:
    polite = vmpod.behind("nice", "-n", "10")  # other tests may run beside this one
    client = dataclasses.replace(polite, environment=registry.write_client_config(tmp_path))
    pods = Pods(client)
    names = [f"many-{number}" for number in range(PODS)]
    ports = {name: free_port() for name in names}
    image = registry.name("team/many:1")
    pods.run(pod("first", container("main", "true")), options=("--rm",))  # makes what stays
    before = footprint(vmpod.home)
    asked = len(registry.requests())

    def run(name: str) -> Done:
        return client("run", "-d", "-", input=text(_pod(name, image, ports[name])))

    try:
        for name in names:
            pods.adopt(name)
        first = _at_once(PULLERS, run, names[:PULLERS])
        _downloaded_once(registry.requests()[asked:])
        assert sum(f"Converting {image}: " in each.errors for each in first) == 1
        _at_once(LANES, run, names[PULLERS:])

        listed = {
            each["metadata"]["name"]: each for each in json.loads(client("ps", "-o", "json").out)["items"]
        }
        assert sorted(listed) == sorted(names)
        assert {each["status"]["phase"] for each in listed.values()} == {"Running"}
        for each in listed.values():
            assert {"Ready": "True"}.items() <= _conditions(each).items()
        assert len({each["metadata"]["uid"] for each in listed.values()}) == PODS
        assert len({client.qemu(name) for name in names}) == PODS
        assert [name for name, port in ports.items() if not listens(port)] == []
        said = _at_once(LANES, lambda name: client.exec(name, "hostname"), names)
        assert [done.text.strip() for done in said] == names

        _at_once(LANES, lambda name: client("rm", "--force", name), names)
    finally:
        pods.close()
    assert [name for name, port in ports.items() if listens(port)] == []
    nothing_since(before, vmpod.home, but=str(vmpod.home / "data/images"))  # the new one stays
    client("image", "rm", image)
    assert vmpod.leftovers() == []


def _conditions(found: Json) -> dict[str, str]:
    return {each["type"]: each["status"] for each in found["status"]["conditions"]}


def _downloaded_once(requests: list[str]) -> None:
    """Every blob, and nothing twice."""
    blobs = Counter(each for each in requests if each.startswith("GET") and "/blobs/" in each)
    assert len(blobs) == 2, blobs  # the layer and the configuration
    assert set(blobs.values()) == {1}, blobs
