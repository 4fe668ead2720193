"""Names of Services, which lead nowhere here: said where a pod of the same manifest speaks of one.

An init container that waits until such a name resolves would wait for ever, and nobody would know why.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from vmpod.dataclass import dataclass
from vmpod.spec import names
from vmpod.spec.apishapes import SERVICE_PORT, SERVICE_TYPE
from vmpod.spec.containermodel import Container
from vmpod.spec.jobmodel import Job
from vmpod.spec.machine import OWNER
from vmpod.spec.metadata import DEFAULT_NAMESPACE
from vmpod.spec.model import ConfigMap, Pod
from vmpod.spec.reader import Place
from vmpod.spec.shapes import Many
from vmpod.spec.words import shown

ConfigMaps = Mapping[tuple[str, str], ConfigMap]
_HELP = (
    "a hostPort of its pod, of the same number, makes it lead there; or hostAliases that give it to the host "
    "(10.0.2.2)"
)


@dataclass(frozen=True)
class Service:
    """A Service of the manifest. selector: labels of its pods; ports: and their targets, '' for the same."""

    name: str
    namespace: str
    selector: Mapping[str, str]
    ports: tuple[tuple[int, str], ...] = ()


def check_service(document: Place) -> None:
    """Report a name, a type or ports that no cluster would take; the rest of a Service says nothing here."""
    name = document.child("metadata").child("name")
    if isinstance(name.node.value, str):
        name.text(names.service_name)
    spec = document.child("spec")
    kind, ports = spec.child("type"), spec.child("ports")
    if kind.node is not spec.node:
        SERVICE_TYPE.check(kind)
    if ports.node is not spec.node:
        Many(SERVICE_PORT).check(ports)
        _check_ports(ports)


def _check_ports(ports: Place) -> None:
    taken: set[object] = set()
    places = [each for each in ports.items() if isinstance(each.node.value, Mapping)]
    for each in places:
        name = each.node.value.get("name") if isinstance(each.node.value, Mapping) else None
        if name is None or not name.value:
            if len(places) > 1:
                each.child("name").wrong("is required where a Service has several ports")
        elif name.value in taken:
            each.child("name").wrong(f"another port has the name {shown(str(name.value))} already")
        else:
            taken.add(name.value)


def read_service(document: Place) -> Service | None:
    """The Service that a document is; None if it has no name."""
    metadata = document.child("metadata")
    name, namespace = (metadata.child(each).node.value for each in ("name", "namespace"))
    if not isinstance(name, str) or not name:
        return None
    selector = document.child("spec").child("selector").node.value
    labels = {key: node.value for key, node in selector.items()} if isinstance(selector, Mapping) else {}
    texts = {key: value for key, value in labels.items() if isinstance(value, str)}
    return Service(
        name, namespace if isinstance(namespace, str) else DEFAULT_NAMESPACE, texts, tuple(_ports(document))
    )


def _ports(document: Place) -> Iterator[tuple[int, str]]:
    """Those that have been found to be right."""
    found = document.child("spec").child("ports").node.plain()
    for each in found if isinstance(found, list) else ():
        if isinstance(each, dict) and isinstance(each.get("port"), int):
            yield each["port"], str(each.get("targetPort") or "")


def note_in_pods(
    pods: Iterable[Pod], services: Sequence[Service], config_maps: ConfigMaps
) -> tuple[Pod, ...]:
    """The pods, with a note for each container that speaks of a Service; replicas say it once."""
    told: set[tuple[str, str]] = set()
    found = []
    for pod in pods:
        maker = pod.annotations.get(OWNER, pod.name)
        new = [note for note in _notes(pod, services, config_maps) if (maker, note) not in told]
        told.update((maker, note) for note in new)
        found.append(replace(pod, notes=pod.notes + tuple(new)))
    return tuple(found)


def note_in_jobs(
    jobs: Iterable[Job], services: Sequence[Service], config_maps: ConfigMaps
) -> tuple[Job, ...]:
    """The Jobs, likewise."""
    return tuple(
        replace(job, notes=job.notes + tuple(_notes(job.template, services, config_maps))) for job in jobs
    )


def _notes(pod: Pod, services: Sequence[Service], config_maps: ConfigMaps) -> Iterator[str]:
    for service in services:
        if is_own(pod, service) or is_given(pod, service):
            continue
        pattern = _pattern(service, pod.namespace)
        for path, container in pod.placed():
            if any(pattern.search(text) for text in _texts(container, pod.namespace, config_maps)):
                waits = container in pod.init_containers and not container.sidecar
                end = "what waits for it waits for ever" if waits else "nothing answers to it"
                name = shown(service.name)
                yield f"{path} speaks of the Service {name}, a name that leads nowhere: {end}; {_HELP}"


def is_own(pod: Pod, service: Service) -> bool:
    """Whether it is a Service of that pod, which may have the word for other reasons."""
    same = pod.namespace == service.namespace
    return same and bool(service.selector) and service.selector.items() <= pod.labels.items()


def is_given(pod: Pod, service: Service) -> bool:
    """Whether the pod has been given an address for the name."""
    return any(name.partition(".")[0] == service.name for _, given in pod.host_aliases for name in given)


def _pattern(service: Service, namespace: str) -> re.Pattern[str]:
    """Finds the Service's name where it can be that of a host: not in a path, a file's name or a task's."""
    suffix = rf"\.{re.escape(service.namespace)}(\.svc(\.cluster\.local)?)?"
    name = re.escape(service.name) + (f"({suffix})?" if namespace == service.namespace else suffix)
    in_url, as_word = r"(?<=//|.@)", r"(?<![\w.\-/])"
    return re.compile(rf"{in_url}{name}(?![\w-]|\.\w)|{as_word}{name}(?![\w/-]|\.\w|:[A-Za-z])")


def _texts(container: Container, namespace: str, config_maps: ConfigMaps) -> Iterator[str]:
    """The words of a container, and the values of its variables as far as they are not secret."""
    yield from container.command
    yield from container.args
    for variable in container.env:
        yield variable.value
        ref = variable.config_map_key_ref
        if ref and (found := config_maps.get((namespace, ref.name))):
            yield found.data.get(ref.key, b"").decode(errors="replace")
    for source in container.env_from:
        if source.config_map and (found := config_maps.get((namespace, source.config_map))):
            yield from (value.decode(errors="replace") for value in found.data.values())
