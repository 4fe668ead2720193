"""`--publish` beside a manifest's own host ports."""

from __future__ import annotations

import pytest

from vmpod.errors import ConflictError
from vmpod.plan.network import forwards, parse_publish
from vmpod.spec.containermodel import Container, Port, PullPolicy
from vmpod.spec.model import Pod


def _pod(*ports: Port) -> Pod:
    return Pod("p", (Container("c", "i", PullPolicy.NEVER, ports=ports),))


def test_takes_the_place_of_the_host_port() -> None:
    pod = _pod(Port(80, host_port=8080, host_ip="127.0.0.1"), Port(443, host_port=8443))
    found = forwards(pod, [parse_publish("127.0.0.1:9000:80")])
    assert [(each.host_ip, each.host_port, each.pod_port) for each in found] == [
        ("0.0.0.0", 8443, 443),
        ("127.0.0.1", 9000, 80),
    ]


def test_of_another_protocol_leaves_the_host_port() -> None:
    found = forwards(_pod(Port(53, host_port=5353)), [parse_publish("5454:53/udp")])
    assert [(each.host_port, each.protocol) for each in found] == [(5353, "TCP"), (5454, "UDP")]


def test_one_port_twice() -> None:
    found = forwards(_pod(Port(80)), [parse_publish("8080:80"), parse_publish("8081:80")])
    assert [each.host_port for each in found] == [8080, 8081]


def test_on_a_port_that_the_manifest_gives_to_another() -> None:
    with pytest.raises(ConflictError, match="8080 is asked for twice"):
        forwards(_pod(Port(80, host_port=8080)), [parse_publish("8080:443")])
