"""What is asked of the host: its resolver, paths and ports."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from tests.unit.spec.manifests import container, pod, read
from vmpod.errors import ConflictError
from vmpod.plan.forward import Forward
from vmpod.plan.host import Resolver
from vmpod.runtime.facts import has_ipv6, host_facts, path_kind, read_resolver
from vmpod.runtime.ports import check_free


@pytest.mark.parametrize(
    ("text", "resolver"),
    [
        ("", Resolver()),
        ("nameserver 1.2.3.4\n", Resolver()),
        ("search a.org b.org\noptions ndots:5 rotate\n", Resolver(("a.org", "b.org"), ("ndots:5", "rotate"))),
        ("domain a.org\n", Resolver(("a.org",))),
        ("search a.org\ndomain b.org\n", Resolver(("b.org",))),
        ("search a.org\nsearch\n", Resolver()),
        ("options a\noptions b\n", Resolver((), ("a", "b"))),
        ("# search no.org\n;options no\n  search\ta.org  \n", Resolver(("a.org",))),
    ],
)
def test_resolvers(text: str, resolver: Resolver, tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    path.write_text(text)
    assert read_resolver(path) == resolver


def test_without_a_resolver_there_is_an_empty_one(tmp_path: Path) -> None:
    assert read_resolver(tmp_path / "gone") == Resolver()
    (tmp_path / "binary").write_bytes(b"search \xff\xfe\n")
    assert len(read_resolver(tmp_path / "binary").search) == 1


@pytest.mark.parametrize(
    ("table", "found"),
    [
        ("", False),
        ("00000000000000000000000000000001 01 80 10 80       lo\n", False),
        ("fe80000000000000000000fffe000001 04 40 20 80     eth0\n", False),
        ("fd000000000000000000000000000002 04 40 00 82     eth0\n", True),
        ("a line of another kind\n", False),
    ],
)
def test_ipv6_is_there_where_an_address_leads_out(table: str, found: bool, tmp_path: Path) -> None:
    path = tmp_path / "if_inet6"
    path.write_text(table)
    assert has_ipv6(path) is found
    assert not has_ipv6(tmp_path / "gone")


def test_kinds_of_paths(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "dangling").symlink_to("gone")
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        found = {path.name: path_kind(str(path)) for path in tmp_path.iterdir()}
    assert found == {"file": "file", "link": "file", "dangling": "missing", "fifo": "missing", "s": "socket"}
    assert path_kind(str(tmp_path)) == "directory"
    assert path_kind("/dev/null") == "char-device"
    assert path_kind("/nonexistent") == "missing"


def test_facts_cover_every_host_path_of_a_manifest(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    paths = {str(tmp_path): "directory", str(tmp_path / "file"): "file", "/nonexistent/x": "missing"}
    volumes = [{"name": f"v{n}", "hostPath": {"path": path}} for n, path in enumerate(paths)]
    facts = host_facts("tcg", read(pod(container(), volumes=volumes)), tmp_path / "pods")
    assert facts.host_paths == paths
    assert facts.obstacles == {
        str(tmp_path / "file"): "",
        "/nonexistent/x": "there is no directory /nonexistent to make it in",
    }
    assert facts.cpus >= 1
    assert facts.root is (os.geteuid() == 0)


@pytest.mark.parametrize(("kind", "protocol"), [(socket.SOCK_STREAM, "TCP"), (socket.SOCK_DGRAM, "UDP")])
@pytest.mark.parametrize("wanted", ["127.0.0.1", "0.0.0.0"])
def test_a_taken_port_is_found(kind: socket.SocketKind, protocol: str, wanted: str) -> None:
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        if protocol == "TCP":
            taken.listen(1)
        port = taken.getsockname()[1]
        forward = Forward(wanted, port, 80, "TCP" if protocol == "TCP" else "UDP")
        with pytest.raises(ConflictError, match=rf"host port {port} on .* cannot be bound") as error:
            check_free([forward])
        assert str(port) in str(error.value.hint)
    check_free([forward])


def test_an_address_of_another_host_is_told() -> None:
    with pytest.raises(ConflictError, match=r"192\.0\.2\.1 .* cannot be bound"):
        check_free([Forward("192.0.2.1", 8080, 80)])
