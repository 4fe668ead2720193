"""Starting a pod: prepare, define, start, greet. Any failure undoes what was done so far."""

from __future__ import annotations

import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import field, replace
from pathlib import Path

from vmpod.client.session import AgentError, Session, session
from vmpod.dataclass import dataclass
from vmpod.errors import (
    ConflictError,
    HypervisorError,
    MachineError,
    ProtocolError,
    TimeoutExpiredError,
    VmpodError,
    from_system,
)
from vmpod.hypervisor.base import Moment, nothing
from vmpod.hypervisor.open import EMBEDDED, hypervisor
from vmpod.log import logger
from vmpod.oci.model import Image
from vmpod.plan.forward import Forward, pod_key
from vmpod.plan.host import Request
from vmpod.plan.loglimits import DEFAULT, LogLimits
from vmpod.plan.make import make_plan
from vmpod.plan.model import Accelerator, Machine, Planned
from vmpod.plan.security import profiles
from vmpod.plan.template import copy_of
from vmpod.process import Process
from vmpod.progress import SILENT, Progress
from vmpod.runtime import claims, faults, hostfiles, templates
from vmpod.runtime.context import Runtime
from vmpod.runtime.disks import DEBUGGERS, make_disks, write_boot_disk, write_template_disk
from vmpod.runtime.documents import config_maps
from vmpod.runtime.facts import host_facts, read_profiles
from vmpod.runtime.ports import check_free
from vmpod.runtime.preflight import check_host, check_memory
from vmpod.runtime.remove import kill_if_there, remove_locked
from vmpod.runtime.wait import wait_for
from vmpod.runtime.waking import Waking
from vmpod.runtime.watched import Watch
from vmpod.spec.model import HostPath, Manifest, Pod
from vmpod.state import journal
from vmpod.state.journal import StreamReader
from vmpod.state.machine import save as save_machine
from vmpod.state.record import Record
from vmpod.state.store import PodEntry
from vmpod.template.store import Template
from vmpod.wire import messages
from vmpod.wire.events import BROKEN
from vmpod.wire.journal import timestamp
from vmpod.wire.logdisk import EVENTS

# Seconds a machine may take until its agent answers. Emulated guests are slow, and hosts may be busy.
_HAND_OVER_TIMEOUT = 60.0
_COPY_TIMEOUT = 20.0  # for the agent of a machine that need not boot
_END_TIMEOUT = 5.0  # for QEMU to end once the channel has gone
_BOOT_TIMEOUT: dict[Accelerator, float] = {"kvm": 60.0, "tcg": 240.0}


@dataclass(frozen=True)
class Options:
    """The user's choices.

    uri: a libvirt URI, '' for the embedded driver; source: what messages call the manifest; file: where
    it can be read again, None for standard input; boot_timeout: seconds, None for what is usual; template:
    whether the machine may begin as a frozen one, and one may be made for the next. keep: containers whose
    files are kept when they have ended, for who fetches them. watch: of the command, if the pod is to end
    with it. failed: called with a pod's key and what has gone wrong, before what there is of it is undone.
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
        host = host_facts(options.accelerator, manifest, runtime.paths.pods)
        request = Request(
            manifest=manifest,
            uid=str(uuid.uuid4()),
            host=host,
            guest=runtime.guests.ensure(progress),
            profiles=read_profiles(runtime.paths.seccomp, profiles(pod)),
            claims=claims.storage(runtime, pod, manifest),
            images=ensure_images(runtime, pod, progress),
            state=runtime.pods.directory(key),
            sockets=Path(),
            publish=options.publish,
            logs=options.logs,
        )
        request = replace(request, sockets=runtime.pods.sockets(request.uid))
        planned = make_plan(pod, request, source=options.source)
        record = _record(pod, manifest, planned, options)
        with ExitStack() as started:
            with claims.taking(runtime, pod, manifest, planned.plan.machine.plugs):
                _replace_old(runtime, key)
                check_free(planned.plan.machine.forwards)
                check_memory(planned.plan.machine.memory)
                started.callback(_undo, runtime, key)
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
                keep=options.keep,
            )
            started.pop_all()
        return entry


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
            f"there is a pod {key} already",
            hint=f"remove it (`vmpod rm {key}`), or use --replace, or --name for another name",
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


def bring_up(
    runtime: Runtime,
    entry: PodEntry,
    pod: Pod,
    planned: Planned,
    progress: Progress,
    *,
    boot_timeout: float | None = None,
    template: bool = True,
    keep: tuple[str, ...] = (),
) -> PodEntry:
    """Make the disks, start the machine, and hand its agent the pod. Raises VmpodError; undoes nothing.

    boot_timeout: seconds until the agent must have answered; None for what is usual. template, keep: see
    Options.
    """
    # Those of the manifest alone are told before.
    for note in planned.plan.notes[len(pod.notes) :]:
        progress.note(note)
    # A libvirt of its own may start another QEMU.
    template = template and entry.record.uri == EMBEDDED
    found = templates.usable(runtime, planned.plan.machine, progress) if template else None
    with progress.phase("Making disks"), _system_errors("making the disks"):
        scratch = _make_files(pod, planned, found)
    if found:
        try:
            with progress.phase("Starting the machine"), _system_errors("starting the machine"):
                return _copy(runtime, entry, planned, found, progress, keep, scratch=scratch)
        except (HypervisorError, MachineError, TimeoutExpiredError, ProtocolError, AgentError) as error:
            progress.note(
                f"the template {found.key} is of no use, so the pod boots; it is made again: {error}"
            )
            runtime.templates.discard(found.key)
            entry = _begin_again(runtime, entry, planned)
    entry = _boot(runtime, entry, planned, progress, boot_timeout, keep, balloon=not template)
    if template:
        templates.make_in_background(runtime, planned.plan.machine)
    return entry


def _copy(  # noqa: PLR0917 - as _boot()
    runtime: Runtime,
    entry: PodEntry,
    planned: Planned,
    template: Template,
    progress: Progress,
    keep: tuple[str, ...],
    *,
    scratch: bool,
) -> PodEntry:
    """Let the machine begin as a frozen one, and tell it which pod it is.

    scratch: whether the pod's scratch disk is a copy of the template's.
    """
    runtime.templates.touch(template)
    empty = entry.directory / "empty"
    empty.mkdir(exist_ok=True)
    write_template_disk(planned.plan.machine)
    machine = copy_of(planned.plan.machine, template.frozen, empty)
    document = messages.dump(dict(planned.plan.boot))
    secrets = messages.dump(dict(planned.secrets))
    with ExitStack() as stack:
        told = {"scratch": scratch}
        waking = Waking(machine, stack, messages.ADOPT, told, document, timeout=_COPY_TIMEOUT, fresh=True)
        entry = _start_machine(runtime, entry, machine, progress, waking.at)
        found = waking.wait()
        # Not before: by now the agent reads at once, so that the time is right when it does.
        _ask_to_start(found, secrets, keep)
    return entry


def _ask_to_start(found: Session, secrets: bytes, keep: tuple[str, ...]) -> None:
    """Give the agent the secrets, and the word to start. Raises as Session.request()."""
    now = {"time": time.time_ns(), "keep": list(keep)}
    found.request(messages.START, now, body=secrets, timeout=_HAND_OVER_TIMEOUT)


def _begin_again(runtime: Runtime, entry: PodEntry, planned: Planned) -> PodEntry:
    """Remove what a machine has left that did not come up; a pod's first one has nothing to keep."""
    kill_if_there(runtime, entry)
    machine = planned.plan.machine
    shutil.rmtree(machine.sockets, ignore_errors=True)
    if entry.record.boot == 1:
        machine.disks.scratch.unlink(missing_ok=True)
        machine.disks.journal.unlink(missing_ok=True)
    machine.sockets.mkdir(mode=0o711)
    make_disks(planned.plan)
    return runtime.pods.save(replace(entry, record=replace(entry.record, qemu=None, stopped=False)))


def _boot(  # noqa: PLR0917 - all of them are what bring_up() was given
    runtime: Runtime,
    entry: PodEntry,
    planned: Planned,
    progress: Progress,
    boot_timeout: float | None,
    keep: tuple[str, ...],
    *,
    balloon: bool,
) -> PodEntry:
    """Boot the machine, and hand its agent the pod."""
    machine = replace(planned.plan.machine, balloon=balloon)
    write_boot_disk(planned.plan.boot, machine.disks.boot)
    news = journal.StreamReader(entry.journal, EVENTS)
    for _ in news.read():
        pass  # what an earlier machine of the pod has told
    console = machine.console_log
    skip = console.stat().st_size
    with progress.phase("Starting the machine"), _system_errors("starting the machine"):
        entry = _start_machine(runtime, entry, machine, progress)
    with progress.phase("Booting the guest"):
        evidence = faults.Evidence(console, faults.qemu_log(entry.record), skip)
        _wait_for_agent(runtime, entry, news, evidence, boot_timeout)
        _hand_over(runtime, entry, planned, evidence, keep)
    return entry


@contextmanager
def _system_errors(phase: str) -> Iterator[None]:
    """Raise the system's errors as ours, with the phase in which they came."""
    try:
        yield
    except OSError as error:
        found = from_system(error)
        raise type(found)(f"{phase}: {found.message}", hint=found.hint) from error


def _kept(runtime: Runtime, entry: PodEntry, evidence: faults.Evidence) -> Path | None:
    """The logs of a machine that did not come up, where they outlive the pod; None if they cannot be kept."""
    try:
        return faults.keep(evidence, faults.failures(runtime.paths.state), entry.record.key)
    except OSError as error:
        logger.debug("the logs are not kept: %s", error)
        return None


def _undo(runtime: Runtime, key: str) -> None:
    remove_locked(runtime, key, force=True)


def _record(pod: Pod, manifest: Manifest, planned: Planned, options: Options) -> Record:
    plan = planned.plan
    return Record(
        uid=plan.pod.uid,
        name=pod.name,
        namespace=pod.namespace,
        created=timestamp(time.time_ns() // 10**9 * 10**9).replace(".000000000", ""),
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


def _make_files(pod: Pod, planned: Planned, template: Template | None) -> bool:
    """Make what the machine needs; whether its scratch disk is a copy of the template's."""
    machine = planned.plan.machine
    machine.sockets.mkdir(mode=0o711)
    machine.console_log.touch(mode=0o600)
    scratch = make_disks(planned.plan, template)
    for volume in pod.volumes:
        if isinstance(volume.source, HostPath) and volume.source.type == "DirectoryOrCreate":
            Path(volume.source.path).mkdir(mode=0o755, parents=True, exist_ok=True)
        elif isinstance(volume.source, HostPath) and volume.source.type == "FileOrCreate":
            hostfiles.make(Path(volume.source.path))
    for share in machine.shares:
        if share.file:
            hostfiles.put(share)
    return scratch


def _start_machine(
    runtime: Runtime,
    entry: PodEntry,
    machine: Machine,
    progress: Progress,
    at: Callable[[Moment], None] = nothing,
) -> PodEntry:
    with hypervisor(entry.record.uri, root=machine.sockets / "v", cache=runtime.paths.libvirt_cache) as found:
        save_machine(machine, entry.directory)
        started = found.start(machine, at)
    for name, begin, end in started.steps:
        progress.part(name, begin, end)
    process = Process.of(started.pid)
    if process is None:
        evidence = faults.Evidence(machine.console_log, faults.qemu_log(entry.record))
        raise faults.ended("starting the machine", evidence, _kept(runtime, entry, evidence))
    return runtime.pods.save(replace(entry, record=entry.record.with_process(process)))


def _wait_for_agent(
    runtime: Runtime, entry: PodEntry, news: StreamReader, evidence: faults.Evidence, timeout: float | None
) -> None:
    phase, seen = "booting the guest", list[dict[str, object]]()
    limit = timeout if timeout is not None else _BOOT_TIMEOUT[entry.record.accelerator]

    def booted() -> bool:
        seen.extend(event for _, event in journal.parsed(news))
        return bool(seen)

    wait_for(
        booted,
        alive=entry.alive,
        timeout=limit,
        ended=lambda: faults.ended(phase, evidence, _kept(runtime, entry, evidence)),
        late=lambda: faults.timed_out(phase, limit, evidence, _kept(runtime, entry, evidence)),
    )
    if seen[0].get("reason") == BROKEN:
        message = str(seen[0].get("message"))
        raise faults.agent_failed(phase, message, evidence, _kept(runtime, entry, evidence))


def _hand_over(
    runtime: Runtime, entry: PodEntry, planned: Planned, evidence: faults.Evidence, keep: tuple[str, ...]
) -> None:
    """Give the agent the secrets, and the word to start."""
    phase = "handing over the pod"
    secrets = messages.dump(dict(planned.secrets))
    try:
        with session(entry.record.sockets, timeout=_HAND_OVER_TIMEOUT) as found:
            _ask_to_start(found, secrets, keep)
    except TimeoutExpiredError as error:
        kept = _kept(runtime, entry, evidence)
        raise faults.timed_out(phase, _HAND_OVER_TIMEOUT, evidence, kept) from error
    except MachineError as error:
        # What the agent said before it went is worth more than that it is gone.
        kept, told = _kept(runtime, entry, evidence), runtime.pods.status(entry).message
        if entry.record.qemu:
            entry.record.qemu.wait(_END_TIMEOUT)
        broken = told and not told.startswith("the machine ended")
        raise (
            faults.agent_failed(phase, told, evidence, kept)
            if broken
            else faults.ended(phase, evidence, kept)
        ) from error
