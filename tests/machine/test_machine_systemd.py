"""The example with systemd, as its README tells it."""

from __future__ import annotations

import contextlib
import urllib.request

import pytest

from examples.build import build, recipes
from tests.machine.harness import CHECKOUT, Vmpod, free_port
from tests.machine.pods import Pods

EXAMPLE = CHECKOUT / "examples/systemd"


@pytest.mark.slow
def test_systemd_runs_its_units_and_halts_when_it_is_asked_to(vmpod: Vmpod, pods: Pods) -> None:
    (recipe,) = recipes(EXAMPLE / "images.toml")
    if not recipe.archive.exists():
        build(recipe)
    vmpod("image", "load", str(recipe.archive))
    with contextlib.closing(pods):
        pods.adopt("systemd")
        port = free_port()
        vmpod("run", "-d", "--publish", f"127.0.0.1:{port}:80", str(EXAMPLE / "pod.yaml"))
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60) as answer:
            assert answer.read() == b"Served by a unit of systemd.\n"
        assert vmpod.exec("systemd", "systemctl", "is-system-running").lines == ["running"]
        # What is executed is where systemd allows processes: in its own group.
        assert vmpod.exec("systemd", "cat", "/proc/self/cgroup").lines == ["0::/init.scope"]
        assert "greeter.service" in vmpod.exec("systemd", "systemctl", "list-units", "--no-pager").text
        vmpod("stop", "systemd")
        ended = vmpod.status("systemd", "system")["state"]["terminated"]
        # By reboot(2), which in a container is this signal to its first process.
        assert (ended["exitCode"], ended["signal"]) == (130, 2)
        assert "FailedPreStopHook" not in vmpod("events", "systemd").text
    vmpod("image", "rm", recipe.name)
