"""Gathers the facts of the host that a plan depends on."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from vmpod.doctor.space import all_memory
from vmpod.plan.host import Host, PathKind, Resolver
from vmpod.plan.model import Accelerator
from vmpod.runtime import hostfiles
from vmpod.spec.model import Manifest
from vmpod.spec.volumemodel import HostPath

_MAX_PROFILE = 1024 * 1024
_GLOBAL_SCOPE = "00"
_KINDS: dict[int, PathKind] = {
    stat.S_IFDIR: "directory",
    stat.S_IFREG: "file",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "char-device",
    stat.S_IFBLK: "block-device",
}


def host_facts(accelerator: Accelerator, manifest: Manifest, pods: Path) -> Host:
    """The host as it is now. pods: the directory of all pods, which need not be there yet."""
    paths = {path: path_kind(path) for path in _host_paths(manifest)}
    return Host(
        accelerator=accelerator,
        cpus=len(os.sched_getaffinity(0)),
        memory=all_memory(),
        root=os.geteuid() == 0,
        resolver=read_resolver(Path("/etc/resolv.conf")),
        host_paths=paths,
        obstacles={
            path: hostfiles.obstacle(Path(path), pods)
            for path, kind in paths.items()
            if kind in ("file", "missing")
        },
        ipv6=host_has_ipv6(),
        name=os.uname().nodename,
    )


def host_has_ipv6() -> bool:
    """Whether pods of this host have IPv6."""
    return has_ipv6(Path("/proc/net/if_inet6"))


def has_ipv6(table: Path) -> bool:
    """Whether an interface has an IPv6 address of global scope.

    table: the kernel's, with address, index, prefix, scope (hexadecimal), flags, name in each line.
    Source: linux/net/ipv6/addrconf.c, if6_seq_show().
    """
    try:
        lines = table.read_text().splitlines()
    except OSError:
        return False  # a kernel without IPv6
    return any(words[3] == _GLOBAL_SCOPE for line in lines if len(words := line.split()) == 6)


def read_resolver(path: Path) -> Resolver:
    """Search list and options of a resolv.conf; the servers are QEMU's affair. Source: resolv.conf(5)."""
    search: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return Resolver()
    for words in map(str.split, lines):
        if words[:1] in (["search"], ["domain"]):
            # The last one counts.
            search = tuple(words[1:])
        elif words[:1] == ["options"]:
            options += tuple(words[1:])
    return Resolver(search, options)


def read_profiles(directory: Path, names: Iterable[str]) -> dict[str, bytes | None]:
    """Seccomp profiles by their path below the directory; None for one that cannot be read."""
    found: dict[str, bytes | None] = {}
    for name in names:
        try:
            with (directory / name).open("rb") as file:
                found[name] = file.read(_MAX_PROFILE)
        except OSError:
            found[name] = None
    return found


def path_kind(path: str) -> PathKind:
    """What a path of the host is now, links followed."""
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - the path is a manifest's string
    except OSError:
        return "missing"
    return _KINDS.get(stat.S_IFMT(mode), "missing")


def _host_paths(manifest: Manifest) -> Iterable[str]:
    for pod in manifest.pods:
        for volume in pod.volumes:
            if isinstance(volume.source, HostPath):
                yield volume.source.path
