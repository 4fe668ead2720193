"""The pod's network: addresses of QEMU's user-mode network, and which host ports lead into it."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Literal

from vmpod.errors import ConflictError, UsageError
from vmpod.plan.forward import Forward
from vmpod.plan.host import Host
from vmpod.spec.model import Pod
from vmpod.spec.servicenames import HOST

if TYPE_CHECKING:
    from vmpod.wire.boot import Address, Card, Network

# QEMU's user-mode network: the guest, the host as the guest sees it, and a resolver that asks the
# host's. Source: QEMU's documentation, "Using the user mode network stack".
ADDRESS = "10.0.2.15"
GATEWAY = HOST
NAMESERVER = "10.0.2.3"

# Its IPv6 half, where the host has IPv6: a prefix of our own (RFC 4193), in which QEMU gives the same numbers
# the same meaning. Site-local addresses, QEMU's default, are deprecated (RFC 3879).
IPV6_PREFIX = "fd76:6d70:6f64::"
IPV6_PREFIX_LENGTH = 64
IPV6_ADDRESS = f"{IPV6_PREFIX}f"
IPV6_GATEWAY = f"{IPV6_PREFIX}2"
IPV6_NAMESERVER = f"{IPV6_PREFIX}3"

EVERY_ADDRESS = "0.0.0.0"  # noqa: S104 - what Kubernetes, docker and podman mean where no address is given

_MAX_SERVERS = 3  # of the C library: resolv.conf(5)

HOST_NAMES = ("host.containers.internal", "host.vmpod.internal")


def card(*, ipv6: bool) -> Card:
    """What every pod's card is reached by. ipv6: whether the host has it."""
    address: Address = {"address": IPV6_ADDRESS, "prefix": IPV6_PREFIX_LENGTH, "gateway": IPV6_GATEWAY}
    return {"address": ADDRESS, "prefix": 24, "gateway": GATEWAY, "ipv6": address if ipv6 else None}


def network(host: Host, pod: Pod) -> Network:
    """The guest's static settings."""
    resolver, dns = host.resolver, pod.dns
    # Each server asks the host's first one of its own family, as the host's resolv.conf names it then.
    servers = [NAMESERVER, *[IPV6_NAMESERVER] * host.ipv6]
    search, options = resolver.search, resolver.options
    if dns.alone:
        servers, search, options = [], (), ()
    return {
        **card(ipv6=host.ipv6),
        "nameservers": _joined(servers, dns.nameservers)[:_MAX_SERVERS],
        "search": _joined(search, dns.searches),
        "options": _options(options, dns.options),
        # IPv4 alone: a program that tries the first address only would miss a server on 127.0.0.1.
        "hosts": [
            *([GATEWAY, name] for name in HOST_NAMES),
            *([address, " ".join(names)] for address, names in pod.host_aliases),
        ],
    }


def _joined(first: Iterable[str], second: Iterable[str]) -> list[str]:
    """All of both, each once."""
    return list(dict.fromkeys((*first, *second)))


def _options(host: Iterable[str], own: Iterable[str]) -> list[str]:
    """The resolver's options; one of the pod's own takes the place of the host's of that name."""
    return list({each.partition(":")[0]: each for each in (*host, *own)}.values())


def mac_address(uid: str) -> str:
    """A MAC address in QEMU's range that stays the same for a pod."""
    digest = hashlib.sha256(uid.encode()).digest()
    return "52:54:00:" + ":".join(f"{byte:02x}" for byte in digest[:3])


def forwards(pod: Pod, publish: Iterable[Forward]) -> tuple[Forward, ...]:
    """Every host port, sorted: those that are published, and the manifest's own.

    A published port of the pod takes the place of its hostPort: so the same manifest can run where that
    port is taken. Raises ConflictError if two clash.
    """
    published = set(publish)
    replaced = {(each.pod_port, each.protocol) for each in published}
    own = {each for each in _host_ports(pod) if (each.pod_port, each.protocol) not in replaced}
    # In this order every clash is one between neighbours: 0.0.0.0 comes first.
    found = sorted(own | published, key=lambda each: (each.host_port, each.protocol, str(each)))
    for first, second in itertools.pairwise(found):
        if _clash(first, second):
            raise ConflictError(
                f"host port {first.host_port} is asked for twice: {first} and {second}",
                hint="give one of them another host port",
            )
    return tuple(found)


def _host_ports(pod: Pod) -> Iterator[Forward]:
    for container in pod.containers:
        for port in container.ports:
            if port.host_port:
                address = port.host_ip or EVERY_ADDRESS
                yield Forward(address, port.host_port, port.container_port, _protocol(port.protocol))


def _protocol(name: str) -> Literal["TCP", "UDP"]:
    return "UDP" if name.upper() == "UDP" else "TCP"


def _clash(one: Forward, other: Forward) -> bool:
    same = (one.host_port, one.protocol) == (other.host_port, other.protocol)
    return same and (one.host_ip == other.host_ip or EVERY_ADDRESS in (one.host_ip, other.host_ip))


def parse_publish(text: str) -> Forward:
    """Read `[IP:]HOST:POD[/tcp|/udp]`. Raises UsageError."""
    ports, slash, protocol = text.partition("/")
    address, _, rest = ports.rpartition(":")[0].rpartition(":")
    numbers = [rest, ports.rpartition(":")[2]]
    if (slash and protocol.lower() not in ("tcp", "udp")) or not all(_is_port(number) for number in numbers):
        raise UsageError(
            f"--publish {text}: must be [IP:]HOST:POD[/tcp|/udp]",
            hint="for example --publish 8080:80, or --publish 127.0.0.1:5353:53/udp",
        )
    return Forward(
        _address(address, text),
        int(numbers[0]),
        int(numbers[1]),
        _protocol(protocol),
    )


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 5 and 0 < int(text) < 65536


def _address(text: str, whole: str) -> str:
    import ipaddress  # noqa: PLC0415 - only where a port is published

    if not text:
        return EVERY_ADDRESS
    with contextlib.suppress(ValueError):
        return str(ipaddress.IPv4Address(text))
    with contextlib.suppress(ValueError):
        found = ipaddress.IPv6Address(text.strip("[]"))
        raise UsageError(
            f"--publish {whole}: {found} is an IPv6 address, and QEMU forwards ports of IPv4 addresses only",
            hint="publish on an IPv4 address; a proxy on the host, as socat is one, can lead there",
        )
    raise UsageError(f"--publish {whole}: {text!r} is no IPv4 address")
