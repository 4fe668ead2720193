"""The guest image, and what builds it where there is none yet."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from vmpod.doctor.kvm import built
from vmpod.doctor.model import Finding, Host, ok
from vmpod.doctor.programs import needed
from vmpod.errors import VmpodError
from vmpod.packages import as_root

# As useradd gives them. Source: login.defs(5), SUB_UID_MIN, SUB_UID_COUNT.
_FIRST, _COUNT = 100000, 65536
_BUILDERS = ("mmdebstrap", "mksquashfs", "zstd")


def image(host: Host) -> Finding:
    """Whether it is built, and whole."""
    try:
        found = built(host)
    except VmpodError as error:
        return Finding("unusable", error.message, ("vmpod guest build --force",), "fatal")
    if found is None:
        evidence = "not built yet: the first pod has to wait for that, about a minute"
        return Finding("missing", evidence, ("vmpod guest build",), "degraded")
    absent = [path.name for path in (found.kernel, found.root) if not path.is_file()]
    if absent:
        evidence = f"{found.id} lacks its {' and '.join(absent)}"
        return Finding("unusable", evidence, ("vmpod guest build --force",), "fatal")
    return ok(found.id)


def builder(host: Host) -> Finding | None:
    """What builds the guest image; of no interest where it is built."""
    if image(host).state == "ok":
        return None
    found = needed(_BUILDERS if os.geteuid() == 0 else (*_BUILDERS, "newuidmap"))
    if found.state != "ok" or os.geteuid() == 0:
        return found
    return _subordinate_ids(host) or found


def _subordinate_ids(host: Host) -> Finding | None:
    """Without a range of ids an ordinary user's mmdebstrap cannot keep owners. Source: subuid(5)."""
    try:
        name = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        name = str(os.geteuid())
    ranges = [*_ranges(host.etc / "subuid"), *_ranges(host.etc / "subgid")]
    if any(owner in (name, str(os.geteuid())) for owner, _ in ranges):
        return None
    first = max([_FIRST, *(end for _, end in ranges)])
    free = f"{first}-{first + _COUNT - 1}"
    mend = as_root(f"usermod --add-subuids {free} --add-subgids {free} {name}")
    return Finding("missing", f"{name} has no range in {host.etc / 'subuid'}", (mend,), "fatal")


def _ranges(path: Path) -> Iterator[tuple[str, int]]:
    """(owner, the first id after it) of each range in the file."""
    with suppress(OSError):
        for fields in (line.split(":") for line in path.read_text(errors="replace").splitlines()):
            with suppress(ValueError, IndexError):
                yield fields[0], int(fields[1]) + int(fields[2])
