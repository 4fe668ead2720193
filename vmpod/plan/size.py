"""How large the machine is: the sum of its containers, and what the guest itself needs."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from vmpod.spec.model import Container, Pod, Resources

MIB = 1024 * 1024

GUEST_MEMORY = 128 * MIB
"""Kernel, agent and page cache, beside the containers."""

UNSTATED_MEMORY = 384 * MIB
"""For all containers together that state neither a limit nor a request."""

_GRAIN = 16 * MIB

SCRATCH_SIZE = 64 * 1024 * MIB
"""The scratch disk as the guest sees it. On the host it is a sparse file that holds what is used."""


def memory(pod: Pod) -> int:
    """Bytes of memory: enough for every limit at once, as if each container used its own."""
    needed = _peak(pod, _memory) + GUEST_MEMORY
    return -(-needed // _GRAIN) * _GRAIN


def cpus(pod: Pod) -> int:
    """Virtual CPUs: what the containers may use together, rounded up, at least one."""
    return max(1, -(-_peak(pod, _cpu) // 1000))


def _peak(pod: Pod, total: Callable[[Iterable[Resources]], int]) -> int:
    """The most that runs at a time: one init container alone, or all containers."""
    inits = [total([container.resources]) for container in pod.init_containers]
    return max([total(_resources(pod.containers)), *inits])


def _resources(containers: Iterable[Container]) -> list[Resources]:
    return [container.resources for container in containers]


def _memory(resources: Iterable[Resources]) -> int:
    stated = [each.memory_limit or each.memory_request for each in resources]
    return sum(size or 0 for size in stated) + (UNSTATED_MEMORY if None in stated else 0)


def _cpu(resources: Iterable[Resources]) -> int:
    return sum(each.cpu_limit or each.cpu_request or 0 for each in resources)
