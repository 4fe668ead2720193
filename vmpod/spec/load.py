"""From text to a checked manifest: the way in to this package."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from vmpod.errors import ManifestError, Problem
from vmpod.spec.claimfields import CLAIM
from vmpod.spec.claims import read_claim
from vmpod.spec.clusterkinds import pass_over
from vmpod.spec.data import read_config_map, read_secret
from vmpod.spec.fields import Table
from vmpod.spec.jobfields import JOB
from vmpod.spec.jobmodel import Job
from vmpod.spec.jobs import read_job
from vmpod.spec.metadata import DEFAULT_NAMESPACE, read_metadata, with_name
from vmpod.spec.model import Claim, ConfigMap, Manifest, Pod, Secret
from vmpod.spec.persistent import (
    Key,
    PersistentVolume,
    bind,
    in_place,
    key_of,
    read_persistent_volume,
)
from vmpod.spec.persistentfields import PERSISTENT_VOLUME
from vmpod.spec.pod import read_pod
from vmpod.spec.podfields import CONFIG_MAP, LIST, LIST_META, POD, SECRET
from vmpod.spec.reader import PLACEHOLDER, Context, Place, Record
from vmpod.spec.references import References
from vmpod.spec.scalars import describe
from vmpod.spec.servicenames import name_in_jobs, name_in_pods
from vmpod.spec.services import note_in_jobs, note_in_pods, read_service
from vmpod.spec.tree import documents
from vmpod.spec.words import nearest, shown
from vmpod.spec.workloads import VERSIONS, WORKLOADS, owner_of, read_retention, read_workload

_KINDS: dict[str, Table] = {"Pod": POD, "ConfigMap": CONFIG_MAP, "Secret": SECRET, "List": LIST}
_KINDS |= {"PersistentVolumeClaim": CLAIM, "PersistentVolume": PERSISTENT_VOLUME}
_KINDS |= {kind: tables[0] for kind, tables in WORKLOADS.items()}
_KINDS["Job"] = JOB
_OF_PODS = ("Pod", *WORKLOADS, "Job")
_VERSIONS = VERSIONS | {"Job": "batch/v1"}

# What somebody may well try, with what to do instead.
_INSTEAD = {
    "CronJob": "nobody here watches the clock; let cron or a systemd timer call `vmpod run` with its Job",
}

_Object = TypeVar("_Object", ConfigMap, Secret)


def load(text: str, *, source: str, suffix: Callable[[], str] = lambda: PLACEHOLDER) -> Manifest:
    """Read every document of a manifest, YAML or JSON.

    source: the file as the user named it, for messages. A `List` stands for its items. suffix: makes the end
    of each generated name.
    Raises ManifestError, and nothing else, with every fault: each has its line and field path.
    """
    return load_all([(text, source)], suffix=suffix)


def load_all(
    texts: Iterable[tuple[str, str]], *, suffix: Callable[[], str] = lambda: PLACEHOLDER
) -> Manifest:
    """As load(), for several files that are one manifest: pairs of a text and its source."""
    contexts: list[Context] = []
    found: dict[str, list[Record]] = {kind: [] for kind in _KINDS if kind not in _OF_PODS}
    making: list[tuple[str, Record]] = []
    for text, source in texts:
        contexts.append(context := Context(source, suffix))
        for node in documents(text, context):
            for kind, record in _unfold(Place(node, "", context)):
                if kind in _OF_PODS:
                    making.append((kind, record))
                else:
                    found[kind].append(record)
    config_maps = _objects(found["ConfigMap"], read_config_map)
    secrets = _objects(found["Secret"], read_secret)
    bound = bind(found["PersistentVolumeClaim"], _volumes(found["PersistentVolume"]))
    claims = _claims(found["PersistentVolumeClaim"], bound)
    making = [(kind, _bound(kind, record, bound)) for kind, record in making]
    pods, jobs = _pods_and_jobs(making, config_maps, secrets)
    keeping = {
        owner_of(kind, record): retention
        for kind, record in making
        if kind == "StatefulSet" and (retention := read_retention(record))
    }
    problems = [problem for context in contexts for problem in context.in_order()]
    if not making and not claims and not problems:
        problems = _nothing_to_run(contexts, beside=any(found.values()))
    if problems:
        raise ManifestError(problems)
    services = [each for context in contexts for place in context.services if (each := read_service(place))]
    pods, jobs = name_in_pods(pods, services), name_in_jobs(jobs, services, pods)
    pods, jobs = note_in_pods(pods, services, config_maps), note_in_jobs(jobs, services, config_maps)
    namespaces = {pod.namespace for pod in pods} | {job.namespace for job in jobs}
    return Manifest(
        pods=_with_notes(pods, contexts),
        config_maps=_seen_from(namespaces, config_maps),
        secrets=_seen_from(namespaces, secrets),
        claims=claims,
        owners=frozenset(owner_of(kind, record) for kind, record in making if kind in WORKLOADS),
        retentions=keeping,
        jobs=jobs,
        unnamed=tuple(problem for context in contexts for problem in context.unnamed),
    )


def _nothing_to_run(contexts: Sequence[Context], *, beside: bool) -> list[Problem]:
    """beside: whether there is what pods use."""
    told = "holds no Pod" + ", only what pods use: give it together with their manifest" * beside
    problems = [Problem(context.source, 0, "", told) for context in contexts[:1]]
    # Why what the files do hold is none.
    problems += [Problem(context.source, 0, "", note) for context in contexts for note in context.notes]
    return problems


def _unfold(place: Place) -> Iterator[tuple[str, Record]]:
    kind = _kind(place)
    record = place.record(_KINDS[kind]) if kind else None
    if record is None:
        return
    if kind != "List":
        yield kind, record
        return
    record.record("metadata", LIST_META)
    for item in record.items("items"):
        yield from _unfold(item)


def _kind(place: Place) -> str:
    """The kind of a document, or '' if it is none that vmpod reads."""
    if not isinstance(place.node.value, dict):
        what = describe(place.node.value)
        place.wrong(f"a document must be a mapping with apiVersion and kind, not {what}")
        return ""
    fields = {name: place.child(name) for name in ("apiVersion", "kind")}
    missing = [name for name in fields if name not in place.node.value]
    for name in missing:
        fields[name].wrong("is required")
    if missing:
        return ""
    kind = fields["kind"].text()
    version = fields["apiVersion"].text()
    if not kind or not version:
        return ""
    if kind not in _KINDS:
        if not pass_over(place, kind, version):
            fields["kind"].wrong(_unknown_kind(kind))
        return ""
    wanted = _VERSIONS.get(kind, "v1")
    if version != wanted:
        fields["apiVersion"].wrong(f"must be {wanted} for a {kind}, not {shown(version)}")
    return kind


def _unknown_kind(kind: str) -> str:
    if kind in _INSTEAD:
        return f"{kind} is not supported: {_INSTEAD[kind]}"
    near = nearest(kind, list(_KINDS))
    return f"{shown(kind)} is not supported: only {', '.join(_KINDS)} are{near}"


def _objects(documents: list[Record], read: Callable[[Record, str], _Object]) -> dict[Key, _Object]:
    """ConfigMaps or Secrets by namespace and name."""
    found: dict[Key, _Object] = {}
    names: set[str] = set()
    for record in documents:
        metadata = read_metadata(record)
        _check_unique(record, metadata.name, names)
        found[metadata.namespace, metadata.name] = read(record, metadata.name)
    return found


def _volumes(documents: list[Record]) -> list[PersistentVolume]:
    found: list[PersistentVolume] = []
    names: set[str] = set()
    for record in documents:
        if volume := read_persistent_volume(record):
            _check_unique(record, volume.name, names)
            found.append(volume)
    return found


def _bound(kind: str, record: Record, bound: Mapping[Key, PersistentVolume]) -> Record:
    """What makes pods, with directories in place of claims that are bound to them."""
    node = in_place(record, bound, template=kind != "Pod")
    if node is record.place.node:
        return record
    return replace(record.place, node=node).record(_KINDS[kind]) or record


def _claims(documents: list[Record], bound: Mapping[Key, PersistentVolume]) -> tuple[Claim, ...]:
    """Those that need a disk."""
    found: list[Claim] = []
    names: set[str] = set()
    for record in documents:
        context = record.place.context
        before = len(context.notes)
        is_bound = key_of(record) in bound
        claim = read_claim(record, bound=is_bound)
        _check_unique(record, f"{claim.namespace}/{claim.name}" if claim.name else "", names)
        if not is_bound:
            found.append(replace(claim, notes=tuple(context.notes[before:])))
            del context.notes[before:]
    return tuple(found)


def _pods_and_jobs(
    documents: list[tuple[str, Record]],
    config_maps: Mapping[Key, ConfigMap],
    secrets: Mapping[Key, Secret],
) -> tuple[tuple[Pod, ...], tuple[Job, ...]]:
    pods: list[Pod] = []
    jobs: list[Job] = []
    names: dict[type, set[str]] = {Pod: set(), Job: set()}
    for kind, record in documents:
        place = record.place.child("metadata").child("namespace")
        namespace = place.node.value if isinstance(place.node.value, str) else DEFAULT_NAMESPACE
        own = {namespace}
        references = References(_seen_from(own, config_maps), _seen_from(own, secrets))
        context = record.place.context
        before = len(context.unnamed)
        made = _made(kind, record, references)
        generated = len(context.unnamed) > before
        # Said once, also for what makes several pods.
        notes, context.notes = tuple(context.notes), []
        for each in made:
            name = f"{each.namespace}/{each.name}" if each.name and not generated else ""
            _check_unique(record, name, names[type(each)])
            if isinstance(each, Job):
                jobs.append(replace(each, notes=notes, source=context.source))
            else:
                pods.append(replace(each, notes=notes, source=context.source))
            notes = ()
    return tuple(pods), tuple(jobs)


def _with_notes(pods: tuple[Pod, ...], contexts: list[Context]) -> tuple[Pod, ...]:
    """Give what was noted in files that have no pod to the first pod."""
    left = tuple(f"{note} ({context.source})" for context in contexts for note in context.notes)
    return (replace(pods[0], notes=pods[0].notes + left), *pods[1:]) if pods else ()


def _made(kind: str, record: Record, references: References) -> Sequence[Pod | Job]:
    """The pods that a document stands for, or its Job."""
    if kind in WORKLOADS:
        return read_workload(record, kind, references)
    if kind == "Job":
        job = read_job(record, references)
        return [job] if job else []
    metadata = read_metadata(record, generates=True)
    pod = read_pod(record, metadata, references)
    if pod and pod.name and pod.name != pod.document["metadata"].get("name"):
        pod = replace(pod, document=with_name(pod.document, pod.name))
    return [pod] if pod else []


def _check_unique(record: Record, name: str, taken: set[str]) -> None:
    # One file holds each name once, whatever the namespace: the rest of the program looks up by name.
    if name and name in taken:
        record.place.child("metadata").child("name").wrong(f"an earlier document is {name!r} already")
    taken.add(name)


def _seen_from(namespaces: set[str], objects: Mapping[Key, _Object]) -> dict[str, _Object]:
    return {name: item for (namespace, name), item in objects.items() if namespace in namespaces}
