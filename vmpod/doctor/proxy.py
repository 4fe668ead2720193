"""Proxies, as skopeo takes them from the environment."""

from __future__ import annotations

from urllib.parse import urlsplit

from vmpod.doctor.model import Finding, Host, ok
from vmpod.text import printable

_PROXIES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
_SCHEMES = ("http", "https", "socks5", "socks5h")


def proxies(host: Host) -> Finding:
    """Whether what the variables say can be a proxy's address. Passwords in them are not shown."""
    said = {name: value for name in _PROXIES if (value := host.environ.get(name, ""))}
    faults = [f"{name}: {fault}" for name, value in said.items() if (fault := _fault(value))]
    if faults:
        mend = ("write it as http://HOST:PORT or http://USER:PASSWORD@HOST:PORT",)
        return Finding("unusable", "; ".join(faults), mend, "degraded")
    return ok(", ".join(f"{name}={_shown(value)}" for name, value in said.items()) or "none set")


def _fault(value: str) -> str:
    """What is wrong with a proxy's address, '' if nothing is; without its words, as one may be a password."""
    try:
        # Go takes an address without a scheme for one of HTTP.
        parts = urlsplit(value if "://" in value else f"http://{value}")
    except ValueError:
        return "is no URL"
    if parts.scheme not in _SCHEMES:
        return f"its scheme is none of {', '.join(_SCHEMES)}"
    if not parts.hostname or any(character.isspace() for character in value):
        return "names no host"
    try:
        return "its port is 0" if parts.port == 0 else ""
    except ValueError:
        return "its port is no number up to 65535"


def _shown(value: str) -> str:
    scheme, separator, rest = value.rpartition("://")
    return printable(f"{scheme}{separator}{rest.rpartition('@')[2]}")
