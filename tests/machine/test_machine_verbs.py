"""Copying, forwarding, signals and figures: what commands do with a pod that runs."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import signal
import socket
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.machine.harness import Running, Vmpod, eventually
from tests.machine.manifests import container, mount, pod
from tests.machine.pods import Pods

NAME = "busy"
BIG = 100 * 1024 * 1024
WAIT = "while :; do sleep 60 & wait $!; done"
SERVE = f"mkdir -p /www; echo page > /www/index.html; httpd -p 80 -h /www; trap 'exit 3' TERM; {WAIT}"


@pytest.fixture(scope="module")
def busy(vmpod: Vmpod, module_pods: Pods) -> str:
    """A pod with a server and a container that is started again."""
    memory = {"limits": {"memory": "64Mi"}}
    return module_pods.start(
        pod(
            NAME,
            container("main", SERVE, volumeMounts=[mount("v", "/v")]),
            container("side", f"trap 'exit 0' TERM; {WAIT}", resources=memory),
            volumes=[{"name": "v", "emptyDir": {}}],
            restartPolicy="Always",
            terminationGracePeriodSeconds=1,
        )
    )


def test_a_tree_goes_in_and_out(vmpod: Vmpod, busy: str, tmp_path: Path) -> None:
    """Modes, links, and names are kept; the rules are cp's."""
    source = tmp_path / "tree"
    (source / "deep").mkdir(parents=True)
    (source / "deep/run").write_text("#!/bin/sh\necho ran\n")
    (source / "deep/run").chmod(0o751)
    (source / "link").symlink_to("deep/run")
    vmpod("cp", str(source), f"{busy}:/v")
    assert vmpod.exec(busy, "/v/tree/link").text == "ran\n"
    assert vmpod.exec(busy, "stat", "-c", "%a %u", "/v/tree/deep/run").text == "751 0\n"
    vmpod("cp", f"{busy}:/v/tree/.", str(tmp_path / "back"))
    assert (tmp_path / "back/link").readlink() == Path("deep/run")
    assert (tmp_path / "back/deep/run").read_text() == (source / "deep/run").read_text()
    assert (tmp_path / "back/deep/run").stat().st_mode & 0o777 == 0o751
    archive = vmpod("cp", f"{busy}:/v/tree", "-").out
    vmpod.exec(busy, "mkdir", "/other")
    vmpod("cp", "-", f"{busy}:/other", input=archive)
    assert vmpod.exec(busy, "cat", "/other/tree/deep/run").out == (source / "deep/run").read_bytes()
    missing = vmpod("cp", f"{busy}:/nowhere", str(tmp_path), status=125)
    assert "/nowhere" in missing.errors
    assert "has to be a path in a pod" in vmpod("cp", "a", "b", status=125).errors


def test_a_big_file_there_and_back(vmpod: Vmpod, busy: str, tmp_path: Path) -> None:
    """Unchanged, and with nothing beside it."""
    big = tmp_path / "big"
    with big.open("wb") as file:
        for _ in range(BIG >> 20):
            file.write(os.urandom(1 << 20))
    vmpod("cp", str(big), f"{busy}:/v/big")
    told = vmpod.exec(busy, "sha256sum", "/v/big").text.split()[0]
    assert told == hashlib.sha256(big.read_bytes()).hexdigest()
    vmpod("cp", f"{busy}:/v/big", str(tmp_path / "again"))
    assert (tmp_path / "again").read_bytes() == big.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again", "big"]


def test_a_hostile_link_leads_nowhere(vmpod: Vmpod, busy: str, tmp_path: Path) -> None:
    """A container puts a link where the host is expected to write."""
    vmpod.exec(busy, "sh", "-c", f"mkdir -p /evil; ln -s {tmp_path} /evil/out; touch /evil/file")
    (tmp_path / "target").mkdir()
    vmpod("cp", f"{busy}:/evil", str(tmp_path / "target"))
    vmpod.exec(busy, "sh", "-c", "rm /evil/out; mkdir /evil/out; touch /evil/out/escaped")
    vmpod("cp", f"{busy}:/evil/.", str(tmp_path / "target/evil"), status=125)
    assert not (tmp_path / "escaped").exists()


def test_a_killed_copy_ends_in_the_guest(vmpod: Vmpod, busy: str) -> None:
    """With its helper, within two seconds."""
    before = vmpod.exec(busy, "sh", "-c", "ls /proc | grep -c '^[0-9]'").text
    with vmpod.started("cp", f"{busy}:/dev/zero", "-") as running, contextlib.suppress(OSError):
        time.sleep(0.5)
        running.signal(signal.SIGKILL)
        running.process.wait()
    with vmpod.started("cp", "-", f"{busy}:/v") as running:
        time.sleep(0.5)
        running.signal(signal.SIGKILL)
        running.process.wait()
    # One of the commands before may still have been ending.
    assert int(vmpod.exec(busy, "sh", "-c", "sleep 2; ls /proc | grep -c '^[0-9]'").text) <= int(before)


def _port(running: Running) -> int:
    running.until(b"Forwarding from 127.0.0.1:")
    found = re.search(rb"127\.0\.0\.1:(\d+) -> 80", running.out)
    assert found
    return int(found[1])


def _page(port: int) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60) as answer:
        return bytes(answer.read())


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ports_are_forwarded(vmpod: Vmpod, busy: str, number: int, status: int) -> None:
    """Many at once; a port that nobody listens on is told; a signal ends it."""
    with vmpod.started("port-forward", busy, ":80", ":81") as running:
        port = _port(running)
        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(_page, [port] * 16)) == {b"page\n"}
        found = re.search(rb"127\.0\.0\.1:(\d+) -> 81", running.out)
        assert found
        with socket.create_connection(("127.0.0.1", int(found[1])), timeout=60) as refused:
            assert refused.recv(1) == b""
        running.until_error(b"81")
        running.signal(number)
        assert running.end().status == status


def test_a_killed_forward_closes_what_was_open(vmpod: Vmpod, busy: str) -> None:
    """Within two seconds nothing of it is left in the guest."""
    count = "netstat -tn 2>/dev/null | grep -c ':80 .*ESTABLISHED' || true"
    with vmpod.started("port-forward", busy, ":80") as running, _connected(_port(running)):
        eventually(lambda: vmpod.exec(busy, "sh", "-c", count).text != "0\n", "the connection in the guest")
        running.signal(signal.SIGKILL)
        running.process.wait()
        assert vmpod.exec(busy, "sh", "-c", f"sleep 2; {count}").text == "0\n"


def _connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=60)


def test_a_signal_and_the_figures(vmpod: Vmpod, busy: str) -> None:
    """kill's container is started again, as its policy says; stats and top tell what is."""
    vmpod("kill", "-s", "TERM", "-c", "side", busy)
    eventually(lambda: vmpod.status(busy, "side")["restartCount"] == 1, "the restart")
    eventually(lambda: "running" in vmpod.status(busy, "side")["state"], "the new run")
    (told,) = json.loads(vmpod("stats", "--no-stream", "-o", "json", busy).out)["items"]
    containers = {each["name"]: each for each in told["containers"]}
    assert containers.keys() == {"main", "side"}
    assert 0 < containers["side"]["memoryBytes"] < 64 * 2**20, containers
    row = vmpod("top", busy).lines[1].split()
    assert row[0] == NAME
    assert row[1].endswith("m")
    assert row[2].endswith("Mi")
    assert "no container 'nope'" in vmpod("kill", "-c", "nope", busy, status=125).errors
    assert "no signal" in vmpod("kill", "-s", "NOPE", busy, status=125).errors.lower().replace(
        "signal", "signal"
    )
