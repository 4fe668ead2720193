"""Services as names: what they lead to where a pod of the same manifest binds their ports on the host.

A Service has no address. But a pod finds the host, and with it what other pods publish there: so its name is
given to that address, if a pod of the Service has all of its ports as hostPorts of the same numbers. Its own
pod finds itself under the name, if it listens at those numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from vmpod.spec.jobmodel import Job
from vmpod.spec.model import Pod
from vmpod.spec.services import Service, is_given, is_own

HOST = "10.0.2.2"
"""The host, as a pod sees it."""
_ITSELF = "127.0.0.1"
_REACHED = ("", "0.0.0.0", _ITSELF)  # noqa: S104 - compared with, not bound: the host's loopback is among them

_Alias = tuple[str, tuple[str, ...]]


def name_in_pods(pods: Sequence[Pod], services: Sequence[Service]) -> tuple[Pod, ...]:
    """The pods, each with the names that lead somewhere, as if they were in its hostAliases."""
    return tuple(_with_names(pod, services, pods) for pod in pods)


def name_in_jobs(jobs: Iterable[Job], services: Sequence[Service], pods: Sequence[Pod]) -> tuple[Job, ...]:
    """The Jobs, likewise: their pods find those of the manifest."""
    return tuple(replace(job, template=_with_names(job.template, services, pods)) for job in jobs)


def _with_names(pod: Pod, services: Sequence[Service], pods: Sequence[Pod]) -> Pod:
    found: list[_Alias] = []
    for service in services:
        address = "" if is_given(pod, service) else _address(pod, service, pods)
        if address:
            found.append((address, _names(service, pod.namespace)))
    if not found:
        return pod
    # In the document, as what is kept of a pod has no Services beside it.
    spec = dict(pod.document["spec"])
    told = [{"ip": address, "hostnames": list(names)} for address, names in found]
    spec["hostAliases"] = [*(spec.get("hostAliases") or ()), *told]
    return replace(
        pod,
        host_aliases=(*pod.host_aliases, *found),
        document={**pod.document, "spec": spec},
    )


def _address(pod: Pod, service: Service, pods: Sequence[Pod]) -> str:
    """Where the name leads to from a pod; '' for nowhere."""
    behind = [each for each in pods if is_own(each, service)]
    if not service.ports:
        return ""
    if any(each.name == pod.name and each.namespace == pod.namespace for each in behind):
        same = all(target in ("", str(port)) for port, target in service.ports)
        return _ITSELF if same and len(behind) == 1 else ""
    return HOST if any(_publishes(each, service) for each in behind) else ""


def _publishes(pod: Pod, service: Service) -> bool:
    """Whether all ports of a Service are bound on the host, under their own numbers."""
    bound = {
        (port.host_port, each)
        for container in pod.every_container
        for port in container.ports
        if port.host_ip in _REACHED
        for each in (str(port.container_port), port.name)
    }
    return all((port, target or str(port)) in bound for port, target in service.ports)


def _names(service: Service, namespace: str) -> tuple[str, ...]:
    """As a cluster's resolver knows them."""
    full = f"{service.name}.{service.namespace}"
    short = (service.name,) if namespace == service.namespace else ()
    return (*short, full, f"{full}.svc", f"{full}.svc.cluster.local")
