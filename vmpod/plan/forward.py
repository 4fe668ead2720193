"""Ports of the host that lead into a pod, and what a pod is called: what lists of pods need of a plan."""

from __future__ import annotations

from typing import Literal

from vmpod.dataclass import dataclass


@dataclass(frozen=True)
class Forward:
    """A port of the host that leads into the pod. host_ip: '0.0.0.0' for every address."""

    host_ip: str
    host_port: int
    pod_port: int
    protocol: Literal["TCP", "UDP"] = "TCP"

    def __str__(self) -> str:
        suffix = "" if self.protocol == "TCP" else "/udp"
        return f"{self.host_ip}:{self.host_port}->{self.pod_port}{suffix}"


def pod_key(namespace: str, name: str) -> str:
    """The directory name of a pod, a claim or a Job. Neither part can hold an underscore."""
    return name if namespace == "default" else f"{namespace}_{name}"


def called(key: str) -> str:
    """What commands call what has that key: 'NAME' or 'NAMESPACE/NAME'."""
    return key.replace("_", "/")


def machine_name(key: str) -> str:
    """What libvirt calls the machine of the pod of that key."""
    return f"vmpod-{key}"
