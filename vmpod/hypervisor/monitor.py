"""Commands to a machine's QEMU, through libvirt."""

from __future__ import annotations

import json
from typing import Any

import libvirt
import libvirt_qemu

from vmpod.errors import HypervisorError


class MonitorError(HypervisorError):
    """QEMU refuses a command."""


def qmp(domain: libvirt.virDomain, command: str, **arguments: object) -> Any:
    """The answer to a command of QEMU's monitor (QMP); an underscore in an argument's name is its hyphen.

    Raises MonitorError, libvirtError.
    """
    named = {name.replace("_", "-"): value for name, value in arguments.items()}
    text = json.dumps({"execute": command, "arguments": named})
    answer = json.loads(libvirt_qemu.qemuMonitorCommand(domain, text, 0))
    if error := answer.get("error"):
        raise MonitorError(f"QEMU refuses {command}: {error.get('desc', error)}")
    return answer["return"]


def human(domain: libvirt.virDomain, line: str) -> str:
    """What QEMU says to a line at its human monitor. Raises libvirtError."""
    flags = libvirt_qemu.VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP
    answer: str = libvirt_qemu.qemuMonitorCommand(domain, line, flags)
    return answer.strip()
