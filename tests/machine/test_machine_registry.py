"""Images from a real registry, run for real."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.images import busybox_archive
from tests.machine.harness import Vmpod
from tests.machine.manifests import container, pod
from tests.machine.pods import Pods
from tests.registry import Registry, running_registry


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry on loopback."""
    with running_registry(tmp_path_factory.mktemp("registry")) as found:
        yield found


def _push(registry: Registry, directory: Path, word: str) -> None:
    """Put an image there whose command prints the word."""
    archive = busybox_archive(directory / f"{word}.tar", config={"Cmd": ["/bin/echo", word]})
    registry.push(f"oci-archive:{archive}", "team/echo:1")


def test_pull_policies(vmpod: Vmpod, registry: Registry, tmp_path: Path) -> None:
    """Always sees what is new in the registry, IfNotPresent is content, Never asks nobody."""
    client = dataclasses.replace(vmpod, environment=registry.write_client_config(tmp_path))
    pods = Pods(client)
    image = {"image": registry.name("team/echo:1")}

    def echo(name: str, policy: str) -> dict[str, object]:
        plain = container(name, "") | image | {"imagePullPolicy": policy}
        del plain["command"]
        return plain

    before = registry.requests()
    refused = pods.run(pod("never", echo("main", "Never")), status=125)
    assert registry.name("team/echo:1") in refused.errors
    assert registry.requests() == before

    _push(registry, tmp_path, "old")
    assert pods.run(pod("first", echo("main", "IfNotPresent")), options=("--rm",)).out == b"main | old\n"

    _push(registry, tmp_path, "new")
    before = registry.requests()
    assert pods.run(pod("second", echo("main", "IfNotPresent")), options=("--rm",)).out == b"main | old\n"
    assert registry.requests() == before
    assert pods.run(pod("third", echo("main", "Always")), options=("--rm",)).out == b"main | new\n"
    assert client("image", "ls", "-o", "name").text.count(registry.name("team/echo:1")) == 1
    assert vmpod.leftovers() == []


def test_an_image_that_the_registry_lacks(vmpod: Vmpod, registry: Registry, tmp_path: Path) -> None:
    """The name, and what the registry says."""
    client = dataclasses.replace(vmpod, environment=registry.write_client_config(tmp_path))
    missing = container("main", "true") | {"image": registry.name("team/nothing:2")}
    errors = Pods(client).run(pod("no", missing), status=125).errors
    assert registry.name("team/nothing:2") in errors
    assert "manifest unknown" in errors
    assert vmpod.leftovers() == []
