"""What the kernel tells of the machine, part by part. No program is needed, and none is started.

Environments of processes are never read. All that is told is bounded.
Sources: proc(5), the kernel's cgroup-v2.rst, dev-kmsg (Documentation/ABI/testing).
"""

from __future__ import annotations

import binascii
import os
import struct

from vmpod_agent import layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_MOST = 1024 * 1024  # bytes of a part
_FILE = 128 * 1024  # bytes of a file
_PROCESSES = 1000
_ARGUMENTS = 1024  # bytes of a command line
_HIDDEN = "[redacted]"
_SHORTEST = 4
"""A value of fewer characters is in every text, and is no secret."""
# In the order of the kernel's net/tcp_states.h.
_TCP = (
    *("?", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2"),
    *("TIME_WAIT", "CLOSE", "CLOSE_WAIT", "LAST_ACK", "LISTEN", "CLOSING"),
)


def cleaned(text: str, secrets: Iterable[str]) -> bytes:
    """The text as it is sent: without the values of secrets, which may be text or base64 of a file."""
    for value in sorted(_forms(secrets), key=len, reverse=True):
        text = text.replace(value, _HIDDEN)
    return text.encode(errors="replace")[:_MOST]


def _forms(secrets: Iterable[str]) -> set[str]:
    found = set()
    for value in secrets:
        found |= {value, value.strip(), binascii.b2a_base64(value.encode(), newline=False).decode()}
        try:
            decoded = binascii.a2b_base64(value, strict_mode=True).decode()
        except (ValueError, binascii.Error):
            continue
        found |= {decoded, decoded.strip()}
    return {each for each in found if len(each) >= _SHORTEST}


def system() -> str:
    """Kernel, memory, processor, pressure."""
    names = (
        "version",
        "cmdline",
        "uptime",
        "loadavg",
        "meminfo",
        "vmstat",
        "modules",
        "interrupts",
        "cpuinfo",
    )
    pressure = [f"/proc/pressure/{name}" for name in ("cpu", "memory", "io")]
    more = ["/proc/sys/fs/file-nr", "/sys/devices/system/clocksource/clocksource0/current_clocksource"]
    return _files([*(f"/proc/{name}" for name in names), *pressure, *more])


def kernel_log() -> str:
    """What dmesg would show, with seconds since the kernel's start."""
    lines, size = [], 0
    fd = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        while size < _MOST:
            try:
                record = os.read(fd, 8192)
            except BlockingIOError:
                break
            except BrokenPipeError:
                continue  # it was overwritten while we read
            head, _, message = record.decode(errors="replace").partition(";")
            moment = int(head.split(",")[2])
            lines.append(f"[{moment / 1e6:12.6f}] {message.partition(chr(10))[0]}\n")
            size += len(record)
    finally:
        os.close(fd)
    return "".join(lines)


def processes() -> str:
    """Every process; of one that waits in the kernel without end, where."""
    lines = ["PID PPID STATE UID THREADS RSS_KB CPU_TICKS CGROUP WAITS_IN COMMAND\n"]
    pids = sorted(int(name) for name in os.listdir("/proc") if name.isdecimal())
    for pid in pids[:_PROCESSES]:
        try:
            lines += _process(f"/proc/{pid}")
        except (OSError, LookupError, ValueError):
            continue  # it has just ended
    if len(pids) > _PROCESSES:
        lines.append(f"and {len(pids) - _PROCESSES} more\n")
    return "".join(lines)


def _process(path: str) -> Iterator[str]:
    pairs = (line.partition(":") for line in _read(f"{path}/status").splitlines())
    status = {name: value.split() for name, _, value in pairs}
    fields = _read(f"{path}/stat").rpartition(")")[2].split()
    command = _read(f"{path}/cmdline", _ARGUMENTS).replace("\0", " ").strip()
    state = status["State"][0]
    words = (
        *(status["Pid"][0], status["PPid"][0], state, status["Uid"][0], status["Threads"][0]),
        (status.get("VmRSS") or ["0"])[0],
        str(int(fields[11]) + int(fields[12])),
        _read(f"{path}/cgroup").strip().rpartition(":")[2] or "-",
        _read(f"{path}/wchan") or "-",
        command or f"[{' '.join(status['Name'])}]",
    )
    yield " ".join(words).replace("\n", " ") + "\n"
    if state == "D":
        yield "".join(f"    {line}\n" for line in _read(f"{path}/stack").splitlines())


def network() -> str:
    """Addresses, routes, sockets, counters, and what names are resolved by."""
    files = ("dev", "route", "if_inet6", "ipv6_route", "arp", "sockstat", "sockstat6", "snmp", "unix")
    names = (f"{layout.ETC}/{name}" for name in ("hosts", "hostname", "resolv.conf"))
    sockets = "".join(_sockets(kind) for kind in ("tcp", "tcp6", "udp", "udp6"))
    return sockets + _files([*(f"/proc/net/{name}" for name in files), *names])


def _sockets(kind: str) -> str:
    lines = [f"### {kind}\n"]
    for line in _read(f"/proc/net/{kind}").splitlines()[1:]:
        words = line.split()
        number = int(words[3], 16)
        state = _TCP[number] if number < len(_TCP) else "?"
        lines.append(f"{_address(words[1])} {_address(words[2])} {state} queues {words[4]} uid {words[7]}\n")
    return "".join(lines) + "\n"


def _address(text: str) -> str:
    """'0100007F:0050' as '127.0.0.1:80': words of 32 bits, each in the machine's order of bytes."""
    host, _, port = text.partition(":")
    raw = b"".join(struct.pack("=I", int(host[at : at + 8], 16)) for at in range(0, len(host), 8))
    if len(raw) == 4:
        shown = ".".join(map(str, raw))
    else:
        shown = "[" + ":".join(raw[at : at + 2].hex() for at in range(0, len(raw), 2)) + "]"
    return f"{shown}:{int(port, 16)}"


def disks() -> str:
    """Mounts, how full they are, and what the disks have done."""
    lines = ["### free space\n"]
    for line in _read("/proc/self/mounts").splitlines():
        path = line.split()[1]
        try:
            found = os.statvfs(path)
        except OSError as error:
            lines.append(f"{path}: {error.strerror}\n")
            continue
        if found.f_blocks:
            size, free = found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize
            lines.append(f"{path}: {free >> 20} of {size >> 20} MiB free, {found.f_favail} inodes\n")
    names = ("self/mountinfo", "partitions", "diskstats", "swaps")
    return "".join(lines) + "\n" + _files(f"/proc/{name}" for name in names)


def cgroups() -> str:
    """The figures of every container's cgroup."""
    found = []
    for top, _, names in os.walk(layout.cgroup(layout.POD)):
        wanted = sorted(
            name for name in names if name.startswith(("memory.", "cpu.", "pids.", "io.", "cgroup.ev"))
        )
        found += [f"{top}/{name}" for name in wanted if name not in _WRITTEN_ONLY]
    return _files(found)


_WRITTEN_ONLY = ("memory.reclaim", "cgroup.kill")


def agent() -> str:
    """PID 1: its state, limits, and what it has open."""
    lines = ["### open files\n"]
    for name in sorted(os.listdir("/proc/1/fd"), key=int):
        try:
            lines.append(f"{name} {os.readlink(f'/proc/1/fd/{name}')}\n")
        except OSError:
            continue
    return "".join(lines) + "\n" + _files(f"/proc/1/{name}" for name in ("status", "limits", "stat", "wchan"))


PARTS: dict[str, Callable[[], str]] = {
    "system": system,
    "dmesg": kernel_log,
    "processes": processes,
    "network": network,
    "disks": disks,
    "cgroups": cgroups,
    "agent": agent,
}


def _files(paths: Iterable[str]) -> str:
    return "".join(f"### {path}\n{_read(path).rstrip()}\n\n" for path in paths)


def _read(path: str, limit: int = _FILE) -> str:
    """The beginning of a file; '' where the kernel has no such file, or no longer."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        pieces, left = [], limit
        while left and (piece := os.read(fd, left)):
            pieces.append(piece)
            left -= len(piece)
        return b"".join(pieces).decode(errors="replace")
    except OSError:
        return ""
    finally:
        os.close(fd)
