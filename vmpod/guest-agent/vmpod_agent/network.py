"""Network settings through ioctl(2): no program to start, no netlink library, and no import of socket.

Constants and structures are from linux/sockios.h, linux/if.h, linux/route.h, linux/ipv6.h and
linux/ipv6_route.h.
"""

from __future__ import annotations

import fcntl
import os
import struct

from vmpod_agent import syscalls

_SIOCADDRT = 0x890B
_SIOCSIFFLAGS = 0x8914
_SIOCSIFADDR = 0x8916
_SIOCSIFNETMASK = 0x891C
_SIOCSIFHWADDR = 0x8924
_SIOCGIFINDEX = 0x8933
_IFF_UP_RUNNING = 0x41
_ARPHRD_ETHER = 1
_RTF_UP_GATEWAY = 0x3

_ADDRESS_REQUEST = struct.Struct("16sH2s4s8x8x")  # struct ifreq with a sockaddr_in
_HARDWARE_REQUEST = struct.Struct("16sH6s16x")  # struct ifreq with a sockaddr of ARPHRD_ETHER
_FLAGS_REQUEST = struct.Struct("16sh22x")
_INDEX_REQUEST = struct.Struct("16si20x")
_ADDRESS6_REQUEST = struct.Struct("16sIi")  # struct in6_ifreq: address, prefix, interface
# struct in6_rtmsg: destination, source, gateway, type, prefixes, metric, information, flags, interface.
_ROUTE6_REQUEST = struct.Struct("16s16s16sIHHI4xQIi")
_METRIC = 1024  # what `ip -6 route add` gives a route


def set_address(interface: str, address: str, prefix: int) -> None:
    """Give the interface an address and bring it up. Raises OSError."""
    mask = (0xFFFFFFFF << (32 - prefix)) & 0xFFFFFFFF
    name = interface.encode()
    sock = syscalls.datagram_socket()
    try:
        _set(sock, _SIOCSIFADDR, name, _packed(address))
        _set(sock, _SIOCSIFNETMASK, name, struct.pack(">I", mask))
        fcntl.ioctl(sock, _SIOCSIFFLAGS, _FLAGS_REQUEST.pack(name, _IFF_UP_RUNNING))
    finally:
        os.close(sock)


def set_hardware_address(interface: str, address: bytes) -> None:
    """Give an Ethernet card another address. Raises OSError."""
    sock = syscalls.datagram_socket()
    try:
        fcntl.ioctl(sock, _SIOCSIFHWADDR, _HARDWARE_REQUEST.pack(interface.encode(), _ARPHRD_ETHER, address))
    finally:
        os.close(sock)


def add_default_route(gateway: str) -> None:
    """Send everything else to the gateway. Raises OSError."""
    # struct rtentry on a 64-bit kernel: pad, destination, gateway, mask, flags, the rest zero.
    request = struct.pack(
        "8x16s16s16sH62x",
        _sockaddr(b"\0\0\0\0"),
        _sockaddr(_packed(gateway)),
        _sockaddr(b"\0\0\0\0"),
        _RTF_UP_GATEWAY,
    )
    sock = syscalls.datagram_socket()
    try:
        fcntl.ioctl(sock, _SIOCADDRT, request)
    finally:
        os.close(sock)


def set_address6(interface: str, address: str, prefix: int, gateway: str) -> None:
    """Give an interface that is up an IPv6 address and the default route. Raises OSError."""
    sock = syscalls.datagram_socket(syscalls.AF_INET6)
    try:
        request = fcntl.ioctl(sock, _SIOCGIFINDEX, _INDEX_REQUEST.pack(interface.encode(), 0))
        index = _INDEX_REQUEST.unpack(request)[1]
        fcntl.ioctl(sock, _SIOCSIFADDR, _ADDRESS6_REQUEST.pack(packed6(address), prefix, index))
        everywhere = bytes(16)
        route = (everywhere, everywhere, packed6(gateway), 0, 0, 0, _METRIC, 0, _RTF_UP_GATEWAY, index)
        fcntl.ioctl(sock, _SIOCADDRT, _ROUTE6_REQUEST.pack(*route))
    finally:
        os.close(sock)


def packed6(address: str) -> bytes:
    """The 16 bytes of an address of hexadecimal groups, '::' standing for those that are zero."""
    head, gap, tail = address.partition("::")
    first, last = ([int(group, 16) for group in half.split(":") if group] for half in (head, tail))
    zeros = [0] * (8 - len(first) - len(last)) if gap else []
    return struct.pack(">8H", *first, *zeros, *last)


def _set(sock: int, request: int, interface: bytes, address: bytes) -> None:
    fcntl.ioctl(sock, request, _ADDRESS_REQUEST.pack(interface, syscalls.AF_INET, b"\0\0", address))


def _sockaddr(address: bytes) -> bytes:
    return struct.pack("H2s4s8x", syscalls.AF_INET, b"\0\0", address)


def _packed(address: str) -> bytes:
    """The four bytes of a dotted address, which the plan has made."""
    return bytes(map(int, address.split(".")))


def resolv_conf(nameservers: list[str], search: list[str], options: list[str]) -> bytes:
    """The content of /etc/resolv.conf."""
    lines = [f"nameserver {server}" for server in nameservers]
    lines += [f"search {' '.join(search)}"] * bool(search)
    lines += [f"options {' '.join(options)}"] * bool(options)
    return "".join(f"{line}\n" for line in lines).encode()


def hosts(hostname: str, addresses: list[str], extra: list[list[str]]) -> bytes:
    """The content of /etc/hosts: extra holds [address, name] pairs."""
    entries = [["127.0.0.1", "localhost"], ["::1", "localhost ip6-localhost ip6-loopback"]]
    entries += [*([address, hostname] for address in addresses), *extra]
    return "".join(f"{where}\t{names}\n" for where, names in entries).encode()
