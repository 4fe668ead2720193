"""Requests and limits."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from vmpod.spec import quantity
from vmpod.spec.containerfields import AMOUNTS, RESIZE_POLICY, RESOURCES
from vmpod.spec.containermodel import Container, Resources, RestartPolicy
from vmpod.spec.fields import Table
from vmpod.spec.podfields import POD_AMOUNTS, POD_RESOURCES
from vmpod.spec.reader import Place, Record

HUGE_PAGES = "hugepages-2Mi"
HUGE_PAGE = 2 * 1024 * 1024
"""Bytes."""
MIN_PIDS, MAX_PIDS = 128, 16384
"""Source: KEP-6063, "Configuration for Per-Pod PID Limit"."""


def read_resources(container: Record) -> Resources:
    """The resources of a container."""
    return _resources(container, RESOURCES, AMOUNTS)


def read_pod_resources(spec: Record) -> Resources:
    """The resources of the pod as a whole."""
    return _resources(spec, POD_RESOURCES, POD_AMOUNTS)


def _resources(holder: Record, resources: Table, amounts: Table) -> Resources:
    """A limit without a request is the request as well, as the API has it."""
    record = holder.record("resources", resources)
    if record is None:
        return Resources()
    requests = record.record("requests", amounts)
    limits = record.record("limits", amounts)
    # What a table does not have has been refused, and reads as not given.
    cpu_request, cpu_limit = _pair(requests, limits, "cpu", read_cpu)
    memory_request, memory_limit = _pair(requests, limits, "memory", read_bytes)
    storage_request, storage_limit = _pair(requests, limits, "ephemeral-storage", read_bytes)
    return Resources(
        cpu_request,
        cpu_limit,
        memory_request,
        memory_limit,
        storage_request,
        storage_limit,
        _huge_pages(requests, limits),
        _pids(requests, limits),
    )


def read_resize_restarts(container: Record) -> frozenset[str]:
    """The resources whose change starts a container again."""
    found: dict[str, str] = {}
    for entry in container.records("resizePolicy", RESIZE_POLICY):
        entry.require("resourceName")
        entry.require("restartPolicy")
        name = entry.choice("resourceName", ("cpu", "memory"), "cpu")
        if name in found:
            entry.wrong("resourceName", f"{name} has a policy already")
        found[name] = entry.choice("restartPolicy", ("NotRequired", "RestartContainer"), "NotRequired")
    return frozenset(name for name, policy in found.items() if policy == "RestartContainer")


def check_limits(place: Place, own: Resources, pod: Resources) -> None:
    """Report limits of a container that are above those of its pod."""
    pairs = (("cpu", own.cpu_limit, pod.cpu_limit), ("memory", own.memory_limit, pod.memory_limit))
    for name, mine, whole in pairs:
        if mine and whole and mine > whole:
            limit = place.child("resources").child("limits").child(name)
            limit.wrong("must not be more than the pod's own limit")


def check_requests(
    spec: Record, pod: Resources, *, init_containers: Iterable[Container], containers: Iterable[Container]
) -> None:
    """Report what a pod requests for itself if its containers request more together."""
    given = spec.get("resources")
    running = [each.resources for each in containers]
    starting = [(each.resources, each.restart_policy is RestartPolicy.ALWAYS) for each in init_containers]
    for name, request in (
        ("cpu", "cpu_request"),
        ("memory", "memory_request"),
        (HUGE_PAGES, "huge_pages"),
    ):
        whole = getattr(pod, request)
        init = [(getattr(each, request) or 0, stays) for each, stays in starting]
        most = _most(init, sum(getattr(each, request) or 0 for each in running))
        if given and whole is not None and whole < most:
            place = given.child("requests").child(name)
            place.wrong("must not be less than what the containers request together")


def _most(init: Iterable[tuple[int, bool]], running: int) -> int:
    """The most that is requested at once: sidecars stay, other init containers run one after the other."""
    most = staying = 0
    for amount, stays in init:
        most = max(most, staying + amount)
        staying += amount * stays
    return max(most, staying + running)


def _pair(
    requests: Record | None, limits: Record | None, name: str, read: Callable[[Place], int | None]
) -> tuple[int | None, int | None]:
    request = _amount(requests, name, read)
    limit = _amount(limits, name, read)
    if requests and request is not None and limit is not None and request > limit:
        requests.wrong(name, "must not be more than the limit")
    # A limit of zero is none, for the kubelet as for the kernel.
    return limit if request is None else request, limit or None


def _huge_pages(requests: Record | None, limits: Record | None) -> int | None:
    """They cannot be overcommitted: what is asked for is what there is."""
    request, limit = _pair(requests, limits, HUGE_PAGES, read_bytes)
    record = limits if limits and limits.get(HUGE_PAGES) else requests
    if record is None or not request:
        return None
    if request != limit:
        record.wrong(HUGE_PAGES, "the limit and the request must be the same")
    elif request % HUGE_PAGE:
        record.wrong(HUGE_PAGES, "must be whole pages, a multiple of 2Mi")
    elif not any(each and each.get(name) for each in (requests, limits) for name in ("cpu", "memory")):
        record.wrong(HUGE_PAGES, "who asks for huge pages must ask for cpu or memory, too")
    return request


def _pids(requests: Record | None, limits: Record | None) -> int | None:
    if requests and requests.get("pids"):
        requests.wrong("pids", "processes can be limited, and not requested")
    return _amount(limits, "pids", _read_pids)


def _read_pids(place: Place) -> int | None:
    amount = place.quantity()
    if amount is None:
        return None
    if amount.denominator != 1 or not MIN_PIDS <= amount <= MAX_PIDS:
        place.wrong(f"must be a whole number from {MIN_PIDS} to {MAX_PIDS}")
        return None
    return quantity.whole(amount)


def _amount(record: Record | None, name: str, read: Callable[[Place], int | None]) -> int | None:
    place = record.get(name) if record else None
    return read(place) if place else None


def read_cpu(place: Place) -> int | None:
    """CPU in thousandths of a core, rounded up."""
    amount = place.quantity()
    return None if amount is None else quantity.thousandths(amount)


def read_bytes(place: Place) -> int | None:
    """A size in bytes."""
    amount = place.quantity()
    if amount is None:
        return None
    if amount.denominator != 1 and amount < 1024 and amount != 0:
        # The API server lets this pass with a warning; no program starts in half a byte.
        place.wrong(f"{str(place.node.value)!r} is a part of a byte: m means thousandths, M and Mi millions")
        return None
    return quantity.whole(amount)
