"""A pod in words, laid out as `kubectl describe pod` does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from vmpod.cli import render
from vmpod.runtime.context import Runtime
from vmpod.runtime.events import all_events
from vmpod.runtime.inspect import inspect
from vmpod.state.store import PodEntry
from vmpod.text import printable

Json = Mapping[str, Any]
_EVENTS = 50
"""The newest events that are shown; `vmpod events` shows all."""


def describe(runtime: Runtime, entry: PodEntry) -> str:
    """The whole text, without a newline at its end."""
    found = inspect(runtime, entry)
    pod = found["pod"]
    lines = [*_head(pod), *_containers(pod), *_conditions(pod), *_volumes(pod), *_machine(found)]
    return "\n".join([*lines, *_events(runtime, entry)])


def _head(pod: Json) -> Iterator[str]:
    metadata, status = pod["metadata"], pod["status"]
    yield from fields(
        ("Name", metadata["name"]),
        ("Namespace", metadata["namespace"]),
        ("UID", metadata["uid"]),
        ("Start Time", status.get("startTime", "")),
        ("Labels", metadata.get("labels") or {}),
        ("Annotations", metadata.get("annotations") or {}),
        ("Status", status["phase"]),
    )
    optional = [(title, status.get(title.lower())) for title in ("Reason", "Message")]
    yield from fields(*((title, text) for title, text in optional if text))
    yield from fields(
        ("IP", ", ".join(each["ip"] for each in status.get("podIPs", ()))), ("QoS Class", status["qosClass"])
    )


def fields(*pairs: tuple[str, Any], indent: int = 0, width: int = 16) -> Iterator[str]:
    """'Title:   value' lines; a mapping has a line for each of its entries, and nothing is '<none>'."""
    for title, value in pairs:
        texts = [f"{key}={text}" for key, text in value.items()] if isinstance(value, Mapping) else [value]
        texts = [printable(str(text)) for text in texts if text not in (None, "")] or ["<none>"]
        head = f"{' ' * indent}{title}:"
        for text in texts:
            yield f"{head.ljust(indent + width)} {text}".rstrip()
            head = ""


def _containers(pod: Json) -> Iterator[str]:
    groups = (
        ("Init Containers", "initContainers", "initContainerStatuses"),
        ("Containers", "containers", "containerStatuses"),
        ("Ephemeral Containers", "ephemeralContainers", "ephemeralContainerStatuses"),
    )
    for title, specs, statuses in groups:
        listed = pod["spec"].get(specs) or ()
        if listed:
            yield f"{title}:"
        told = {each["name"]: each for each in pod["status"].get(statuses, ())}
        for spec in listed:
            yield from _container(spec, told.get(spec["name"], {}))


def _container(spec: Json, status: Json) -> Iterator[str]:
    yield f"  {printable(str(spec['name']))}:"
    ports = ", ".join(
        f"{each.get('containerPort')}/{each.get('protocol', 'TCP')}" for each in spec.get("ports") or ()
    )
    yield from fields(
        ("Container ID", status.get("containerID", "")),
        ("Image", spec.get("image")),
        ("Image ID", status.get("imageID")),
        ("Ports", ports),
        indent=4,
    )
    for title in ("Command", "Args"):
        if words := spec.get(title.lower()):
            yield f"    {title}:"
            yield from (f"      {printable(str(word))}" for word in words)
    yield from _state("State", status.get("state") or {})
    if last := status.get("lastState"):
        yield from _state("Last State", last)
    yield from fields(
        ("Ready", status.get("ready", False)), ("Restart Count", status.get("restartCount", 0)), indent=4
    )
    resources = spec.get("resources") or {}
    for title in ("Limits", "Requests"):
        if amounts := resources.get(title.lower()):
            yield f"    {title}:"
            yield from fields(*amounts.items(), indent=6, width=10)
    yield from _life(spec)
    yield from _environment(spec)
    yield from _block("Mounts", map(_mount, spec.get("volumeMounts") or ()))


def _state(title: str, state: Json) -> Iterator[str]:
    for name, detail in state.items():
        yield from fields((title, name.capitalize()), indent=4)
        shown = {
            "Reason": detail.get("reason"),
            "Message": str(detail.get("message") or "").strip(),
            "Exit Code": detail.get("exitCode"),
            "Signal": detail.get("signal"),
            "Started": detail.get("startedAt"),
            "Finished": detail.get("finishedAt"),
        }
        pairs = [(key, value) for key, value in shown.items() if value not in (None, "")]
        yield from fields(*pairs, indent=6, width=14)


def _life(spec: Json) -> Iterator[str]:
    """Probes and hooks, in kubectl's words."""
    probes = (("Liveness", "livenessProbe"), ("Readiness", "readinessProbe"), ("Startup", "startupProbe"))
    pairs = [(title, _probe(spec[field])) for title, field in probes if spec.get(field)]
    lifecycle = spec.get("lifecycle") or {}
    hooks = (("Post Start", "postStart"), ("Pre Stop", "preStop"))
    pairs += [(title, _action(lifecycle[field])) for title, field in hooks if lifecycle.get(field)]
    yield from fields(*pairs, indent=4)


def _probe(probe: Json) -> str:
    return (
        f"{_action(probe)} delay={probe.get('initialDelaySeconds', 0)}s "
        f"timeout={probe.get('timeoutSeconds') or 1}s "
        f"period={probe.get('periodSeconds') or 10}s #success={probe.get('successThreshold') or 1} "
        f"#failure={probe.get('failureThreshold') or 3}"
    )


def _action(handler: Json) -> str:
    """What a probe or hook does, as kubectl shows it."""
    if found := handler.get("exec"):
        return f"exec [{' '.join(map(str, found.get('command') or ()))}]"
    if found := handler.get("httpGet"):
        scheme, path = str(found.get("scheme") or "HTTP").lower(), str(found.get("path") or "/")
        return f"http-get {scheme}://{found.get('host', '')}:{found.get('port')}/{path.removeprefix('/')}"
    if found := handler.get("tcpSocket"):
        return f"tcp-socket {found.get('host', '')}:{found.get('port')}"
    if found := handler.get("grpc"):
        return f"grpc <pod>:{found.get('port')} {found.get('service') or ''}".rstrip()
    return f"sleep {(handler.get('sleep') or {}).get('seconds')}s"


def _environment(spec: Json) -> Iterator[str]:
    sources = [_source(each) for each in spec.get("envFrom") or ()]
    if sources:
        yield from _block("Environment Variables from", sources)
    yield from _block("Environment", (f"{each['name']}:  {_value(each)}" for each in spec.get("env") or ()))


def _source(source: Json) -> str:
    for kind, title in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
        if reference := source.get(kind):
            prefix = f" with prefix {source['prefix']!r}" if source.get("prefix") else ""
            return f"{reference.get('name')}  {title}{prefix}"
    return "?"


def _value(variable: Json) -> str:
    """What the manifest says: never the value of a Secret."""
    source = variable.get("valueFrom")
    if not source:
        return str(variable.get("value") or "")
    for kind, title in (("secretKeyRef", "secret"), ("configMapKeyRef", "config map")):
        if reference := source.get(kind):
            return f"<set to the key {reference.get('key')!r} of {title} {reference.get('name')!r}>"
    if reference := source.get("fieldRef"):
        return f"({reference.get('fieldPath')})"
    if reference := source.get("resourceFieldRef"):
        return f"({reference.get('resource')} of {reference.get('containerName') or 'this container'})"
    if reference := source.get("fileKeyRef"):
        where = f"{reference.get('path')} of volume {reference.get('volumeName')}"
        return f"<set to the key {reference.get('key')!r} of the file {where}>"
    return "<set by the pod itself>"


def _mount(mount: Json) -> str:
    flags = ["ro" if mount.get("readOnly") else "rw"]
    path = mount.get("subPath") or mount.get("subPathExpr")
    flags += [f'path="{path}"'] if path else []
    return f"{mount.get('mountPath')} from {mount.get('name')} ({','.join(flags)})"


def _block(title: str, lines: Iterable[str]) -> Iterator[str]:
    listed = [printable(line) for line in lines]
    yield f"    {title}:{'' if listed else '  <none>'}"
    yield from (f"      {line}" for line in listed)


def _conditions(pod: Json) -> Iterator[str]:
    rows = [[each["type"], each["status"], each.get("reason", "")] for each in pod["status"]["conditions"]]
    yield "Conditions:"
    yield from table(["Type", "Status", "Reason"], rows)


def _volumes(pod: Json) -> Iterator[str]:
    listed = pod["spec"].get("volumes") or ()
    yield f"Volumes:{'' if listed else '  <none>'}"
    for volume in listed:
        yield f"  {printable(str(volume.get('name')))}:"
        for kind, source in volume.items():
            if kind != "name":
                details = source if isinstance(source, Mapping) else {}
                pairs = [(key, text) for key, text in details.items() if not isinstance(text, (list, dict))]
                yield from fields(("Type", kind), *pairs, indent=4)


def _machine(found: Json) -> Iterator[str]:
    machine, files = found["machine"], found["files"]
    yield "Machine:"
    yield from fields(
        ("Accelerator", machine["accelerator"]),
        ("Process", machine["pid"] or "<none>"),
        ("Connection", machine["connection"]),
        ("Domain", machine["domain"]),
        ("Console", files.get("console", {}).get("path")),
        ("Disk space", render.size(sum(each["bytes"] for each in files.values()))),
        indent=2,
    )
    ports = [
        f"{each['hostIP']}:{each['hostPort']} -> {each['containerPort']}/{each['protocol']}"
        for each in found["ports"]
    ]
    yield from fields(("Published", ", ".join(ports)), indent=2)


def _events(runtime: Runtime, entry: PodEntry) -> Iterator[str]:
    found = all_events(runtime, entry)
    yield f"Events:{'' if found else '  <none>'}"
    if len(found) > _EVENTS:
        yield f"  ({len(found) - _EVENTS} older ones: vmpod events {entry.record.called})"
    rows = [
        [each.kind, each.reason, render.age(each.moment), each.container or "-", each.message]
        for each in found[-_EVENTS:]
    ]
    if rows:
        yield from table(["Type", "Reason", "Age", "Container", "Message"], rows)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    lines = [header, ["-" * len(title) for title in header], *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    for line in lines:
        cells = (printable(cell).ljust(width) for cell, width in zip(line, widths, strict=True))
        yield f"  {'  '.join(cells)}".rstrip()
