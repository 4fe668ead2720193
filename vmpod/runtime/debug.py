"""Containers that are added to a pod that runs, to look around in it.

The image's disk is attached to the machine, and detached once the container has ended: by the command that
added it, or by the next one that has to do with the pod's debuggers.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vmpod.client.session import Session, session
from vmpod.dataclass import dataclass
from vmpod.errors import ConflictError, ManifestError, NotFoundError, UsageError, VmpodError
from vmpod.log import logger
from vmpod.oci.model import Image, ImageConfig
from vmpod.plan.containers import boot_container, command_problems, user_problems
from vmpod.plan.host import Request
from vmpod.plan.make import facts_for
from vmpod.plan.model import Plug
from vmpod.plan.security import profile_problems, profiles
from vmpod.progress import SILENT, Progress
from vmpod.runtime.context import Runtime
from vmpod.runtime.facts import host_facts, read_profiles
from vmpod.runtime.pausing import running
from vmpod.spec.load import load
from vmpod.spec.model import Manifest, Pod
from vmpod.state.machine import load as load_machine
from vmpod.state.record import Ephemeral
from vmpod.state.store import PodEntry
from vmpod.wire import messages

if TYPE_CHECKING:
    from vmpod.wire.boot import BootContainer

Json = dict[str, Any]

_TARGETS = 128
"""Places on the bus; a pod's claims have lower ones."""

_INHERITED = ("securityContext", "hostname", "subdomain", "setHostnameAsFQDN", "hostnameOverride")
"""What of a pod's spec holds for all its containers."""

_START_TIMEOUT = 120.0  # seconds; an emulated guest may be slow to start a process

TOOLBOX = "vmpod-toolbox"
"""In place of an image's name: the toolbox, which sees the whole machine."""

_TOOLBOX_CONFIG = ImageConfig(cmd=("/bin/bash",), env=(("PATH", "/usr/bin:/usr/sbin:/bin:/sbin"),))


@dataclass(frozen=True)
class Wanted:
    """The container. image: a name, or TOOLBOX.

    name: '' for one that is made up; target: whose processes it sees, '' for its own. command: () for the
    image's own. env: by name. stdin, tty: as of any container.
    """

    image: str
    name: str = ""
    target: str = ""
    command: tuple[str, ...] = ()
    env: Mapping[str, str] | None = None
    stdin: bool = False
    tty: bool = False
    pull_policy: str = ""

    def document(self) -> Json:
        """The container as the manifest of a pod has it."""
        found: Json = {"name": self.name, "image": self.image}
        if self.command:
            found["command"] = list(self.command)
        if self.env:
            found["env"] = [{"name": name, "value": value} for name, value in self.env.items()]
        if self.stdin:
            # Whoever watches it is the only one: when he goes, so does what it reads.
            found |= {"stdin": True, "stdinOnce": True}
        if self.tty:
            found["tty"] = True
        if self.pull_policy:
            found["imagePullPolicy"] = self.pull_policy
        if self.image == TOOLBOX:
            return found | {"securityContext": {"privileged": True}}
        # As `kubectl debug` gives it: to trace what is looked at.
        return found | {"securityContext": {"capabilities": {"add": ["SYS_PTRACE"]}}}


@contextmanager
def debugger(
    runtime: Runtime, pod: str, wanted: Wanted, *, attach: bool, progress: Progress = SILENT
) -> Iterator[tuple[str, Session, int]]:
    """Add a container to a pod: its name, and the session and stream on which the agent tells of it.

    attach: what it writes comes on the stream, too. When the block ends, what is attached for containers that
    have ended is detached. Raises VmpodError; then there is no such container.
    """
    name = wanted.name or f"debugger-{uuid.uuid4().hex[:5]}"
    with ExitStack() as stack:
        yield _add(runtime, pod, replace(wanted, name=name), stack, attach=attach, progress=progress)
    tidy(runtime, pod)


def _add(
    runtime: Runtime, name: str, wanted: Wanted, stack: ExitStack, *, attach: bool, progress: Progress
) -> tuple[str, Session, int]:
    running(runtime, name)
    entry = runtime.pods.find_awake(name)
    with runtime.pods.locked(entry.record.key), runtime.using(), ExitStack() as undo:
        entry = tidied(runtime, running(runtime, name))
        document = wanted.document()
        pod = _pod(entry, document)
        image = _image(runtime, wanted, pod, progress)
        container = _container(runtime, entry, pod, image)
        place = _place(entry)
        shown = document | ({"targetContainerName": wanted.target} if wanted.target else {})
        number = max((each.number for each in entry.record.ephemeral), default=-1) + 1
        added = Ephemeral(shown, image.digest, image.disk, f"debug-{uuid.uuid4().hex[:12]}", number)
        plug = _plug(place, added)
        undo.callback(runtime.pods.save, entry)
        runtime.pods.save(replace(entry, record=replace(entry.record, **_with(entry, place, added))))
        hypervisor = runtime.hypervisor(entry.record.uri, entry.record.sockets)
        with progress.phase("Attaching the image"), hypervisor as found:
            machine = load_machine(entry.directory)
            found.plug(machine, plug)
        undo.callback(_unplug, runtime, entry, plug)
        with progress.phase("Starting the container"):
            opened = stack.enter_context(session(entry.record.sockets))
            message = {
                "container": dict(container),
                "number": len(entry.record.all_containers) + place,
                "disk": {"target": plug.target, "serial": plug.serial, "read_only": True, "block": False},
                "target": wanted.target,
                "machine": wanted.image == TOOLBOX,
                "attach": attach,
                "stdin": wanted.stdin,
            }
            stream = opened.open(messages.DEBUG, message)
            opened.answer(stream, _START_TIMEOUT)
        undo.pop_all()
    return wanted.name, opened, stream


def _image(runtime: Runtime, wanted: Wanted, pod: Pod, progress: Progress) -> Image:
    if wanted.image != TOOLBOX:
        return runtime.images.ensure(wanted.image, pod.containers[0].image_pull_policy, progress)
    disk = runtime.toolbox.ensure(progress)
    return Image(f"toolbox:{disk.stem}", (TOOLBOX,), _TOOLBOX_CONFIG, disk, disk.stat().st_size)


def _pod(entry: PodEntry, container: Json) -> Pod:
    """A pod with this one container, checked as any manifest, and what the real one has in common with it."""
    record = entry.record
    if container["name"] in record.logged_containers:
        raise ConflictError(f"the pod {record.called} has a container {container['name']!r} already")
    kept = {key: record.spec[key] for key in _INHERITED if record.spec.get(key) is not None}
    document = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": record.name, "namespace": record.namespace},
        "spec": kept | {"containers": [container]},
    }
    try:
        (pod,) = load(json.dumps(document), source=record.key).pods
    except ManifestError as error:
        raise _refused(error) from None
    return pod


def _container(runtime: Runtime, entry: PodEntry, pod: Pod, image: Image) -> BootContainer:
    """The container as the agent runs it. Raises UsageError."""
    record, manifest = entry.record, Manifest((pod,))
    request = Request(
        manifest=manifest,
        uid=record.uid,
        host=host_facts(record.accelerator, manifest, runtime.paths.pods),
        guest=runtime.guests.describe(),
        images={pod.containers[0].image: image},
        state=entry.directory,
        sockets=record.sockets,
        profiles=read_profiles(runtime.paths.seccomp, profiles(pod)),
    )
    problems = command_problems(pod, request, record.key) + user_problems(pod, request, record.key)
    if problems := problems + profile_problems(pod, request, record.key):
        raise _refused(ManifestError(problems))
    facts = facts_for(pod, record.uid, request.host)
    return boot_container(pod.containers[0], pod, request, facts=facts, image=0, secrets={})


def _refused(error: ManifestError) -> UsageError:
    told = "; ".join(
        f"{each.path.removeprefix('spec.containers[0].')}: {each.message}" for each in error.problems
    )
    return UsageError(f"the container cannot be added: {told}")


def _place(entry: PodEntry) -> int:
    """Where the container's output goes: a place that nobody had, or that of the oldest that has ended."""
    record = entry.record
    if len(record.ephemeral) < record.places:
        return len(record.ephemeral)
    ended = {each.number: place for place, each in enumerate(record.ephemeral) if not each.attached}
    if not ended:
        raise ConflictError(
            f"{len(record.ephemeral)} debuggers of the pod {record.called} run already"
            if record.places
            else f"the pod {record.called} was started by a version of vmpod that knew no debuggers",
            hint="end one of them" if record.places else f"`vmpod restart {record.called}`",
        )
    return ended[min(ended)]


def _with(entry: PodEntry, place: int, added: Ephemeral) -> Json:
    """What changes in the record of a pod that gets a container."""
    others = list(entry.record.ephemeral)
    others[place : place + 1] = [added]
    return {
        "ephemeral": tuple(others),
        "images": tuple(dict.fromkeys((*entry.record.images, added.image))),
    }


def _plug(place: int, added: Ephemeral) -> Plug:
    label = f"the image of {added.name}"
    return Plug(added.disk, added.serial, _TARGETS + place, read_only=True, label=label)


def tidy(runtime: Runtime, name: str) -> None:
    """Detach what was attached for containers that have ended. That the pod is gone is no error."""
    try:
        entry = runtime.pods.find(name)
        with runtime.pods.locked(entry.record.key):
            tidied(runtime, runtime.pods.find(name))
    except (NotFoundError, ConflictError) as error:
        logger.debug("debuggers: %s", error)


def tidied(runtime: Runtime, entry: PodEntry) -> PodEntry:
    """As tidy(), by who holds the pod's lock; the pod as it is then."""
    if not any(each.attached for each in entry.record.ephemeral):
        return entry
    status = runtime.pods.status(entry, locked=True)
    # One that does not run while nobody starts it, we have the lock, never will.
    over = {each.name for each in status.ephemeral if "running" not in each.state}
    found = []
    for place, each in enumerate(entry.record.ephemeral):
        if each.attached and each.name in over:
            _unplug(runtime, entry, _plug(place, each))
            each = replace(each, attached=False)  # noqa: PLW2901
        found.append(each)
    return runtime.pods.save(replace(entry, record=replace(entry.record, ephemeral=tuple(found))))


def _unplug(runtime: Runtime, entry: PodEntry, plug: Plug) -> None:
    """Detach a disk, if the machine runs and has it."""
    if not entry.alive():
        return
    try:
        with runtime.hypervisor(entry.record.uri, entry.record.sockets) as found:
            found.unplug(load_machine(entry.directory), plug)
    except VmpodError as error:
        # It is read-only, and goes with the machine.
        logger.debug("%s stays attached: %s", plug.label, error)
