"""The example with podman, as its README tells it."""

from __future__ import annotations

import contextlib
import urllib.request

import pytest

from examples.build import build, recipes
from tests.machine.harness import CHECKOUT, Vmpod, free_port
from tests.machine.pods import Pods

EXAMPLE = CHECKOUT / "examples/podman"


@pytest.mark.slow
def test_podman_runs_a_container_in_a_container_of_a_pod(vmpod: Vmpod, pods: Pods) -> None:
    (recipe,) = recipes(EXAMPLE / "images.toml")
    if not recipe.archive.exists():
        build(recipe)
    vmpod("image", "load", str(recipe.archive))
    with contextlib.closing(pods):
        pods.adopt("podman")
        port = free_port()
        vmpod("run", "-d", "--publish", f"127.0.0.1:{port}:80", str(EXAMPLE / "pod.yaml"))
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60) as answer:
            assert answer.read() == b"Served by a container of podman, in a container of a pod.\n"
        assert vmpod.exec("podman", "podman", "ps", "--format", "{{.Names}} {{.Image}}").lines == [
            "inner localhost/inner:latest"
        ]
        # Containers can be made in it as on any host.
        inner = ["podman", "run", "--rm", "localhost/inner:latest", "/bin/busybox", "id", "-u"]
        assert vmpod.exec("podman", *inner).lines == ["0"]
    vmpod("image", "rm", recipe.name)
