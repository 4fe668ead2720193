"""Ports of the host: reading --publish, and finding clashes."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.plan.requests import host
from tests.unit.spec.manifests import container, pod, read_pod
from vmpod.errors import ConflictError, UsageError
from vmpod.plan.forward import Forward
from vmpod.plan.host import Resolver
from vmpod.plan.network import forwards, mac_address, network, parse_publish
from vmpod.spec.model import Dns, Pod


@pytest.mark.parametrize(
    ("text", "forward"),
    [
        ("8080:80", Forward("0.0.0.0", 8080, 80)),
        ("8080:80/tcp", Forward("0.0.0.0", 8080, 80)),
        ("8080:80/TCP", Forward("0.0.0.0", 8080, 80)),
        ("53:5353/udp", Forward("0.0.0.0", 53, 5353, "UDP")),
        ("127.0.0.1:8080:80", Forward("127.0.0.1", 8080, 80)),
        ("0.0.0.0:1:65535", Forward("0.0.0.0", 1, 65535)),
        ("10.1.2.3:5353:53/UDP", Forward("10.1.2.3", 5353, 53, "UDP")),
    ],
)
def test_publish(text: str, forward: Forward) -> None:
    assert parse_publish(text) == forward


@pytest.mark.parametrize(
    "text",
    [
        "",
        "80",
        ":80",
        "80:",
        "8080:80/",
        "8080:80/sctp",
        "8080:80/tcp/udp",
        "0:80",
        "8080:0",
        "65536:80",
        "-1:80",
        "+1:80",
        " 1:80",
        "1e3:80",
        "8080:http",
        "٨٠:80",
        "9" * 5000 + ":80",
        "localhost:8080:80",
        "1.2.3:8080:80",
        "1:2:3:4",
        "127.0.0.1::80",
    ],
)
def test_what_cannot_be_published_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match="--publish") as error:
        parse_publish(text)
    assert error.value.hint or "no IPv4 address" in error.value.message


@pytest.mark.parametrize("text", ["[::1]:8080:80", "::1:8080:80", "[fd00::1]:53:53/udp", "[::]:80:80"])
def test_ipv6_addresses_are_refused_as_such(text: str) -> None:
    with pytest.raises(UsageError, match="is an IPv6 address, and QEMU forwards"):
        parse_publish(text)


POD = Pod("p", ())


def test_a_pods_own_servers_are_asked_as_well_or_alone() -> None:
    own = Dns(
        nameservers=("9.9.9.9",), searches=("mine.example", "example.org"), options=("ndots:2", "edns0")
    )
    here = replace(host(), resolver=Resolver(("example.org",), ("ndots:1", "trust-ad")))
    found = network(here, replace(POD, dns=own))
    assert found["nameservers"] == ["10.0.2.3", "9.9.9.9"]
    assert found["search"] == ["example.org", "mine.example"]
    assert found["options"] == ["ndots:2", "trust-ad", "edns0"]
    alone = network(here, replace(POD, dns=replace(own, alone=True)))
    assert (alone["nameservers"], alone["search"]) == (["9.9.9.9"], ["mine.example", "example.org"])
    assert alone["options"] == ["ndots:2", "edns0"]


def test_host_aliases_come_after_the_host() -> None:
    found = network(host(), replace(POD, host_aliases=(("1.2.3.4", ("a", "b.example")),)))
    assert found["hosts"][-1] == ["1.2.3.4", "a b.example"]
    assert found["hosts"][0][0] == "10.0.2.2"


def test_ipv6_is_the_hosts() -> None:
    without = network(host(), POD)
    assert without["ipv6"] is None
    assert without["nameservers"] == ["10.0.2.3"]
    found = network(replace(host(), ipv6=True), POD)
    assert found["ipv6"] == {"address": "fd76:6d70:6f64::f", "prefix": 64, "gateway": "fd76:6d70:6f64::2"}
    assert found["nameservers"] == ["10.0.2.3", "fd76:6d70:6f64::3"]
    assert found["hosts"] == without["hosts"]


@given(st.text(max_size=20) | st.text("0123456789:./tcpud", max_size=20))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = parse_publish(text)
    except UsageError:
        return
    assert 0 < found.host_port < 65536
    assert parse_publish(f"{found.host_ip}:{found.host_port}:{found.pod_port}/{found.protocol}") == found


def test_forwards_are_shown_as_people_write_them() -> None:
    assert str(parse_publish("127.0.0.1:8080:80")) == "127.0.0.1:8080->80"
    assert str(parse_publish("53:5353/udp")) == "0.0.0.0:53->5353/udp"


EMPTY = read_pod(pod())
CLASHES = [
    ("8080:80", "8080:81"),
    ("8080:80", "127.0.0.1:8080:80"),
    ("127.0.0.1:8080:80", "8080:81"),
    ("127.0.0.1:8080:80", "127.0.0.1:8080:81"),
    ("53:53/udp", "127.0.0.1:53:54/udp"),
]
PEACE = [
    ("8080:80", "8081:80"),
    ("127.0.0.1:8080:80", "127.0.0.2:8080:80"),
    ("53:53/tcp", "53:53/udp"),
    ("127.0.0.1:53:53/tcp", "53:53/udp"),
]


@pytest.mark.parametrize("pair", CLASHES, ids=str)
@pytest.mark.parametrize("between", [(), ("53:1/udp", "8080:80/udp", "8080:1/udp", "53:1/tcp")])
def test_clashes_are_found_whatever_lies_between(pair: tuple[str, str], between: tuple[str, ...]) -> None:
    peaceful = [text for text in between if not any(clash(text, each) for each in pair)]
    for order in itertools.permutations([*pair, *peaceful[:2]]):
        with pytest.raises(ConflictError, match="is asked for twice"):
            forwards(EMPTY, map(parse_publish, order))


def clash(one: str, other: str) -> bool:
    first, second = parse_publish(one), parse_publish(other)
    return (first.host_port, first.protocol) == (second.host_port, second.protocol)


@pytest.mark.parametrize("pair", PEACE, ids=str)
def test_peaceful_pairs(pair: tuple[str, str]) -> None:
    assert len(forwards(EMPTY, map(parse_publish, pair))) == 2


PUBLISH = st.builds(
    Forward,
    st.sampled_from(["0.0.0.0", "127.0.0.1", "127.0.0.2"]),
    st.integers(1, 3),
    st.integers(1, 2),
    st.sampled_from(["TCP", "UDP"]),
)


@given(st.lists(PUBLISH, max_size=6))
def test_a_clash_is_told_exactly_when_two_cannot_be_bound(wanted: list[Forward]) -> None:
    def cannot(one: Forward, other: Forward) -> bool:
        same = (one.host_port, one.protocol) == (other.host_port, other.protocol)
        return same and ("0.0.0.0" in (one.host_ip, other.host_ip) or one.host_ip == other.host_ip)

    clashes = any(cannot(*pair) for pair in itertools.combinations(set(wanted), 2))
    try:
        found = forwards(EMPTY, wanted)
    except ConflictError:
        assert clashes
    else:
        assert not clashes
        assert set(found) == set(wanted)
        assert found == forwards(EMPTY, reversed(wanted))


def test_host_ports_of_the_manifest_and_of_the_command_line_are_joined() -> None:
    ports = [{"containerPort": 80, "hostPort": 8080}, {"containerPort": 81}]
    found = forwards(read_pod(pod(container(ports=ports))), [parse_publish("127.0.0.1:1:2/udp")])
    assert list(map(str, found)) == ["127.0.0.1:1->2/udp", "0.0.0.0:8080->80"]


def test_mac_addresses_are_qemus_and_each_pods_own() -> None:
    found = {mac_address(str(number)) for number in range(100)}
    assert len(found) == 100
    assert all(each.startswith("52:54:00:") and len(each) == 17 for each in found)
    assert mac_address("a") == mac_address("a")
