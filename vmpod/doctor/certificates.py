"""Certificates of the CAs that registries are trusted by, where skopeo looks for them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from vmpod.doctor.model import Finding, Host, ok
from vmpod.packages import install
from vmpod.text import printable

# Where the system's are on Debian and Fedora, below /etc. Source: Go, crypto/x509, root_linux.go.
_BUNDLES = (
    "ssl/certs/ca-certificates.crt",
    "pki/tls/certs/ca-bundle.crt",
    "pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
)
# For single registries. Source: containers-certs.d(5).
_REGISTRIES = ("containers/certs.d", "docker/certs.d")
_PEM = b"-----BEGIN "
_LIMIT = 1 << 20
_CORRECT = "put a certificate there, or correct what names it (SSL_CERT_FILE, SSL_CERT_DIR, VMPOD_CERT_DIR)"


def certificates(host: Host) -> Finding:
    """Whether what names the CAs to trust can be read, and holds certificates."""
    for path in _places(host):
        if finding := _fault(path):
            return finding
    bundle = host.environ.get("SSL_CERT_FILE") or next(map(str, _bundles(host)), "")
    trusted = bundle or host.environ.get("SSL_CERT_DIR", "")
    if not trusted:
        mend = install("ca-certificates", os_release=host.os_release)
        return Finding("missing", "no CA certificates: no registry is trusted", mend, "degraded")
    return ok(printable(trusted))


def _bundles(host: Host) -> list[Path]:
    return [path for name in _BUNDLES if os.path.lexists(path := host.etc / name)]


def _places(host: Host) -> Iterator[Path]:
    """Every file that certificates are taken from, and every directory that should hold some."""
    if file := host.environ.get("SSL_CERT_FILE"):
        yield Path(file)
    else:
        yield from _bundles(host)
    # Go lets the first one name several directories.
    directories = host.environ.get("SSL_CERT_DIR", "").split(":")
    directories.append(host.environ.get("VMPOD_CERT_DIR", ""))
    for directory in map(Path, filter(None, directories)):
        yield directory
        yield from _inside(directory, "*.crt")
    for place in _REGISTRIES:
        yield from _inside(host.etc / place, "*")
        yield from _inside(host.etc / place, "*/*.crt")


def _inside(directory: Path, pattern: str) -> list[Path]:
    try:
        return sorted(directory.glob(pattern))
    except OSError:
        return []


def _fault(path: Path) -> Finding | None:
    shown = printable(str(path))
    try:
        content = _content(path)
    except FileNotFoundError:
        return Finding("missing", f"{shown} does not exist", (_CORRECT,), "degraded")
    except PermissionError:
        return Finding(
            "denied", f"{shown} may not be read by this user", (f"chmod a+rX {shown}",), "degraded"
        )
    except OSError as error:
        return Finding("unusable", f"{shown}: {error.strerror}", (_CORRECT,), "degraded")
    if _PEM not in content:
        return Finding("unusable", f"{shown} holds no certificate in PEM form", (_CORRECT,), "degraded")
    return None


def _content(path: Path) -> bytes:
    """The file's beginning; of a directory that can be read, what a good file has. Raises OSError."""
    if path.is_dir():
        next(path.iterdir(), None)
        return _PEM
    with path.open("rb") as file:
        return file.read(_LIMIT)
