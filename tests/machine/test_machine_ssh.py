"""Shells in the machine: vmpod's own, and those of OpenSSH, sftp, scp and rsync.

The pod sees the machine's processes (hostPID), so that a container can be asked what is left of a session.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.machine.harness import LIMIT, Done, Vmpod, eventually
from tests.machine.manifests import container, pod
from tests.machine.pods import Pods
from tests.machine.screen import terminal

ASK_AGENT = (
    "import _socket, os; s = _socket.socket(_socket.AF_UNIX); s.connect(os.environ['SSH_AUTH_SOCK']); "
    r"s.send(b'\0\0\0\1\x0b'); print(s.recv(4096))"  # SSH2_AGENTC_REQUEST_IDENTITIES
)


@dataclass(frozen=True)
class Clients:
    """OpenSSH and what runs over it. host: what it calls the machine."""

    vmpod: Vmpod
    config: Path
    host: str

    def ssh(self, *words: str, status: int = 0, data: bytes = b"") -> Done:
        return self.run("ssh", "-F", str(self.config), self.host, *words, status=status, data=data)

    def run(self, *argv: str, status: int = 0, data: bytes = b"") -> Done:
        process = subprocess.run(argv, input=data, capture_output=True, timeout=LIMIT, check=False, cwd="/")
        assert process.returncode == status, process.stderr.decode()
        return Done(process.returncode, process.stdout, process.stderr)


@pytest.fixture(scope="module")
def name(module_pods: Pods) -> str:
    return module_pods.start(pod("reached", container("main", "exec sleep 100000"), hostPID=True))


@pytest.fixture
def clients(vmpod: Vmpod, name: str, tmp_path: Path) -> Clients:
    return _clients(vmpod, name, tmp_path / "config")


def _clients(vmpod: Vmpod, name: str, config: Path) -> Clients:
    config.write_bytes(vmpod("ssh-config", name).out)
    return Clients(vmpod, config, f"vmpod-{name}")


def _servers(vmpod: Vmpod, name: str) -> list[str]:
    """Processes of SSH sessions in the machine, as a container of the pod sees them."""
    lines = vmpod.exec(name, "ps", "-o", "args").lines
    return [line for line in lines if line.startswith("/usr/bin/dropbear")]


def _until_gone(vmpod: Vmpod, name: str) -> None:
    eventually(lambda: not _servers(vmpod, name), "the end of the sessions' servers")


def test_commands(vmpod: Vmpod, name: str) -> None:
    """Exit codes, signals, the standard streams; the machine is what it is in."""
    done = vmpod("ssh", name, "--", "echo out; echo err >&2; exit 7", status=7)
    assert (done.out, done.err) == (b"out\n", b"err\n")
    vmpod("ssh", name, "--", "kill -9 $$", status=137)
    vmpod("ssh", name, "--", "nothing-of-that-name", status=127)
    assert vmpod("ssh", name, "sha256sum", input=b"x" * 3_000_000).text.split()[0] == (
        hashlib.sha256(b"x" * 3_000_000).hexdigest()
    )
    assert vmpod("ssh", name, input="echo one\ncat /proc/1/comm\nexit 3\n", status=3).lines == [
        "one",
        "python3",
    ]
    # Words are joined, as ssh does it; options behind the pod's name are the command's.
    assert vmpod("ssh", name, "echo", "-n", "$((6*7))").text == "42"
    # It sees its containers.
    assert vmpod("ssh", name, "ls", "/run/vmpod/containers/main-0/rootfs/bin/busybox").text


def test_much_output_is_neither_lost_nor_reordered(vmpod: Vmpod, name: str) -> None:
    done = vmpod("ssh", name, "--", "seq 1 200000; seq 1 1000 >&2; exit 1", status=1)
    assert done.out == "".join(f"{number}\n" for number in range(1, 200_001)).encode()
    assert done.err == "".join(f"{number}\n" for number in range(1, 1001)).encode()


def test_a_terminal(vmpod: Vmpod, name: str) -> None:
    with terminal(vmpod, 40, 132, "ssh", name) as screen:
        screen.until("This is the machine of a pod")
        screen.until("# ")
        screen.type("stty size; echo $TERM; tty\r")
        screen.until("40 132\r\n")
        screen.until("/dev/pts/0\r\n")
        screen.resize(50, 100)
        screen.type("until stty size | grep '50 100'; do usleep 10000; done\r")
        screen.until("done\r\n50 100\r\n")
        # Not before the shell is at it: what comes earlier interrupts nothing.
        screen.type("echo o''n; sleep 1000\r")
        screen.until("on\r\n")
        screen.type("\x03")
        screen.type("exit $((3 + 6))\r")
        assert screen.running.end().status == 9
        assert screen.settings() == screen.before
    with terminal(vmpod, 24, 80, "ssh", name, "-t", "--", "tty; exec sleep 1000") as screen:
        screen.until("/dev/pts/")
        screen.running.signal(signal.SIGTERM)
        assert screen.running.end().status == 128 + signal.SIGTERM
        assert screen.settings() == screen.before


def test_openssh(clients: Clients) -> None:
    done = clients.ssh("echo out; echo err >&2; cat; exit 7", status=7, data=b"in")
    assert (done.out, done.err) == (b"out\nin", b"err\n")
    assert clients.ssh("-tt", "tty").text == "/dev/pts/0\r\n"
    # No ports in the machine that lead here.
    refused = clients.run(
        *("ssh", "-F", str(clients.config), "-N", "-R", "8022:127.0.0.1:22"),
        *("-o", "ExitOnForwardFailure=yes", clients.host),
        status=255,
    )
    assert "remote port forwarding failed" in refused.errors


def test_files(clients: Clients, tmp_path: Path) -> None:
    """sftp and scp: there and back again."""
    own = tmp_path / "own"
    own.write_bytes(os.urandom(2_000_000))
    batch = f"put {own} there\nchmod 640 there\nget there {tmp_path}/back\nrename there elsewhere\n"
    clients.run("sftp", "-b", "-", "-F", str(clients.config), clients.host, data=batch.encode())
    assert (tmp_path / "back").read_bytes() == own.read_bytes()
    clients.run("scp", "-F", str(clients.config), f"{clients.host}:elsewhere", f"{tmp_path}/again")
    assert (tmp_path / "again").read_bytes() == own.read_bytes()
    assert clients.ssh("stat -c '%a %s' elsewhere; rm elsewhere").text == "640 2000000\n"


def _tree(top: Path) -> None:
    """Files of all kinds and sizes."""
    for number in range(200):
        path = top / f"d{number % 7}" / f"file {number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(number * 40))
        path.chmod(0o600 + number % 64)
        os.utime(path, ns=(0, number * 10**9))
    (top / "big").write_bytes(os.urandom(3_000_000))
    (top / "link").symlink_to("d1/file 1")
    (top / "empty").mkdir()


def _content(top: Path) -> dict[str, tuple[int, int, bytes]]:
    """What of it has to be the same. rsync is content with times that differ by parts of a second."""
    found = {}
    for path in sorted(top.rglob("*")):
        status = path.lstat()
        content = bytes(path.readlink()) if path.is_symlink() else b""
        if stat.S_ISREG(status.st_mode):
            content = path.read_bytes()
        found[str(path.relative_to(top))] = (status.st_mode, int(status.st_mtime), content)
    return found


def test_rsync(clients: Clients, tmp_path: Path) -> None:
    """A tree goes there and comes back the same; and what has not changed does not travel again."""
    source = tmp_path / "source"
    _tree(source)
    shell = f"ssh -F {clients.config}"
    there = f"{clients.host}:tree"
    clients.run("rsync", "-a", "-e", shell, f"{source}/", there)
    again = clients.run("rsync", "-a", "--stats", "-e", shell, f"{source}/", there)
    assert "Number of regular files transferred: 0" in again.text
    clients.run("rsync", "-a", "-e", shell, f"{there}/", f"{tmp_path}/back")
    assert _content(tmp_path / "back") == _content(source)
    clients.ssh("rm -r tree")


def test_sessions_side_by_side_and_their_ends(vmpod: Vmpod, name: str, clients: Clients) -> None:
    """Each has a server of its own, which goes with it; and the keys go with the last one."""
    _until_gone(vmpod, name)
    ready = "echo ready; exec sleep 1000"
    argv = ["ssh", "-F", str(clients.config), clients.host, ready]
    with (
        vmpod.started("ssh", name, "--", ready) as first,
        subprocess.Popen(argv, stdout=subprocess.PIPE, cwd="/") as second,
    ):
        try:
            first.until(b"ready\n")
            assert second.stdout is not None
            assert second.stdout.readline() == b"ready\n"
            assert len(_servers(vmpod, name)) == 2
            first.signal(signal.SIGKILL)
            eventually(lambda: len(_servers(vmpod, name)) == 1, "the end of the first one's server")
        finally:
            # Popen would wait for it, however this goes.
            second.kill()
    _until_gone(vmpod, name)
    # What a client that died had asked vmpod for has ended, too.
    sleeping = [line for line in vmpod.exec(name, "ps", "-o", "args").lines if line == "sleep 1000"]
    assert len(sleeping) <= 1  # OpenSSH's own leaves it to the command
    left = vmpod("ssh", name, "--", "ls -A /sys/fs/cgroup/ssh; find /run/vmpod/ssh -type f").lines
    assert [line for line in left if line.startswith("/run/vmpod/ssh/")] == [
        "/run/vmpod/ssh/authorized_keys",
        "/run/vmpod/ssh/host_key",
    ]
    vmpod("ssh", name, "--", "kill $(ps -o pid,args | awk '$3 == 1000 { print $1 }') 2>/dev/null; true")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_who_is_interrupted_leaves_nothing(number: int, vmpod: Vmpod, name: str) -> None:
    with vmpod.started("ssh", name, "--", "echo ready; sleep 1001; true") as running:
        running.until(b"ready\n")
        running.signal(number)
        assert running.end().status == 128 + number
    assert not [line for line in vmpod.exec(name, "ps", "-o", "args").lines if "sleep 1001" in line]


def test_what_stays_in_the_background(vmpod: Vmpod, name: str) -> None:
    vmpod("ssh", name, "--", "setsid sh -c 'sleep 1; echo yes > later' >/dev/null 2>&1 &")
    wait = "until [ -s later ]; do usleep 100000; done; cat later; rm later"
    assert vmpod("ssh", name, "--", wait).text == "yes\n"


def test_no_container_sees_keys_or_server(vmpod: Vmpod, name: str) -> None:
    """Not even one that sees the server's process; nothing listens."""
    _until_gone(vmpod, name)
    with vmpod.started("ssh", name, "--", "echo ready; exec sleep 1000") as running:
        running.until(b"ready\n")
        found = vmpod.exec(name, "sh", "-c", "pidof dropbear").text.split()
        assert found
        for path in ("root/run/vmpod/ssh/host_key", "cwd/.ssh/host_key", "fd/0", "environ", "mem"):
            done = vmpod.exec(name, "cat", f"/proc/{found[0]}/{path}", status=1)
            assert "Permission denied" in done.errors
        listening = "cat /proc/net/tcp /proc/net/tcp6 /proc/net/unix"
        assert not [line for line in vmpod.exec(name, "sh", "-c", listening).lines if " 0A " in line]
        assert vmpod.exec(name, "sh", "-c", "ls -d /run/vmpod /root/.ssh", status=1).text == ""


@contextlib.contextmanager
def _instead(path: Path, content: bytes) -> Iterator[None]:
    before = path.read_bytes()
    path.write_bytes(content)
    try:
        yield
    finally:
        path.write_bytes(before)


def test_another_host_key_is_refused(vmpod: Vmpod, name: str, clients: Clients, tmp_path: Path) -> None:
    keys = vmpod.pod_directory(name) / "ssh"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "other"], check=True)
    kind, other, _ = (tmp_path / "other.pub").read_text().split()
    with _instead(keys / "known_hosts", f"{clients.host} {kind} {other}\n".encode()):
        refused = vmpod("ssh", name, "--", "echo here", status=125)
        assert refused.out == b""
        assert "shows another key" in refused.errors
        assert "[host-key]" in refused.errors
        assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in clients.ssh("echo here", status=255).errors
    with _instead(keys / "id_ed25519", (tmp_path / "other").read_bytes()):
        assert "does not take our key" in vmpod("ssh", name, "--", "true", status=125).errors
        assert "Permission denied" in clients.ssh("true", status=255).errors
    assert stat.S_IMODE(keys.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in keys.iterdir()} == {0o600}


def test_the_users_agent(vmpod: Vmpod, name: str, tmp_path: Path) -> None:
    """It is the machine's to ask, where that is wanted, and then only."""
    ask = f'python3 -S -c "{ASK_AGENT}"'
    assert "SSH_AUTH_SOCK is not set" in _with_agent(vmpod, "")("ssh", "-A", name, "true", status=125).errors
    socket = tmp_path / "agent"
    with subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL) as agent:
        try:
            eventually(socket.exists, "the agent's socket")
            key = tmp_path / "key"
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "mine", "-f", key], check=True
            )
            subprocess.run(
                ["ssh-add", "-q", key], env={**os.environ, "SSH_AUTH_SOCK": str(socket)}, check=True
            )
            own = _with_agent(vmpod, str(socket))
            assert b"mine" in own("ssh", "-A", name, "--", ask).out
            assert own("ssh", name, "--", "echo $SSH_AUTH_SOCK").text == "\n"
        finally:
            agent.terminate()


def _with_agent(vmpod: Vmpod, socket: str) -> Vmpod:
    return Vmpod(vmpod.home, environment={"SSH_AUTH_SOCK": socket})


def test_a_copy_has_keys_of_its_own(vmpod: Vmpod, pods: Pods, name: str, tmp_path: Path) -> None:
    """Also if somebody was there when it was made; and a stopped pod keeps its own, and its home."""
    with vmpod.started("ssh", name, "--", "echo ready; exec sleep 1000") as running:
        running.until(b"ready\n")
        (copy,) = json.loads(vmpod("fork", name, "-o", "json").out)["items"]
        pods.adopt(copy["name"])
    other = copy["name"]
    _until_gone(vmpod, other)
    copied = _clients(vmpod, other, tmp_path / "copy")
    original = _clients(vmpod, name, tmp_path / "original")
    assert copied.ssh("hostname; echo kept > /root/kept").text == f"{other}\n"
    assert original.ssh("hostname; ls /root/kept 2>&1", status=1).lines[0] == name
    for file in ("known_hosts", "id_ed25519.pub", "host_key"):
        mine, theirs = (vmpod.pod_directory(each) / "ssh" / file for each in (name, other))
        assert mine.read_bytes() != theirs.read_bytes()

    vmpod("stop", other)
    stopped = vmpod("ssh", other, "--", "true", status=125)
    assert "not running [machine]" in stopped.errors
    assert "not running [machine]" in copied.ssh("true", status=255).errors
    assert vmpod("ssh-config", other).out == copied.config.read_bytes()
    vmpod("start", other)
    assert copied.ssh("cat /root/kept").text == "kept\n"
    assert vmpod("ssh", other, "cat", "/root/kept").text == "kept\n"


def test_what_makes_no_sense(vmpod: Vmpod, name: str) -> None:
    assert "no pod 'nobody'" in vmpod("ssh", "nobody", status=125).errors
    assert "no pod 'nobody'" in vmpod("ssh-config", name, "nobody", status=125).errors
    assert "--stdio goes with nothing else" in vmpod("ssh", "--stdio", name, "true", status=125).errors
