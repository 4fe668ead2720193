"""Bringing up a pod's machine: a copy of a frozen one, or one that boots, until its agent has the pod."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from vmpod.client.session import AgentError, Session, session
from vmpod.errors import HypervisorError, MachineError, ProtocolError, TimeoutExpiredError, from_system
from vmpod.hypervisor.base import Moment, nothing
from vmpod.hypervisor.open import EMBEDDED
from vmpod.log import logger
from vmpod.plan.model import Machine, Planned
from vmpod.plan.template import copy_of
from vmpod.process import Process
from vmpod.progress import Progress
from vmpod.runtime import faults, hostfiles, templates
from vmpod.runtime.context import Runtime
from vmpod.runtime.disks import make_disks, write_boot_disk, write_template_disk
from vmpod.runtime.remove import kill_if_there
from vmpod.runtime.wait import BOOT_TIMEOUT, wait_for
from vmpod.runtime.waking import Waking
from vmpod.spec.model import Pod
from vmpod.spec.volumemodel import HostPath
from vmpod.state import journal
from vmpod.state.journal import StreamReader
from vmpod.state.machine import save as save_machine
from vmpod.state.store import PodEntry
from vmpod.template.store import Template
from vmpod.wire import messages
from vmpod.wire.events import BROKEN
from vmpod.wire.logdisk import EVENTS

# Seconds. Emulated guests are slow, and hosts may be busy.
_HAND_OVER_TIMEOUT = 60.0
_COPY_TIMEOUT = 20.0  # for the agent of a machine that need not boot
_END_TIMEOUT = 5.0  # for QEMU to end once the channel has gone


def bring_up(
    runtime: Runtime,
    entry: PodEntry,
    pod: Pod,
    planned: Planned,
    progress: Progress,
    *,
    boot_timeout: float | None = None,
    template: bool = True,
    template_first: bool = False,
    keep: tuple[str, ...] = (),
) -> PodEntry:
    """Make the disks, start the machine, and hand its agent the pod. Raises VmpodError; undoes nothing.

    boot_timeout: seconds until the agent must have answered; None for what is usual. template,
    template_first, keep: see Options.
    """
    # Those of the manifest alone are told before.
    for note in planned.plan.notes[len(pod.notes) :]:
        progress.note(note)
    # A libvirt of its own may start another QEMU.
    template = template and entry.record.uri == EMBEDDED
    found = templates.usable(runtime, planned.plan.machine, progress) if template else None
    if template and template_first and not found:
        found = templates.made(runtime, planned.plan.machine, progress)
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
    with runtime.hypervisor(entry.record.uri, machine.sockets) as found:
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
    limit = timeout if timeout is not None else BOOT_TIMEOUT[entry.record.accelerator]

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
