"""What crun is told: OCI runtime configurations. Pure.

Sources: OCI Runtime Specification 1.0 (config.md, config-linux.md). Capabilities and masked paths are
those that container engines grant by default. There is no seccomp filter, which is the Kubernetes
default (Unconfined): the machine is the sandbox.
"""

from __future__ import annotations

from vmpod_agent import layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from vmpod_agent.users import User

    Json = dict[str, Any]

_CAPABILITIES = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
]

_MASKED = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
]
_READ_ONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]

_CPU_PERIOD = 100_000  # microseconds
_MIN_CPU_QUOTA = 1000  # microseconds; the kernel refuses less


def process(
    argv: list[str], *, env: list[str], cwd: str, user: User, terminal: tuple[int, int] | None = None
) -> Json:
    """The process of a container or of an exec. terminal: (columns, rows), or None for pipes."""
    capabilities = _CAPABILITIES if user.uid == 0 else []
    settings: Json = {
        "terminal": terminal is not None,
        "user": {"uid": user.uid, "gid": user.gid, "additionalGids": user.groups},
        "args": argv,
        "env": env,
        "cwd": cwd or "/",
        "noNewPrivileges": False,
        "capabilities": {
            "bounding": _CAPABILITIES,
            "effective": capabilities,
            "permitted": capabilities,
        },
    }
    if terminal:
        settings["consoleSize"] = {"width": terminal[0], "height": terminal[1]}
    return settings


def container(process_settings: Json, mounts: list[Json], *, cgroup: str, resources: Json) -> Json:
    """A container that shares the machine's network, IPC and host name with its peers.

    It has mounts, processes and cgroups of its own. mounts come after the standard ones.
    """
    return {
        "ociVersion": "1.0.2",
        "process": process_settings,
        "root": {"path": "rootfs", "readonly": False},
        "mounts": _standard_mounts() + mounts,
        "linux": {
            "cgroupsPath": cgroup,
            "resources": resources,
            "namespaces": [{"type": "pid"}, {"type": "mount"}, {"type": "cgroup"}],
            "maskedPaths": _MASKED,
            "readonlyPaths": _READ_ONLY,
        },
    }


def resources(*, memory: int, cpu: int, cpu_request: int) -> Json:
    """Limits of a container: bytes, and thousandths of a core; 0 for none.

    Shares are the kubelet's: 1024 a core, at least 2.
    """
    settings: Json = {"devices": [{"allow": False, "access": "rwm"}]}
    if memory:
        settings["memory"] = {"limit": memory, "swap": memory}
    limits: Json = {}
    if cpu:
        limits |= {"period": _CPU_PERIOD, "quota": max(_MIN_CPU_QUOTA, cpu * _CPU_PERIOD // 1000)}
    if cpu_request:
        limits["shares"] = max(2, cpu_request * 1024 // 1000)
    if limits:
        settings["cpu"] = limits
    return settings


def bind(source: str, destination: str, *, read_only: bool = False) -> Json:
    """A bind mount."""
    options = ["rbind", "rprivate", "ro" if read_only else "rw"]
    return {"type": "bind", "source": source, "destination": destination, "options": options}


def _standard_mounts() -> list[Json]:
    def mount(destination: str, kind: str, *options: str) -> Json:
        return {"type": kind, "source": kind, "destination": destination, "options": list(options)}

    devpts = ("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5")
    return [
        mount("/proc", "proc", "nosuid", "noexec", "nodev"),
        mount("/dev", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
        mount("/dev/pts", "devpts", *devpts),
        mount("/sys", "sysfs", "nosuid", "noexec", "nodev", "ro"),
        mount("/sys/fs/cgroup", "cgroup", "nosuid", "noexec", "nodev", "ro"),
        mount("/dev/mqueue", "mqueue", "nosuid", "noexec", "nodev"),
        bind("/dev/shm", "/dev/shm"),  # noqa: S108 - the pod's containers share it, as they share IPC
        *(bind(f"{layout.ETC}/{name}", f"/etc/{name}") for name in ("hosts", "hostname", "resolv.conf")),
    ]
