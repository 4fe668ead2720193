"""The example with a WAR file, as its README tells it: images made of packages, run, asked over HTTP."""

from __future__ import annotations

import contextlib
import re
import urllib.request
from pathlib import Path

import pytest

from examples.build import build, recipes
from tests.machine.harness import CHECKOUT, Vmpod, free_port
from tests.machine.pods import Pods

EXAMPLE = CHECKOUT / "examples/tomcat-war"


@pytest.fixture(scope="module")
def images(vmpod: Vmpod) -> list[Path]:
    """The example's images, made if they are not there yet, and loaded."""
    made = recipes(EXAMPLE / "images.toml")
    for recipe in made:
        if not recipe.archive.exists():
            build(recipe)
        vmpod("image", "load", str(recipe.archive))
    return [recipe.archive for recipe in made]


def _answer(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as response:
        body: bytes = response.read()
        return body.decode()


@pytest.mark.slow
def test_tomcat_serves_the_war_that_the_init_container_brought(
    vmpod: Vmpod, pods: Pods, images: list[Path]
) -> None:
    port = free_port()
    with contextlib.closing(pods):
        pods.adopt("tomcat-war")
        publish = f"127.0.0.1:{port}:8080"
        vmpod("run", "-d", "--publish", publish, str(EXAMPLE / "pod.yaml"))
        # It is ready when it answers: that is what its startup probe is for.
        answer = _answer(f"http://127.0.0.1:{port}/any/path")
        kernel = vmpod.exec("tomcat-war", "cat", "/proc/sys/kernel/osrelease").text.strip()
        first, second = answer.splitlines()
        assert first == "Hello from the pod tomcat-war."
        assert re.fullmatch(
            rf"Java 17\.\S+ behind Apache Tomcat/10\.\S+ \(Debian\), on Linux {kernel}\.", second
        )

        # It came by way of the volume: the server's own image has no application.
        listed = vmpod.exec("tomcat-war", "ls", "/var/lib/tomcat10/webapps").lines
        assert listed == ["ROOT.war"]
        assert vmpod.status("tomcat-war", "war")["state"]["terminated"]["exitCode"] == 0

        logs = vmpod("logs", "tomcat-war", "-c", "tomcat").errors
        assert (
            "Deployment of web application archive [/var/lib/tomcat10/webapps/ROOT.war] has finished" in logs
        )
        assert "SEVERE" not in logs
        vmpod("stop", "tomcat-war")
        assert vmpod.status("tomcat-war", "tomcat")["state"]["terminated"]["exitCode"] == 143
    assert vmpod.leftovers() == []
