"""What is told before any machine is started: nothing may be left of it."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import yaml

from tests.machine.harness import Vmpod
from tests.machine.manifests import container, pod, secret, text


def test_unknown_field(vmpod: Vmpod, tmp_path: Path) -> None:
    """All faults at once, each with file, line, path and the nearest name."""
    manifest = tmp_path / "pod.yaml"
    manifest.write_text(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: wrong\nspec:\n  restartPolcy: Never\n"
        "  containers:\n  - name: main\n    imag: x\n    image: localhost/busybox\n"
    )
    errors = vmpod("run", str(manifest), status=125).errors
    assert f"{manifest}:6: spec.restartPolcy: " in errors
    assert "restartPolicy" in errors
    assert f"{manifest}:9: spec.containers[0].imag: " in errors
    assert "'image'" in errors or "image?" in errors
    assert vmpod.leftovers() == []


def test_missing_image(vmpod: Vmpod) -> None:
    """A name of localhost is never looked for in a network."""
    wrong = pod("nothing", container("main", "true") | {"image": "localhost/nope"})
    errors = vmpod("run", "-", input=text(wrong), status=125).errors
    assert "localhost/nope" in errors
    assert "vmpod image load" in errors
    assert vmpod.leftovers() == []


@pytest.mark.parametrize(("kind", "protocol"), [(socket.SOCK_STREAM, "tcp"), (socket.SOCK_DGRAM, "udp")])
def test_taken_port(vmpod: Vmpod, kind: int, protocol: str) -> None:
    """Found before the machine starts."""
    with socket.socket(socket.AF_INET, kind) as holder:
        holder.bind(("127.0.0.1", 0))
        if protocol == "tcp":
            holder.listen()
        port = holder.getsockname()[1]
        publish = f"127.0.0.1:{port}:80/{protocol}"
        done = vmpod(
            "run", "--publish", publish, "-", input=text(pod("no", container("m", "true"))), status=125
        )
    assert f"host port {port} on 127.0.0.1 ({protocol.upper()})" in done.errors
    assert "Starting the machine" not in done.errors
    assert vmpod.leftovers() == []


def test_missing_host_path(vmpod: Vmpod, tmp_path: Path) -> None:
    """The field and the path are named."""
    gone = tmp_path / "gone"
    wrong = pod("no", container("main", "true"), volumes=[{"name": "v", "hostPath": {"path": str(gone)}}])
    errors = vmpod("run", "-", input=text(wrong), status=125).errors
    assert f"spec.volumes[0].hostPath: {gone} does not exist" in errors
    assert vmpod.leftovers() == []


def test_plan_touches_nothing(vmpod: Vmpod, tmp_path: Path) -> None:
    """Not even the directories are made; Secrets are not shown."""
    hidden = container(
        "main", "true", env=[{"name": "X", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]
    )
    manifest = tmp_path / "pod.yaml"
    manifest.write_text(text(secret("s", {"k": "much-too-secret"}), pod("planned", hidden)))
    elsewhere = Vmpod(tmp_path / "home")
    (plan,) = yaml.safe_load(elsewhere("plan", str(manifest)).out)["items"]
    assert plan["pod"]["name"] == "planned"
    domain = elsewhere("plan", "-o", "xml", str(manifest)).text
    assert domain.startswith("<domain ")
    assert "<name>vmpod-planned</name>" in domain
    assert "much-too-secret" not in elsewhere("plan", "-o", "json", str(manifest)).text
    assert list(tmp_path.iterdir()) == [manifest]
