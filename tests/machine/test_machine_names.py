"""Names and networks: a machine in a network of the test's own, with name servers and IPv6.

Everything runs in one network and mount namespace: loopback, a card that leads nowhere, a resolv.conf that
can be changed, two name servers, a server on ::1.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machine.harness import LIMIT, Vmpod, eventually
from tests.machine.manifests import container, pod
from tests.machine.pods import Pods

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may make network namespaces")

# Answers every question for an A record with one address, over UDP, until it is killed.
_NAME_SERVER = """
import socket, sys
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind((sys.argv[1], 53))
answer = socket.inet_aton(sys.argv[2])
print("ready", flush=True)
while True:
    query, peer = sock.recvfrom(512)
    end = query.index(0, 12) + 5
    known = query[end - 4 : end - 2] == b"\\0\\1"
    head = query[:2] + b"\\x81\\x80\\0\\1" + (b"\\0\\1" if known else b"\\0\\0") + bytes(4)
    record = b"\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\0\\0\\4" + answer
    sock.sendto(head + query[12:end] + (record if known else b""), peer)
"""

_WEB_SERVER = """
import http.server, socket
class Server(http.server.HTTPServer):
    address_family = socket.AF_INET6
class Hello(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello over IPv6")
server = Server(("::1", 8080), Hello)
print("ready", flush=True)
server.serve_forever()
"""


class Network:
    """The namespaces, as a process that holds them, and what runs in them."""

    def __init__(self, resolv_conf: Path, undo: contextlib.ExitStack) -> None:
        self.resolv_conf = resolv_conf
        self._undo = undo
        script = f"mount --bind {resolv_conf} /etc/resolv.conf && ip link set lo up && echo ready && cat"
        self._holder = self._start("unshare", "-n", "-m", "sh", "-c", script)
        self.prefix = ("nsenter", "-t", str(self._holder.pid), "-n", "-m", "--")

    def serve(self, program: str, *words: str) -> None:
        """Run a Python program that prints a line when it is ready."""
        self._start(*self.prefix, sys.executable, "-c", textwrap.dedent(program), *words)

    def run(self, *words: str) -> None:
        """Run a command."""
        subprocess.run([*self.prefix, *words], check=True)

    def _start(self, *words: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._undo.enter_context(process)
        self._undo.callback(process.kill)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        return process


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    """Loopback, and a resolv.conf without a server."""
    resolv_conf = tmp_path / "resolv.conf"
    resolv_conf.touch()
    with contextlib.ExitStack() as undo:
        yield Network(resolv_conf, undo)


def test_names_follow_the_host_and_ipv6_is_the_hosts(vmpod: Vmpod, pods: Pods, network: Network) -> None:
    """The host's resolv.conf is changed below a running pod; ::1 of the host answers."""
    network.run("ip", "link", "add", "out", "type", "veth", "peer", "name", "away")
    network.run("ip", "link", "set", "out", "up")
    network.run("ip", "-6", "address", "add", "2001:db8::1/64", "dev", "out", "nodad")
    network.serve(_NAME_SERVER, "127.0.0.53", "192.0.2.1")
    network.serve(_NAME_SERVER, "127.0.0.54", "192.0.2.2")
    network.serve(_WEB_SERVER)
    network.resolv_conf.write_text("nameserver 127.0.0.53\n")
    inside = vmpod.behind(*network.prefix)
    document = pod("named", container("main", "sleep 3600"))
    pods.expect(document)
    name = Pods(inside).start(document)

    def answer() -> str:
        return inside.exec(name, "nslookup", "-type=a", "anything.example.", "10.0.2.3").text

    assert "192.0.2.1" in answer()
    # In place, as an editor or a VPN does: the file that is mounted stays the same one.
    network.resolv_conf.write_text("# changed\nnameserver 127.0.0.54\n")
    changed = time.monotonic()
    eventually(lambda: "192.0.2.2" in answer(), "the other server's answer", timeout=10.0)
    assert time.monotonic() - changed < 10.0

    status = vmpod.pod(name)["status"]
    assert status["podIPs"] == [{"ip": "10.0.2.15"}, {"ip": "fd76:6d70:6f64::f"}]
    shown = inside.exec(name, "ip", "-6", "address", "show", "dev", "eth0").text
    assert "fd76:6d70:6f64::f/64" in shown
    assert "tentative" not in shown
    assert "default via fd76:6d70:6f64::2" in inside.exec(name, "ip", "-6", "route").text
    got = inside.exec(name, "wget", "-q", "-O", "-", "http://[fd76:6d70:6f64::2]:8080/").text
    assert got == "hello over IPv6"


def test_an_empty_network_is_enough(vmpod: Vmpod, pods: Pods, network: Network) -> None:
    """A local image runs without a network, a name server and IPv6; and the pod sees that there is none."""
    script = "wget -T 5 -q -O - http://host.containers.internal:1/ || echo nobody; ip -6 address show eth0"
    manifest = pods.expect(pod("lonely", container("main", script)))
    done = vmpod.behind(*network.prefix)("run", "-q", "-", input=manifest, timeout=LIMIT)
    assert done.lines == ["main | nobody"]
