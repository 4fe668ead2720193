"""Security contexts, of pods and of containers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from vmpod.spec import names
from vmpod.spec.containerfields import CAPABILITIES, CONTAINER_SECURITY, NO_APPARMOR, SECCOMP
from vmpod.spec.containermodel import Security
from vmpod.spec.model import PodSecurity
from vmpod.spec.podfields import POD_SECURITY, SYSCTL
from vmpod.spec.reader import Place, Record
from vmpod.spec.words import nearest, shown
from vmpod.wire import capabilities

MAX_ID = 2**31 - 1
"""The largest user or group id that the API takes."""

_MAX_SYSCTLS = 200
_SYSCTL = re.compile(r"[a-z0-9]([-_a-z0-9]*[a-z0-9])?([./][a-z0-9]([-_a-z0-9]*[a-z0-9])?)*")
_PROFILES = ("RuntimeDefault", "Localhost", "Unconfined")
_APPARMOR = "container.apparmor.security.beta.kubernetes.io/"


def check_annotations(annotations: Mapping[str, Place]) -> None:
    """Refuse what stands for the field appArmorProfile; the API server still takes it for the field.

    The annotations for seccomp mean nothing since Kubernetes 1.27.
    """
    for key, place in annotations.items():
        if key.startswith(_APPARMOR) and place.node.value not in ("unconfined", "", None):
            place.wrong(f"is not supported: {NO_APPARMOR}")


def read_pod_security(spec: Record) -> PodSecurity:
    """The securityContext of a pod."""
    record = spec.record("securityContext", POD_SECURITY)
    if record is None:
        return PodSecurity()
    policy = record.choice("fsGroupChangePolicy", ("Always", "OnRootMismatch"), "Always")
    return PodSecurity(
        run_as_user=record.integer("runAsUser", 0, MAX_ID),
        run_as_group=record.integer("runAsGroup", 0, MAX_ID),
        run_as_non_root=record.boolean("runAsNonRoot"),
        supplemental_groups=tuple(
            place.integer(0, MAX_ID) or 0 for place in record.items("supplementalGroups")
        ),
        supplemental_groups_policy=record.choice("supplementalGroupsPolicy", ("Merge", "Strict"), "Merge"),
        fs_group=record.integer("fsGroup", 0, MAX_ID),
        fs_group_always=policy == "Always",
        sysctls=_sysctls(record),
        seccomp_profile=_seccomp(record),
    )


def _sysctls(record: Record) -> tuple[tuple[str, str], ...]:
    found: dict[str, str] = {}
    for entry in record.records("sysctls", SYSCTL):
        name = entry.text("name", _sysctl_name, required=True).replace("/", ".")
        if name in found:
            entry.wrong("name", f"{shown(name)} is set twice")
        found[name] = entry.text("value", _one_line, required=True)
    if len(found) > _MAX_SYSCTLS:
        record.wrong("sysctls", f"must be at most {_MAX_SYSCTLS}")
    return tuple(found.items())


def _sysctl_name(text: str) -> str | None:
    return None if len(text) <= 253 and _SYSCTL.fullmatch(text) else "is no name of a kernel's setting"


def _one_line(text: str) -> str | None:
    return None if text.isprintable() or "\t" in text else "must be printable characters"


def read_security(container: Record, pod: PodSecurity) -> Security:
    """The securityContext of a container, the pod's standing where it has none of its own."""
    found = Security(
        run_as_user=pod.run_as_user,
        run_as_group=pod.run_as_group,
        run_as_non_root=pod.run_as_non_root,
        seccomp_profile=pod.seccomp_profile,
    )
    record = container.record("securityContext", CONTAINER_SECURITY)
    if record is None:
        return found
    user, group = record.integer("runAsUser", 0, MAX_ID), record.integer("runAsGroup", 0, MAX_ID)
    add, drop = _capabilities(record)
    found = replace(
        found,
        run_as_user=found.run_as_user if user is None else user,
        run_as_group=found.run_as_group if group is None else group,
        run_as_non_root=record.boolean("runAsNonRoot")
        if record.get("runAsNonRoot")
        else found.run_as_non_root,
        privileged=record.boolean("privileged"),
        read_only_root_filesystem=record.boolean("readOnlyRootFilesystem"),
        allow_privilege_escalation=record.boolean("allowPrivilegeEscalation")
        or record.get("allowPrivilegeEscalation") is None,
        capabilities=_mask(add, drop),
        proc_mount=record.choice("procMount", ("Default", "Unmasked"), "Default"),
        seccomp_profile=_seccomp(record) or found.seccomp_profile,
    )
    _check_escalation(record, found, add)
    return found


def _check_escalation(record: Record, security: Security, added: tuple[str, ...]) -> None:
    if security.allow_privilege_escalation:
        return
    why = "cannot be false for a container that"
    if security.privileged:
        record.wrong("allowPrivilegeEscalation", f"{why} is privileged")
    elif "SYS_ADMIN" in added:
        record.wrong("allowPrivilegeEscalation", f"{why} has the capability SYS_ADMIN")


def _capabilities(record: Record) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What is added and what is dropped, by names without CAP_."""
    given = record.record("capabilities", CAPABILITIES)
    if given is None:
        return (), ()
    add, drop = (tuple(_capability(place) for place in given.items(field)) for field in ("add", "drop"))
    return add, drop


def _capability(place: Place) -> str:
    name = place.text().removeprefix("CAP_")
    if name and name != "ALL" and name not in capabilities.NUMBERS:
        place.wrong(f"{shown(name)} is no capability{nearest(name, capabilities.NUMBERS)}")
        return ""
    return name


def _mask(add: tuple[str, ...], drop: tuple[str, ...]) -> int:
    """The set that is left: ALL first, then what is added by name, then what is dropped by name.

    Dropping so wins over adding, and a name over ALL. Source: WithCapabilities of containerd's CRI plugin;
    setupCapabilities of CRI-O goes in the same order.
    """
    mask = 0 if "ALL" in drop else capabilities.ALL if "ALL" in add else capabilities.DEFAULT
    named = ([name for name in names if name not in ("", "ALL")] for names in (add, drop))
    added, dropped = map(capabilities.mask, named)
    return (mask | added) & ~dropped


def _seccomp(record: Record) -> str:
    """'Unconfined', 'RuntimeDefault', 'Localhost/PATH', or '' where it is not said."""
    profile = record.record("seccompProfile", SECCOMP)
    if profile is None:
        return ""
    profile.require("type")
    kind = profile.choice("type", _PROFILES, "Unconfined")
    path = profile.text("localhostProfile", names.file_path, required=kind == "Localhost")
    if path and kind != "Localhost":
        profile.wrong("localhostProfile", "is for type: Localhost")
    return f"{kind}/{path}" if kind == "Localhost" else kind
