"""Starting a pod: prepare, define, start, greet. Any failure undoes what was done so far."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import field
from pathlib import Path

from vmpod.dataclass import dataclass
from vmpod.errors import ConflictError, VmpodError
from vmpod.hypervisor.open import EMBEDDED
from vmpod.oci.model import Image
from vmpod.plan.forward import Forward, called, pod_key
from vmpod.plan.host import Request
from vmpod.plan.loglimits import DEFAULT, LogLimits
from vmpod.plan.make import make_plan
from vmpod.plan.model import Accelerator, Planned
from vmpod.plan.security import profiles
from vmpod.progress import SILENT, Progress
from vmpod.runtime import claims
from vmpod.runtime.bringup import bring_up
from vmpod.runtime.context import Runtime
from vmpod.runtime.disks import DEBUGGERS
from vmpod.runtime.documents import config_maps, immutable_secrets
from vmpod.runtime.facts import host_facts, read_profiles
from vmpod.runtime.ports import check_free
from vmpod.runtime.preflight import check_host, check_memory
from vmpod.runtime.remove import remove_locked
from vmpod.runtime.watched import Watch
from vmpod.spec.model import Manifest, Pod
from vmpod.state.record import Record, moment
from vmpod.state.store import PodEntry


@dataclass(frozen=True)
class Options:
    """The user's choices.

    uri: a libvirt URI, '' for the embedded driver; source: what messages call the manifest; file: where
    it can be read again, None for standard input; boot_timeout: seconds, None for what is usual; template:
    whether the machine may begin as a frozen one, and one may be made for the next, or, with template_first,
    for this one. keep: containers whose files are kept when they have ended, for who fetches them. watch: of
    the command, if the pod is to end with it. failed: called with a pod's key and what has gone wrong, before
    what there is of it is undone.
    """

    accelerator: Accelerator
    uri: str = EMBEDDED
    publish: tuple[Forward, ...] = ()
    replace: bool = False
    source: str = "pod"
    file: Path | None = None
    logs: LogLimits = DEFAULT
    boot_timeout: float | None = None
    template: bool = True
    template_first: bool = False
    keep: tuple[str, ...] = ()
    watch: Watch = field(default_factory=lambda: Watch("live"))
    failed: Callable[[str, VmpodError], None] = lambda _key, _error: None


def start_pod(
    runtime: Runtime, pod: Pod, manifest: Manifest, options: Options, progress: Progress = SILENT
) -> PodEntry:
    """Start the pod's machine and hand its agent the pod; returns while the pod is coming up.

    Raises VmpodError; then nothing of the pod is left.
    """
    key = pod_key(pod.namespace, pod.name)
    with ExitStack() as undo:
        undo.enter_context(runtime.pods.locked(key))
        _check_name(runtime, key, options)
        undo.enter_context(runtime.using())
        check_host(runtime.paths.state)
        planned = make_plan(pod, _request(runtime, pod, manifest, options, progress), source=options.source)
        record = _record(pod, manifest, planned, options)
        with ExitStack() as started:
            with claims.taking(runtime, pod, manifest, planned.plan.machine.plugs):
                _replace_old(runtime, key)
                check_free(planned.plan.machine.forwards)
                check_memory(planned.plan.machine.memory)
                started.callback(remove_locked, runtime, key, force=True)
                started.enter_context(_telling(key, options))
                entry = runtime.pods.save(PodEntry(record, planned.plan.machine.disks.boot.parent))
            options.watch.take(entry)
            entry = bring_up(
                runtime,
                entry,
                pod,
                planned,
                progress,
                boot_timeout=options.boot_timeout,
                template=options.template,
                template_first=options.template_first,
                keep=options.keep,
            )
            started.pop_all()
        return entry


def _request(runtime: Runtime, pod: Pod, manifest: Manifest, options: Options, progress: Progress) -> Request:
    """What the plan is made from: facts of the host, and images, which are pulled and built if need be."""
    uid = str(uuid.uuid4())
    return Request(
        manifest=manifest,
        uid=uid,
        host=host_facts(options.accelerator, manifest, runtime.paths.pods),
        guest=runtime.guests.ensure(progress),
        profiles=read_profiles(runtime.paths.seccomp, profiles(pod)),
        claims=claims.storage(runtime, pod, manifest),
        images=ensure_images(runtime, pod, progress),
        state=runtime.pods.directory(pod_key(pod.namespace, pod.name)),
        sockets=runtime.pods.sockets(uid),
        publish=options.publish,
        logs=options.logs,
    )


@contextmanager
def _telling(key: str, options: Options) -> Iterator[None]:
    try:
        yield
    except VmpodError as error:
        options.failed(key, error)
        raise


def _check_name(runtime: Runtime, key: str, options: Options) -> None:
    # What is there without a record is left of a command that was killed, and is removed as a pod is.
    if not options.replace and runtime.pods.lookup(key):
        raise ConflictError(
            f"there is a pod {called(key)} already",
            hint=f"remove it (`vmpod rm {called(key)}`), or use --replace, or --name for another name",
        )


def _replace_old(runtime: Runtime, key: str) -> None:
    """Remove the pod of that name: it is to be replaced, and by now nothing in the new one is wrong."""
    if runtime.pods.directory(key).exists():
        remove_locked(runtime, key, force=True)


def ensure_images(runtime: Runtime, pod: Pod, progress: Progress) -> Mapping[str, Image]:
    """Every image of the pod, by the name that it gives. Raises ImageError, HostError."""
    found: dict[str, Image] = {}
    for name, policy in pod.images().items():
        found[name] = runtime.images.ensure(name, policy, progress)
    return found


def _record(pod: Pod, manifest: Manifest, planned: Planned, options: Options) -> Record:
    plan = planned.plan
    return Record(
        uid=plan.pod.uid,
        name=pod.name,
        namespace=pod.namespace,
        created=moment(time.time()),
        uri=options.uri,
        accelerator=options.accelerator,
        sockets=plan.machine.sockets,
        containers=tuple(container.name for container in pod.containers),
        init_containers=tuple(container.name for container in pod.init_containers),
        sidecars=tuple(container.name for container in pod.init_containers if container.sidecar),
        images=tuple(image.digest for image in plan.images if image.digest),
        forwards=plan.machine.forwards,
        document=pod.document,
        config=config_maps(manifest, pod.namespace),
        secrets=bool(manifest.secrets),
        immutable_secrets=immutable_secrets(manifest),
        manifest=str(options.file.absolute()) if options.file else "",
        image_ids=image_ids(pod, planned),
        logs=options.logs,
        addresses=addresses(planned),
        places=DEBUGGERS,
        unwatched=options.watch.then,
    )


def addresses(planned: Planned) -> tuple[str, ...]:
    """What the pod is reached by in its own network."""
    network = planned.plan.boot["network"]
    if not network:
        return ()
    return (network["address"], *([network["ipv6"]["address"]] if network["ipv6"] else []))


def image_ids(pod: Pod, planned: Planned) -> dict[str, str]:
    """By container, the digest of its image."""
    numbers = [*planned.plan.boot["init_containers"], *planned.plan.boot["containers"]]
    images = planned.plan.images
    return {
        container.name: images[spec["image"]].digest or ""
        for container, spec in zip(pod.every_container, numbers, strict=True)
    }
