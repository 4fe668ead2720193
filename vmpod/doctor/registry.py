"""A registry, asked just as a pull would ask it."""

from __future__ import annotations

from vmpod.doctor.model import Finding, Host, ok
from vmpod.errors import HostError, ImageError, MissingProgramError, UsageError, VmpodError
from vmpod.oci import reference
from vmpod.text import printable

TIMEOUT = 20.0
_IMAGE = "vmpod/doctor:none"


def check_name(host: str) -> str:
    """HOST[:PORT], if that can be a registry. Raises UsageError."""
    try:
        name = reference.parse(f"{host}/{_IMAGE}")
    except ImageError:
        name = None
    if name is None or name.registry != host:
        raise UsageError(f"--registry {host}: no registry is called that", hint="HOST or HOST:PORT")
    return host


def registry(host: Host) -> Finding | None:
    """Whether the registry that the user names answers."""
    if not host.registry:
        return None
    from vmpod.oci import skopeo  # noqa: PLC0415 - rarely asked for, and slow to import

    asked = reference.parse(f"{host.registry}/{_IMAGE}")
    try:
        answer = skopeo.answers(asked, timeout=TIMEOUT)
    except (ImageError, HostError) as error:
        return _silent(error, str(asked))
    return ok(f"{host.registry}: {answer}")


def _silent(error: VmpodError, asked: str) -> Finding:
    evidence = error.message.removeprefix(f"{asked}: cannot be pulled: ")
    return Finding(
        "missing" if isinstance(error, MissingProgramError) else "unusable",
        printable(" ".join(evidence.split()))[:400],
        tuple((error.hint or "").splitlines()),
        "degraded",
    )
