"""Makes templates, and pods' machines from them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from vmpod.client.session import session
from vmpod.errors import BootTimeoutError, QemuEndedError, VmpodError
from vmpod.guestimage.model import GuestImage
from vmpod.hypervisor import machines
from vmpod.hypervisor.open import EMBEDDED
from vmpod.log import logger
from vmpod.plan.model import Accelerator, Disks, Frozen, Machine, Share
from vmpod.plan.size import SCRATCH_SIZE, cpu_class, memory_class
from vmpod.plan.template import empty_share, template_of
from vmpod.process import Process
from vmpod.progress import SILENT, Progress
from vmpod.runtime.context import Runtime
from vmpod.runtime.disks import make_scratch_disk, write_template_disk
from vmpod.runtime.facts import host_has_ipv6
from vmpod.runtime.wait import BOOT_TIMEOUT
from vmpod.template import attempts
from vmpod.template.store import Template

_POLL = 0.05

# As the guest sees them; on the host they are holes. Larger than any pod's.
_STAND_INS = {"images": 1 << 40, "journal": 1 << 38}
_BOOT = 1 << 20

_WORDY = ("VMPOD_DEBUG", "VMPOD_ERRORS")
"""Variables that make the command say more, or in another way, than people read."""


def usable(runtime: Runtime, machine: Machine, progress: Progress = SILENT) -> Template | None:
    """The template that the machine can begin as, if there is one; that one is damaged is told."""
    store = runtime.templates
    try:
        key = store.key(machine)
        found = store.find(key)
        if found is None and store.damaged(key):
            progress.note(f"the template {key} is damaged, so the pod boots; it is made again")
            store.discard(key)
    except OSError as error:
        logger.debug("templates: %s", error)
        return None
    return found


def bare_machine(  # noqa: PLR0917 - a size is three numbers
    runtime: Runtime,
    accelerator: Accelerator,
    memory: int,
    cpus: int,
    shares: int,
    progress: Progress = SILENT,
) -> Machine:
    """A machine of that size, with nothing of a pod's. Bytes and CPUs are rounded up as those of pods."""
    return _bare(runtime.guests.ensure(progress), accelerator, memory, cpus, shares)


def _bare(guest: GuestImage, accelerator: Accelerator, memory: int, cpus: int, shares: int) -> Machine:
    nowhere = Path("/")
    return Machine(
        name="",
        uuid="",
        accelerator=accelerator,
        memory=memory_class(memory),
        cpus=cpu_class(cpus),
        kernel=guest.kernel,
        initrd=guest.initrd,
        command_line=guest.command_line[accelerator],
        disks=Disks(guest.root, nowhere, nowhere, nowhere, nowhere),
        mac="",
        sockets=nowhere,
        console_log=nowhere,
        shares=tuple(Share("", nowhere, read_only=True, keep_owners=False) for _ in range(shares)),
        ipv6=host_has_ipv6(),
    )


def still_wanted(runtime: Runtime) -> Callable[[Template], bool]:
    """Tells whether the next pod of its size would begin as a template. Builds nothing."""
    guest = runtime.guests.describe()

    def wanted(template: Template) -> bool:
        accelerator: Accelerator = "kvm" if template.accelerator == "kvm" else "tcg"
        machine = _bare(guest, accelerator, template.memory, template.cpus, template.shares)
        return runtime.templates.key(machine) == template.key

    return wanted


def make(runtime: Runtime, machine: Machine, progress: Progress = SILENT) -> Template:
    """Make the template that the machine can begin as, unless it is there. Raises VmpodError, OSError."""
    found = _make(runtime, machine, progress)
    attempts.succeeded(runtime.paths.template_attempts, machine)
    return found


def made(runtime: Runtime, machine: Machine, progress: Progress = SILENT) -> Template | None:
    """As make(); None if it cannot be made, which is told."""
    try:
        return make(runtime, machine, progress)
    except (VmpodError, OSError) as error:
        progress.note(f"no template can be made, so the pod boots: {error}")
        return None


def _make(runtime: Runtime, machine: Machine, progress: Progress) -> Template:
    store = runtime.templates
    key = store.key(machine)
    if found := store.find(key):
        return found
    with ExitStack() as held, ExitStack() as waits:

        def waiting() -> None:
            waits.enter_context(progress.phase("Waiting for who makes it already"))

        new = held.enter_context(store.making(key, waiting))
        waits.close()
        if found := store.find(key):
            return found
        uid = str(uuid.uuid4())
        # The sockets' paths have to be short, so they are not in the template's directory.
        sockets = runtime.pods.sockets(uid)
        stem = template_of(machine, new, uuid=uid, mac="52:54:00:00:00:00")
        try:
            booted = replace(stem, sockets=sockets)
            _prepare(booted, new)
            _freeze(runtime, booted, Frozen(new / "memory", new / "state"), progress)
        finally:
            _end(uid, sockets)
        return store.complete(key, new, stem, machine.initrd.name)


def _prepare(machine: Machine, new: Path) -> None:
    disks: Disks = machine.disks
    write_template_disk(machine)
    os.truncate(disks.boot, _BOOT)
    # A pod that has none yet gets a copy of it, and finds it mounted.
    make_scratch_disk(disks.scratch, SCRATCH_SIZE)
    for name, size in _STAND_INS.items():
        path: Path = getattr(disks, name)
        path.touch(mode=0o600)
        os.truncate(path, size)
    empty_share(new).mkdir()
    machine.console_log.touch(mode=0o600)
    machine.sockets.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    machine.sockets.mkdir(mode=0o711)


def _freeze(runtime: Runtime, machine: Machine, into: Frozen, progress: Progress) -> None:
    with runtime.hypervisor(EMBEDDED, machine.sockets) as found:
        with progress.phase("Booting a machine for the template"):
            _wait(machine, Process.of(found.start(machine).pid))
        with progress.phase("Freezing it"):
            found.freeze(machine, into)


def _wait(machine: Machine, process: Process | None) -> None:
    """Wait until the agent has done all that it can do before it has a pod.

    Raises BootTimeoutError, QemuEndedError as soon as there is nothing to wait for.
    """
    limit = BOOT_TIMEOUT[machine.accelerator]
    deadline = time.monotonic() + limit
    while True:
        try:
            with session(machine.sockets, timeout=max(1.0, deadline - time.monotonic())):
                return
        except VmpodError as error:
            if process is None or not process.alive():
                raise QemuEndedError(
                    "QEMU ended while the template's machine booted",
                    hint="`dmesg` tells whether the host's kernel killed it for want of memory",
                ) from error
            if time.monotonic() > deadline:
                raise BootTimeoutError(
                    f"the template's machine has not come up within {limit:g} seconds: {error.message}"
                ) from error
            time.sleep(_POLL)


def _end(uid: str, sockets: Path) -> None:
    if process := machines.find(uid):
        process.end()
    shutil.rmtree(sockets, ignore_errors=True)


def make_in_background(runtime: Runtime, machine: Machine) -> None:
    """Have a process of its own make the template that the machine could have begun as.

    If it fails, `vmpod template ls` tells.
    """
    argv = [sys.executable, "-m", "vmpod", "template", "create", "--quiet", "--accel", machine.accelerator]
    argv += ["--memory", str(machine.memory)]
    argv += ["--cpus", str(machine.cpus)]
    argv += ["--shares", str(len(machine.shares))]
    try:
        with attempts.attempt(runtime.paths.template_attempts, machine) as log:
            subprocess.Popen(
                ["nice", *argv],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                env={name: value for name, value in os.environ.items() if name not in _WORDY},
                start_new_session=True,
                cwd="/",
            )
    except OSError as error:
        logger.debug("no template is made: %s", error)
