"""A pod that runs: what its containers see, and what the host sees of them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests import schemas
from tests.machine import richpod
from tests.machine.harness import Vmpod, eventually
from tests.machine.manifests import container, pod, text
from tests.machine.pods import Pods
from tests.machine.richpod import NAME, SECRETS, RichPod

READ = 1024 * 1024


@pytest.fixture(scope="module")
def rich(vmpod: Vmpod, module_pods: Pods, tmp_path_factory: pytest.TempPathFactory) -> RichPod:
    """The running pod."""
    probe = richpod.compile_probe(tmp_path_factory.mktemp("probe"))
    found, documents, options = richpod.prepare(vmpod, probe)
    module_pods.start(*documents, options=options)
    return found


def shell(vmpod: Vmpod, script: str, container: str = "main") -> str:
    """What a script prints in a container."""
    return vmpod("exec", "-c", container, NAME, "--", "sh", "-c", script).text


def test_detached_run_returns_when_ready(vmpod: Vmpod, rich: RichPod) -> None:
    """Every container runs by then; a v1 Pod says so."""
    found = vmpod.pod(NAME)
    assert found["status"]["phase"] == "Running"
    assert {each["type"]: each["status"] for each in found["status"]["conditions"]} == dict.fromkeys(
        ("PodScheduled", "PodReadyToStartContainers", "Initialized", "ContainersReady", "Ready"), "True"
    )
    assert [list(each["state"]) for each in found["status"]["containerStatuses"]] == [["running"]] * 2
    assert [each["ready"] for each in found["status"]["containerStatuses"]] == [True, True]
    assert found["metadata"]["uid"] == vmpod.record(NAME)["uid"]
    schemas.check(found)


def test_lists(vmpod: Vmpod, rich: RichPod) -> None:
    """The table, the wide one, names, and JSON."""
    row = vmpod("ps").lines[1]
    assert row.split()[:4] == [NAME, "2/2", "Running", "0"]
    assert f"127.0.0.1:{rich.tcp}->80" in row
    assert str(vmpod.qemu(NAME)) in vmpod("get", NAME, "-o", "wide").text.split()
    assert vmpod("ps", "-q").lines == [NAME]
    assert json.loads(vmpod("ps", "-o", "json").out)["items"][0]["metadata"]["name"] == NAME
    assert vmpod("get", NAME, "-o", "jsonpath={.status.containerStatuses[*].ready}").text == "true true"


def test_published_ports(rich: RichPod) -> None:
    """TCP and UDP by hostPort."""
    with urllib.request.urlopen(f"http://127.0.0.1:{rich.tcp}/", timeout=60) as answer:
        assert answer.read() == b"<h1>It works</h1>\n"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(60)
        client.sendto(b"are you there?", ("127.0.0.1", rich.udp))
        assert client.recv(100) == b"are you there?"


def test_published_by_option(vmpod: Vmpod, rich: RichPod) -> None:
    """--publish leads to a server that is started later."""
    shell(vmpod, "echo late > /tmp/late; (nc -l -p 8080 < /tmp/late > /dev/null) > /dev/null 2>&1 &")

    def answer() -> bytes:
        with socket.create_connection(("127.0.0.1", rich.extra), timeout=60) as client:
            return client.recv(100)

    eventually(lambda: answer() == b"late\n", "an answer from the published port")


class _Hello(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello from the host\n")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def host_server() -> Iterator[int]:
    """The port of a server on the host's loopback."""
    with HTTPServer(("127.0.0.1", 0), _Hello) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def test_the_pod_reaches_the_host(vmpod: Vmpod, rich: RichPod, host_server: int) -> None:
    """By address and by name."""
    for name in ("10.0.2.2", "host.containers.internal"):
        assert shell(vmpod, f"wget -q -O - http://{name}:{host_server}/") == "hello from the host\n"


def test_names_and_resolver(vmpod: Vmpod, rich: RichPod) -> None:
    """The host's search list and options, with QEMU's resolver, which asks the host's."""
    told = shell(vmpod, "hostname; cat /etc/hostname; echo $HOSTNAME").split()
    assert told == ["wealthy"] * 3
    assert "wealthy" in shell(vmpod, "grep 10.0.2.15 /etc/hosts")
    lines = shell(vmpod, "cat /etc/resolv.conf").splitlines()
    assert "nameserver 10.0.2.3" in lines
    own = Path("/etc/resolv.conf").read_text().splitlines()
    assert [line.split() for line in lines if line.startswith("search")] == [
        line.split() for line in own if line.startswith("search")
    ]


def test_containers_share_network_and_ipc_but_not_processes(vmpod: Vmpod, rich: RichPod) -> None:
    """localhost, /dev/shm and System V memory are common; process tables and roots are not."""
    assert shell(vmpod, "wget -q -O - http://localhost/", "side") == "<h1>It works</h1>\n"
    shell(vmpod, "/probe/probe shm-put 77 'left by main'; echo common > /dev/shm/file")
    assert shell(vmpod, "cat /dev/shm/file", "side") == "common\n"
    assert shell(vmpod, "/probe/probe shm-get 77", "side") == "left by main\n"
    namespaces = [
        shell(vmpod, "for each in net ipc uts pid mnt; do readlink /proc/self/ns/$each; done", each).split()
        for each in ("main", "side")
    ]
    assert namespaces[0][:3] == namespaces[1][:3]
    assert set(namespaces[0][3:]).isdisjoint(namespaces[1][3:])
    assert "httpd" in shell(vmpod, "ps")
    assert "httpd" not in shell(vmpod, "ps", "side")
    shell(vmpod, "touch /only-main")
    assert "only-main" not in shell(vmpod, "ls /", "side")


def test_environment(vmpod: Vmpod, rich: RichPod) -> None:
    """References are replaced as Kubernetes does; Secrets and ConfigMaps arrive."""
    # The token has two lines.
    found = dict(
        line.split("=", 1)
        for line in shell(vmpod, "env -0 2>/dev/null || cat /proc/1/environ").split("\0")
        if line
    )
    assert found["JOINED"] == "<plain> $(PASSWORD_TOO_LATE) $(PLAIN)"
    assert found["PASSWORD"] == found["K_password"] == SECRETS["password"]
    assert found["URL"] == f"http://user:{SECRETS['password']}@example"
    assert found["K_token"] == SECRETS["token"]
    assert found["MODE"] == found["P_mode"] == "rich"
    assert found["HOSTNAME"] == "wealthy"


def test_config_and_secret_volumes(vmpod: Vmpod, rich: RichPod) -> None:
    """Files with their modes, only the items named, not writable."""
    assert shell(vmpod, "ls /www") == "index.html\n"
    assert shell(vmpod, "cat /keys/deep/password /keys/t") == SECRETS["password"] + SECRETS["token"]
    assert shell(vmpod, "stat -L -c %a /keys/deep/password /keys/t /www/index.html").split() == [
        "440",
        "400",
        "644",
    ]
    failed = vmpod.exec(NAME, "sh", "-c", "echo x > /keys/t", status=1)
    assert "Read-only" in failed.errors


def _stored(path: Path) -> Iterator[bytes]:
    """The parts of a sparse file that hold data, overlapping so that nothing hides at a seam."""
    with path.open("rb") as file:
        end, rest = 0, b""
        while True:
            try:
                start = os.lseek(file.fileno(), end, os.SEEK_DATA)
            except OSError:
                return
            end = os.lseek(file.fileno(), start, os.SEEK_HOLE)
            file.seek(start)
            rest = b""
            while start < end and (chunk := file.read(min(READ, end - start))):
                start += len(chunk)
                yield rest + chunk
                rest = chunk[-100:]


def test_secrets_are_nowhere_on_the_host(vmpod: Vmpod, rich: RichPod) -> None:
    """Not in a file of ours, not in a command line or environment."""
    shell(vmpod, "sync")
    files = [
        Path(directory, name)
        for directory, _, names in os.walk(vmpod.home)
        for name in names
        if Path(directory, name).is_file() and not Path(directory, name).is_symlink()
    ]
    assert vmpod.pod_directory(NAME) / "scratch.raw" in files
    assert any(path.suffix == ".xml" for path in files), "libvirt's domain should be among the files"
    for path in files:
        # Other pods of this home come and go meanwhile.
        with contextlib.suppress(FileNotFoundError):
            for chunk in _stored(path):
                for trace in richpod.traces():
                    assert trace not in chunk, f"{trace!r} is in {path}"
    for entry in Path("/proc").glob("[0-9]*"):
        for name in ("cmdline", "environ"):
            try:
                content = (entry / name).read_bytes()
            except OSError:
                continue
            assert not any(trace in content for trace in richpod.traces()), f"in {entry}/{name}: {content!r}"


def test_plan_of_a_pod_with_secrets_shows_none(vmpod: Vmpod, rich: RichPod) -> None:
    """Neither does what get prints."""
    told = vmpod("get", NAME, "-o", "yaml").out
    assert not any(trace in told for trace in richpod.traces())


def test_empty_directories(vmpod: Vmpod, rich: RichPod) -> None:
    """On disk, and in memory with a limit; shared, read-only and in part where the mount says so."""
    assert shell(vmpod, "mount | grep ' /work/memory '").split()[4] == "tmpfs"
    assert int(shell(vmpod, "df -k /work/memory | tail -n 1").split()[1]) == 8 * 1024
    full = vmpod.exec(NAME, "sh", "-c", "dd if=/dev/zero of=/work/memory/big bs=1M count=9", status=1)
    assert "No space" in full.errors
    shell(vmpod, "rm /work/memory/big; echo shared > /work/disk/file; mkdir -p /work/disk/below/here")
    assert shell(vmpod, "cat /read/file", "side") == "shared\n"
    assert (
        "Read-only"
        in vmpod("exec", "-c", "side", NAME, "--", "sh", "-c", "echo x > /read/file", status=1).errors
    )
    shell(vmpod, "chmod 777 /work/disk/below/here")
    shell(vmpod, "echo part > /part/file", "side")
    assert shell(vmpod, "cat /work/disk/below/here/file") == "part\n"
    assert int(shell(vmpod, "df -k /work/disk | tail -n 1").split()[1]) > 32 * 2**20


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's shares keep owners")
def test_host_path_keeps_owners(vmpod: Vmpod, rich: RichPod) -> None:
    """Both ways, with modes; and a user of the guest has a user's rights."""
    assert shell(vmpod, "cat /share/theirs; stat -c %u:%g:%a /share/theirs") == (
        "from the host\n1234:4321:640\n"
    )
    denied = vmpod("exec", "-c", "side", NAME, "--", "cat", "/share/theirs", status=1)
    assert "Permission denied" in denied.errors
    shell(vmpod, "umask 027; echo mine > /share/mine; mkdir /share/box; ln -s mine /share/link", "side")
    status = (rich.share / "mine").stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (1000, 1001, 0o640)
    assert (rich.share / "mine").read_text() == "mine\n"
    assert os.readlink(rich.share / "link") == "mine"  # noqa: PTH115
    (rich.share / "mine").write_text("changed by the host\n")
    assert shell(vmpod, "cat /share/link", "side") == "changed by the host\n"
    shell(vmpod, "chown 7:8 /share/mine; chmod 4711 /share/mine; mv /share/mine /share/box/")
    status = (rich.share / "box/mine").stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (7, 8, 0o4711)


def test_read_only_host_path(vmpod: Vmpod, rich: RichPod) -> None:
    """The host refuses, not the guest alone."""
    assert "Read-only" in vmpod.exec(NAME, "touch", "/probe/x", status=1).errors
    assert not (rich.data / "x").exists()


def test_users(vmpod: Vmpod, rich: RichPod) -> None:
    """runAsUser and runAsGroup, also in an exec."""
    assert shell(vmpod, "id -u; id -g") == "0\n0\n"
    assert shell(vmpod, "id -u; id -g; echo $HOME; grep Uid /proc/1/status", "side").split() == [
        "1000",
        "1001",
        "/home/web",
        "Uid:",
        *["1000"] * 4,
    ]


def test_limits_are_in_the_cgroup(vmpod: Vmpod, rich: RichPod) -> None:
    """Of the container that has them, as the container sees it."""
    told = shell(vmpod, "cd /sys/fs/cgroup; cat memory.max cpu.max cpu.weight", "side").split()
    # The kubelet's weight of a quarter of a core, which is what is requested.
    assert told == [rich.memory, "50000", "100000", "10"]
    assert shell(vmpod, "cat /sys/fs/cgroup/memory.max").split() == ["max"]


def test_logs_follow(vmpod: Vmpod, rich: RichPod) -> None:
    """Lines come as they are written; one container's alone where that is asked for."""
    assert vmpod("logs", NAME).lines == ["main | started"]
    with vmpod.started("logs", "-f", "-c", "main", NAME) as running:
        running.until(b"started\n")
        shell(vmpod, "echo later > /proc/1/fd/1")
        running.until(b"later\n")
        running.signal(signal.SIGINT)
        assert running.end().status == 130


def test_console(vmpod: Vmpod, rich: RichPod) -> None:
    """What was said before is shown, and Ctrl-] leaves without harm to the pod."""

    def log() -> bytes:
        return vmpod("console", "--log", NAME).out

    # A machine copied from a template says so a moment after its start.
    eventually(lambda: b"vmpod-agent: " in log(), "the agent's word on the console")
    assert vmpod("console", NAME, input=b"\x1d").out == log()
    assert log() == (vmpod.pod_directory(NAME) / "console.log").read_bytes()
    assert vmpod.exec(NAME, "true").out == b""


def test_rm_refuses_a_running_pod(vmpod: Vmpod, rich: RichPod) -> None:
    """And says how it would not."""
    refused = vmpod("rm", NAME, status=125)
    assert "is running" in refused.errors
    assert f"vmpod rm --force {NAME}" in refused.errors
    assert vmpod.exec(NAME, "true").status == 0


def test_a_name_is_taken(vmpod: Vmpod, rich: RichPod) -> None:
    """Told before anything is started, and the pod there is left alone."""
    again = pod(NAME, container("main", "true"))
    refused = vmpod("run", "-", input=text(again), status=125)
    assert f"there is a pod {NAME} already" in refused.errors
    assert "--replace" in refused.errors
    assert vmpod.exec(NAME, "true").status == 0
