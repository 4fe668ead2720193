"""Pulling from registries through skopeo, so that logins, mirrors, private CAs and proxies work as they
do for podman.

A tag is first resolved to the digest of the manifest for our platform, which tells whether the image
is here already. It is then fetched by that digest in skopeo's `dir:` form, which keeps manifest and
layers as the registry has them; the `oci:` form would rewrite Docker's manifests and so their digests.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from pathlib import Path

from vmpod import run
from vmpod.dataclass import dataclass
from vmpod.errors import CommandError, HostError, ImageError
from vmpod.oci import jsonfields, manifest
from vmpod.oci.limits import max_size, too_large
from vmpod.oci.manifest import Index, Manifest
from vmpod.oci.reference import Reference
from vmpod.oci.refusals import no_space
from vmpod.packages import SIGNATURE_POLICY, install
from vmpod.progress import Phase

_ANSWER_TIMEOUT = 120.0
_STALL_TIMEOUT = 300.0
_POLL = 0.2
_SMALL_FILES = 4 * jsonfields.MAX_DOCUMENT


@dataclass(frozen=True)
class Resolved:
    """What a name means at its registry now.

    digest: of the manifest for our platform. index: of what the name itself leads to, which is the
    same for an image of one platform. manifest: of the digest, if it is known already.
    """

    reference: Reference
    digest: str
    index: str
    manifest: Manifest | None = None


def resolve(reference: Reference) -> Resolved:
    """Ask the registry what a name means. Raises ImageError with the reason and what to do."""
    where = str(reference)
    found = _manifest(reference, where)
    if reference.digest and found.digest != reference.digest:
        raise ImageError(f"{where}: the registry answered with another manifest, {found.digest}")
    if isinstance(found, Index):
        return Resolved(reference, manifest.choose(found.manifests, where).digest, found.digest)
    return Resolved(reference, found.digest, found.digest, found)


def answers(reference: Reference, *, timeout: float) -> str:
    """Ask for an image that need not exist, and return what of an answer the registry gave.

    It is asked just as for a pull: through the same proxies, mirrors, certificates and logins.
    timeout: seconds. Raises ImageError if there was no answer, with the reason and what to do; HostError if
    skopeo is missing.
    """
    try:
        _inspect(str(reference), timeout)
    except CommandError as error:
        first = next((pattern for pattern, _, _ in _REASONS if re.search(pattern, error.message)), "")
        if first in _ANSWERS:
            return _ANSWERS[first]
        raise explain(reference, error.message) from None
    return "it answers"


def _inspect(name: str, timeout: float) -> bytes:
    argv = [*_skopeo(), "inspect", *_certificates("--cert-dir"), "--raw", f"docker://{name}"]
    return run.run(argv, timeout=timeout)


def _manifest(reference: Reference, name: str) -> Manifest | Index:
    try:
        raw = _inspect(name, _ANSWER_TIMEOUT)
    except CommandError as error:
        raise explain(reference, error.message) from None
    except HostError as error:
        raise ImageError(f"{reference}: cannot be pulled: {error.message}", hint=error.hint) from None
    return manifest.parse_manifest(raw, str(reference))


def _size(resolved: Resolved, name: str) -> int:
    """Bytes of all layers as they are stored. Raises ImageError for an image that is not to be fetched."""
    found = resolved.manifest or _manifest(resolved.reference, name)
    if isinstance(found, Index):
        raise ImageError(f"{resolved.reference}: an index inside an index", hint="push the image itself")
    if any(layer.foreign for layer in found.layers):
        # skopeo would ask whatever address the image names, from inside our user's network.
        raise ImageError(
            f"{resolved.reference}: has a layer that is to be fetched from somewhere else than its registry",
            hint="only images that are whole at one registry can be pulled",
        )
    size, limit = sum(layer.size for layer in found.layers), max_size()
    if size > limit:
        raise too_large(f"{resolved.reference}: amounts", limit)
    return size


def fetch(resolved: Resolved, directory: Path, phase: Phase) -> None:
    """Download an image into an empty directory. Raises ImageError, or HostError on a full disk."""
    source = resolved.reference.at(resolved.digest)
    size = _size(resolved, source)
    argv = [*_skopeo(), "copy", *_certificates("--src-cert-dir"), f"docker://{source}", f"dir:{directory}"]
    with run.messages() as said, run.popen(argv, stderr=said.fileno()) as process:
        try:
            status = _watch(process, directory, size, phase)
        except BaseException:
            process.kill()
            raise
        if status:
            said.seek(0)
            raise explain(resolved.reference, said.read(100_000).decode(errors="replace"), directory)


def _skopeo() -> list[str]:
    argv = ["skopeo", "--override-os", manifest.OS, "--override-arch", manifest.ARCHITECTURE]
    # podman heeds this variable, skopeo only the option.
    config = os.environ.get("CONTAINERS_REGISTRIES_CONF")
    return [*argv, "--registries-conf", config] if config else argv


def _certificates(option: str) -> list[str]:
    """Where certificates are besides /etc/containers/certs.d: *.crt of CAs, *.cert and *.key of our own."""
    directory = os.environ.get("VMPOD_CERT_DIR")
    return [option, directory] if directory else []


def _watch(process: subprocess.Popen[bytes], directory: Path, total: int, phase: Phase) -> int:
    """Tell how much has arrived until the process ends. skopeo itself tells bytes to terminals alone."""
    seen, moved = -1, time.monotonic()
    while True:
        try:
            return process.wait(_POLL)
        except subprocess.TimeoutExpired:
            now = _arrived(directory)
        if now != seen:
            seen, moved = now, time.monotonic()
            if now > total + _SMALL_FILES:
                raise ImageError("the registry sends more than the image's manifest says")
            phase.update(_amount(now, total))
        elif time.monotonic() - moved > _STALL_TIMEOUT:
            raise ImageError(f"nothing has arrived from the registry for {_STALL_TIMEOUT:g} seconds")


def _arrived(directory: Path) -> int:
    size = 0
    with os.scandir(directory) as found:
        for item in found:
            try:
                size += item.stat().st_size
            except FileNotFoundError:
                continue  # renamed since it was listed
    return size


def _amount(now: int, total: int) -> str:
    return f"{now >> 20} of {total >> 20} MiB"


_DENIED = (
    r"unauthorized|authentication required|invalid username/password|access to the resource is denied"
    r"|no basic auth credentials"
)
_UNKNOWN = (
    r"manifest unknown|name unknown|repository name not known|NAME_UNKNOWN|MANIFEST_UNKNOWN|not found: "
)
# What registries say to a question for an image that they do not have, or do not give to everybody.
_ANSWERS = {_UNKNOWN: "it answers", _DENIED: "it answers, and wants a login for what it was asked"}

_REASONS: tuple[tuple[str, str, str | None], ...] = (
    (
        r"server gave HTTP response to HTTPS client",
        "the registry {registry} speaks plain HTTP, not HTTPS",
        (
            "if that is meant to be, say in /etc/containers/registries.conf.d/local.conf: "
            '[[registry]] location = "{registry}" insecure = true'
        ),
    ),
    (
        r"x509: ",
        "the certificate of {registry} is not trusted",
        (
            "put its CA certificate into /etc/containers/certs.d/{registry}/ca.crt, or into a directory that "
            "VMPOD_CERT_DIR names"
        ),
    ),
    (
        r"Proxy Authentication Required",
        "the proxy wants a login",
        "give it in the variable: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT",
    ),
    (
        r"error getting credentials|docker-credential-",
        "the credential helper of {registry} failed",
        "the auth file (REGISTRY_AUTH_FILE) names it: see that it is installed and works",
    ),
    (r"toomanyrequests", "{registry} refuses for now: too many requests", "log in, or wait"),
    (
        _DENIED,
        "{registry} denies access: the image does not exist, or needs a login",
        "check the name, or log in: skopeo login {registry}",
    ),
    (
        _UNKNOWN,
        "{registry} has no such image",
        "check the name and the tag",
    ),
    (
        (
            r"no such host|connection refused|unreachable|i/o timeout|handshake timeout|no route to host"
            r"|server misbehaving|name resolution|deadline|connection reset|no end after|proxyconnect"
            r"|Bad Gateway|Gateway Timeout"
        ),
        "{registry} cannot be reached",
        "check network, name and proxy; a file needs none: vmpod image load FILE",
    ),
    (
        r"policy\.json: no such file",
        "skopeo has no signature policy",
        "install the usual /etc/containers/policy.json: {policy}",
    ),
)


def explain(reference: Reference, stderr: str, directory: Path | None = None) -> ImageError | HostError:
    """What a failure of skopeo means for the user."""
    if directory and "no space left on device" in stderr:
        return no_space(directory)
    said = _last_words(stderr)
    for pattern, message, hint in _REASONS:
        if re.search(pattern, stderr):
            reason = message.format(registry=reference.registry)
            policy = " or ".join(install(SIGNATURE_POLICY))
            advice = hint.format(registry=reference.registry, policy=policy) if hint else None
            return ImageError(f"{reference}: cannot be pulled: {reason} ({said})", hint=advice)
    return ImageError(f"{reference}: cannot be pulled: {said}")


def _last_words(stderr: str) -> str:
    """The message of skopeo's last log line: time="..." level=fatal msg="..."."""
    messages: list[str] = re.findall(r'msg="((?:[^"\\]|\\.)*)"', stderr)
    if messages:
        return messages[-1].replace('\\"', '"')
    lines = stderr.strip().splitlines()
    return lines[-1] if lines else "skopeo gave no reason"
