"""The parts that tell of this host: versions, what it has, and what the doctor finds."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import Any

from vmpod import __version__
from vmpod.hypervisor.versions import libvirt_version, qemu_version
from vmpod.runtime.context import Runtime
from vmpod.runtime.diag.archive import Archive, MissingError
from vmpod.template import attempts

_VARIABLES = (
    "VMPOD_",
    "XDG_",
    "CI",
    "TMPDIR",
    "TERM",
    "LANG",
    "LC_ALL",
    "http_proxy",
    "https_proxy",
    "no_proxy",
)
"""How variables begin whose values tell how vmpod behaves."""


def collect(runtime: Runtime, archive: Archive) -> None:
    """Add all of them."""
    archive.collect("host/versions.json", lambda: _json(versions()), seconds=30)
    archive.collect("host/facts.json", lambda: _json(facts(runtime)))
    archive.collect("host/doctor.json", lambda: _json(doctor(runtime)), seconds=90)
    archive.collect("host/templates.txt", lambda: templates_told(runtime))


def versions() -> dict[str, str]:
    """Of vmpod, and of what it builds on."""
    found = platform.freedesktop_os_release() if _has_os_release() else {}
    return {
        "vmpod": __version__,
        "python": platform.python_version(),
        "libvirt": libvirt_version(),
        "qemu": qemu_version(),
        "kernel": f"{platform.release()} {platform.version()}",
        "architecture": platform.machine(),
        "distribution": found.get("PRETTY_NAME", "unknown"),
    }


def doctor(runtime: Runtime) -> dict[str, Any]:
    """What `vmpod doctor` finds."""
    from vmpod.doctor.checks import examine, to_json  # noqa: PLC0415 - slow to import
    from vmpod.doctor.model import Host  # noqa: PLC0415

    accel = os.environ.get("VMPOD_ACCEL", "auto")
    return to_json(list(examine(Host(paths=runtime.paths, environ=os.environ, accel=accel))))


def facts(runtime: Runtime) -> dict[str, Any]:
    """What of this host matters to machines."""
    return {
        "user": {"uid": os.geteuid(), "groups": os.getgroups()},
        "cpus": len(os.sched_getaffinity(0)),
        "load": os.getloadavg(),
        "memory": _memory(),
        "disks": {name: _space(getattr(runtime.paths, name)) for name in ("data", "state", "runtime")},
        "environment": {
            name: value for name, value in sorted(os.environ.items()) if name.startswith(_VARIABLES)
        },
    }


def templates_told(runtime: Runtime) -> str:
    """Which templates could not be made in the background, and what their makers said."""
    failed = attempts.failed(runtime.paths.template_attempts)
    if not failed:
        raise MissingError("none has failed to be made in the background")
    return "\n".join(f"--- {each.size}, failed at {each.ended:.0f}\n{each.text}" for each in failed)


def _has_os_release() -> bool:
    return any(Path(path).exists() for path in ("/etc/os-release", "/usr/lib/os-release"))


def _memory() -> dict[str, int]:
    """Bytes, by the names of /proc/meminfo."""
    lines = (line.replace(":", "").split() for line in Path("/proc/meminfo").read_text().splitlines())
    wanted = ("MemTotal", "MemFree", "MemAvailable", "SwapTotal", "SwapFree", "Shmem")
    return {words[0]: int(words[1]) * 1024 for words in lines if words[0] in wanted}


def _space(path: Path) -> dict[str, Any]:
    there = path
    while not there.exists():
        there = there.parent
    found = os.statvfs(there)
    size, free = found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize
    return {"path": str(path), "bytes": size, "free": free, "freeInodes": found.f_favail}


def _json(data: Any) -> str:
    return json.dumps(data, indent=1, default=str)
