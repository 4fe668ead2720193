"""How large the machine is: the sum of its containers, and what the guest itself needs.

What is requested has to be there. A limit may be above what the host has, as it may be above what a node has:
the machine is then as large as it can be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from vmpod.spec.machine import MAX_CPUS

if TYPE_CHECKING:
    from vmpod.spec.containermodel import Container, Resources
    from vmpod.spec.model import Pod

MIB = 1024 * 1024

GUEST_MEMORY = 128 * MIB
"""Kernel, agent and page cache, beside the containers."""

UNSTATED_MEMORY = 384 * MIB
"""For all containers together that state neither a limit nor a request."""

_LEAST = 256 * MIB
_FEW_CPUS = 4
_STEPS = 4
"""Sizes of machines between one power of two and the next."""

SCRATCH_SIZE = 64 * 1024 * MIB
"""The scratch disk as the guest sees it. On the host it is a sparse file that holds what is used."""


def memory(pod: Pod, most: int = 0) -> int:
    """Bytes of memory: the pod's own limit, or enough for every limit at once; more if it asks for that.

    most: what the host has, 0 if that does not matter. It is more if so much is requested.
    """
    own = huge_pages(pod) + GUEST_MEMORY
    wanted = memory_class(max(asked_memory(pod) + own, pod.machine.memory))
    if not most or wanted <= most:
        return wanted
    requested = max(requested_memory(pod) + own, pod.machine.memory)
    # Exactly so much where the next size would be too large.
    return max(_class_below(most), -(-requested // MIB) * MIB)


def asked_memory(pod: Pod) -> int:
    """Bytes that the containers may use, as far as it is said, and something for those that do not."""
    own = pod.resources
    return own.memory_limit or max(own.memory_request or 0, _peak(pod, _memory))


def requested_memory(pod: Pod) -> int:
    """Bytes that the containers have to have."""
    return pod.resources.memory_request or _peak(pod, _memory_request)


def huge_pages(pod: Pod) -> int:
    """Bytes of memory that the machine sets aside as huge pages."""
    return pod.resources.huge_pages or _peak(pod, _huge_pages)


def memory_class(needed: int) -> int:
    """The next larger of the sizes that machines have: few, so that one is frozen already for most pods.

    Containers have limits of their own, and memory that nobody touches takes none of the host's: what is
    rounded up, at most a quarter, costs next to nothing, is there from the first instruction, and has to be
    plugged in by nobody.
    """
    if needed <= _LEAST:
        return _LEAST
    grain = (1 << (needed - 1).bit_length()) // (2 * _STEPS)
    return -(-needed // grain) * grain


def _class_below(most: int) -> int:
    """The largest of the sizes that machines have up to so many bytes."""
    grain = (1 << most.bit_length()) // (2 * _STEPS)
    return max(_LEAST, most // grain * grain)


def cpus(pod: Pod, most: int = MAX_CPUS) -> int:
    """Virtual CPUs: what the pod, or its containers together, may use, rounded up to what machines have.

    most: as many as the host has: more would only take turns on them. An annotation gets them all the same.
    """
    return cpu_class(max(1, min(allowed_cpus(pod), most), pod.machine.cpus))


def asked_cpus(pod: Pod) -> int:
    """Processors that the pod asks for, at least one."""
    return max(1, allowed_cpus(pod), pod.machine.cpus)


def allowed_cpus(pod: Pod) -> int:
    """Processors that the containers may use, as far as it is said."""
    own = pod.resources
    return -(-(own.cpu_limit or max(own.cpu_request or 0, _peak(pod, _cpu))) // 1000)


def requested_cpus(pod: Pod) -> int:
    """Processors that the containers have to have."""
    return -(-(pod.resources.cpu_request or _peak(pod, _cpu_request)) // 1000)


def cpu_class(needed: int) -> int:
    """The next larger number of processors that machines have: two between a power of two and the next.

    As with memory, there is a frozen machine for most pods then; a processor that nobody uses costs next to
    nothing.
    """
    if needed <= _FEW_CPUS:
        return needed
    grain = (1 << (needed - 1).bit_length()) // 4
    return min(-(-needed // grain) * grain, MAX_CPUS)


def _peak(pod: Pod, total: Callable[[Iterable[Resources]], int]) -> int:
    """The most that runs at a time: an init container, or all containers, and the sidecars by then."""
    sidecars: list[Container] = []
    found = []
    for container in pod.init_containers:
        found.append(total(_resources([*sidecars, container])))
        if container.sidecar:
            sidecars.append(container)
    return max([*found, total(_resources([*sidecars, *pod.containers]))])


def _resources(containers: Iterable[Container]) -> list[Resources]:
    return [container.resources for container in containers]


def _memory(resources: Iterable[Resources]) -> int:
    return _total([each.memory_limit or each.memory_request for each in resources])


def _memory_request(resources: Iterable[Resources]) -> int:
    return _total([each.memory_request for each in resources])


def _total(stated: list[int | None]) -> int:
    return sum(size or 0 for size in stated) + (UNSTATED_MEMORY if None in stated else 0)


def _huge_pages(resources: Iterable[Resources]) -> int:
    return sum(each.huge_pages or 0 for each in resources)


def _cpu(resources: Iterable[Resources]) -> int:
    return sum(each.cpu_limit or each.cpu_request or 0 for each in resources)


def _cpu_request(resources: Iterable[Resources]) -> int:
    return sum(each.cpu_request or 0 for each in resources)
