"""What a container may do in the machine."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

from vmpod.errors import Problem
from vmpod.plan.host import Request
from vmpod.spec.containermodel import Container
from vmpod.spec.model import Pod
from vmpod.wire import capabilities

if TYPE_CHECKING:
    from vmpod.wire import boot

_LOCAL = "Localhost/"


def security(container: Container, pod: Pod, request: Request) -> boot.Security:
    """A container's rights. Raises ValueError; see profile_problems()."""
    own = container.security
    groups = list(pod.security.supplemental_groups)
    if pod.security.fs_group is not None:
        groups.append(pod.security.fs_group)
    return {
        "groups": groups,
        "strict_groups": pod.security.supplemental_groups_policy == "Strict",
        "bounding": bounding(container),
        "privileged": own.privileged,
        "read_only": own.read_only_root_filesystem,
        "no_new_privileges": not own.allow_privilege_escalation,
        "unmasked": own.privileged or own.proc_mount == "Unmasked",
        "filter": base64.b64encode(_filter(container, request)).decode(),
    }


def bounding(container: Container) -> int:
    """The capabilities that a container's root has, as a mask."""
    return capabilities.ALL if container.security.privileged else container.security.capabilities


def profiles(pod: Pod) -> set[str]:
    """The paths of the seccomp profiles that a pod's containers name."""
    named = {each.security.seccomp_profile for each in pod.every_container}
    return {each.removeprefix(_LOCAL) for each in named if each.startswith(_LOCAL)}


def profile_problems(pod: Pod, request: Request, source: str) -> list[Problem]:
    """Seccomp profiles that are not there, or cannot be understood."""
    found = []
    for path, container in pod.placed():
        try:
            _filter(container, request)
        except ValueError as error:
            field = f"{path}.securityContext.seccompProfile"
            found.append(Problem(source, 0, field, f"the profile {error}"))
    return found


def _filter(container: Container, request: Request) -> bytes:
    """The seccomp program, nothing for a container without. Raises ValueError, saying what is wrong."""
    profile = container.security.seccomp_profile
    if container.security.privileged or profile in ("", "Unconfined"):
        return b""
    # Large tables, and most pods need none of them.
    from vmpod.plan import seccomp  # noqa: PLC0415

    if profile == "RuntimeDefault":
        return seccomp.runtime_default(bounding(container))
    path = profile.removeprefix(_LOCAL)
    content = request.profiles.get(path)
    if content is None:
        raise ValueError(f"{path} cannot be read; it belongs into the directory seccomp below vmpod's data")
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON: {error}") from None
    try:
        return seccomp.compiled(found, bounding(container))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
