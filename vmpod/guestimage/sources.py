"""Where the packages of the guest image come from: the host's own Debian mirror, if it has one."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from vmpod.errors import CommandError
from vmpod.run import run

_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_DEFAULT = ("http://deb.debian.org/debian", "http://deb.debian.org/debian-security")
_FORMAT = "$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(ORIGIN)"


def source_lines(suite: str) -> list[str]:
    """The sources.list lines to build from, in one-line style.

    `VMPOD_DEBIAN_MIRROR` holds mirrors separated by spaces; one whose name ends in '-security' is taken
    for the security archive. Without it, what apt on this host uses for that suite; on other hosts
    deb.debian.org.
    """
    if mirrors := os.environ.get("VMPOD_DEBIAN_MIRROR", "").split():
        return [_line(uri, _suite(uri, suite)) for uri in mirrors]
    if lines := _host_lines(suite):
        return lines
    return [_line(uri, _suite(uri, suite)) for uri in _DEFAULT]


def apt_options() -> list[str]:
    """The host's apt settings that decide whether a mirror can be reached: proxies, TLS, dates."""
    if not shutil.which("apt-config"):
        return []
    wanted = ("Acquire::http", "Acquire::https", "Acquire::Check-Valid-Until", "Acquire::Check-Date")
    lines = run(["apt-config", "dump"]).decode(errors="replace").splitlines()
    return [line for line in lines if line.startswith(wanted) and not line.endswith('"";')]


def parse_targets(text: str, suite: str) -> list[str]:
    """Source lines from `apt-get indextargets`: Debian's own archives of the suite, each once."""
    releases = {suite, f"{suite}-updates", f"{suite}-security"}
    found: dict[str, None] = {}
    for row in text.splitlines():
        uri, release, component, origin = row.split("|")
        if release in releases and component == "main" and (origin == "Debian" or _looks_debian(uri, origin)):
            found[_line(uri.rstrip("/"), release)] = None
    return list(found)


def _host_lines(suite: str) -> list[str]:
    if not shutil.which("apt-get"):
        return []
    listing = ["apt-get", "indextargets", "--format", _FORMAT, "Created-By: Packages"]
    try:
        # Without downloaded lists apt knows nothing of origins; then the configured addresses must do.
        known = parse_targets(run(listing).decode(errors="replace"), suite)
        return known or parse_targets(run([*listing, "--no-release-info"]).decode(errors="replace"), suite)
    except CommandError:
        return []


def _looks_debian(uri: str, origin: str) -> bool:
    return origin == "$(ORIGIN)" and uri.rstrip("/").endswith(("/debian", "/debian-security"))


def _suite(uri: str, suite: str) -> str:
    return f"{suite}-security" if uri.rstrip("/").endswith("-security") else suite


def _line(uri: str, release: str) -> str:
    # Told apart from the host's other keys on purpose: only Debian's key may sign the guest's packages.
    signed = f"[signed-by={_KEYRING}] " if _KEYRING.is_file() else ""
    return f"deb {signed}{uri} {release} main"
