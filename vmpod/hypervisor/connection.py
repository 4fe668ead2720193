"""Machines through a libvirt connection, whichever driver is behind it."""

from __future__ import annotations

import contextlib
import os
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from types import TracebackType

import libvirt

from vmpod.errors import HypervisorError, MissingProgramError, PortTakenError, QemuEndedError
from vmpod.hypervisor import libvirt_errors, machines
from vmpod.hypervisor.base import Copies, Moment, Started, nothing
from vmpod.hypervisor.domain import domain_xml
from vmpod.hypervisor.frozen import freeze, mend, movable, rouse, runs, thaw
from vmpod.hypervisor.libvirt_errors import translated
from vmpod.hypervisor.monitor import MonitorError, human, qmp
from vmpod.hypervisor.plugs import attach, detach
from vmpod.log import logger
from vmpod.plan.forward import Forward
from vmpod.plan.model import Frozen, Machine, Plug
from vmpod.run import copy_sparse

_OLDEST = 6_001_000  # has the embedded driver
_RECONNECT, _POLL = 5.0, 0.01  # seconds
_NIC = "hostnet0"  # the name libvirt gives the first network card's host side


class LibvirtHypervisor:
    """A Hypervisor (see base.py) on one libvirt connection."""

    def __init__(self, uri: str) -> None:
        """Open the connection. Raises HypervisorError."""
        _check_version(libvirt.getVersion())
        libvirt_errors.silence()
        with translated(f"could not open {uri}"):
            self._connection = libvirt.open(uri)
        self._embedded = uri.startswith("qemu:///embed")

    def __enter__(self) -> LibvirtHypervisor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self, machine: Machine, at: Callable[[Moment], None] = nothing) -> Started:
        """See Hypervisor.start."""
        laps = _Laps()
        with translated(f"could not start the machine {machine.name}"):
            xml = domain_xml(machine, labels=self._labels())
            logger.debug("domain:\n%s", xml)
            # Paused, so that a taken port is found before the guest has run an instruction.
            domain = self._connection.createXML(xml, libvirt.VIR_DOMAIN_START_PAUSED)
            laps.end("create the domain")
            try:
                if machine.frozen:
                    thaw(domain, machine.frozen, machine.sockets)
                    laps.end("load the frozen machine")
                # Not before: a frozen machine has none, and its state only fits a machine without.
                for plug in machine.plugs:
                    attach(domain, plug)
                if machine.plugs:
                    laps.end("attach disks")
                _end_by_itself(domain)
                for forward in machine.forwards:
                    self._forward(domain, forward)
                pid = _process_id(machine)
                at("loaded")
                domain.resume()
                laps.end("resume")
                at("running")
            except BaseException:
                with contextlib.suppress(libvirt.libvirtError):
                    domain.destroy()
                raise
        logger.debug("machine %s runs as process %d", machine.name, pid)
        return Started(pid, tuple(laps.laps))

    def destroy(self, uuid: str, name: str) -> None:
        """See Hypervisor.destroy."""
        with translated(f"could not end the machine {name}"):
            try:
                self._connection.lookupByUUIDString(uuid).destroy()
            except libvirt.libvirtError as error:
                if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
                    raise

    def freeze(self, machine: Machine, into: Frozen, copies: Copies = (), *, go_on: bool = False) -> None:
        """See Hypervisor.freeze."""
        with translated(f"could not freeze the machine {machine.name}"):
            domain = self._domain(machine)
            ran = runs(domain)
            domain.suspend()
            try:
                rouse(domain)
                for source, target in copies:
                    copy_sparse(source, target)
                with movable(domain, machine):
                    freeze(domain, into, machine.memory, machine.sockets)
            except BaseException:
                # First of all: on a full disk it could not be written down that the machine runs on.
                for path in (into.memory, into.state, *(target for _, target in copies)):
                    path.unlink(missing_ok=True)
                raise
            finally:
                if go_on and ran:
                    domain.resume()

    def pause(self, machine: Machine) -> None:
        """See Hypervisor.pause."""
        with translated(f"could not pause the machine {machine.name}"):
            self._domain(machine).suspend()

    def resume(self, machine: Machine) -> None:
        """See Hypervisor.resume."""
        with translated(f"could not resume the machine {machine.name}"):
            domain = self._domain(machine)
            if not runs(domain):
                # Who was killed while freezing it may have left it so.
                mend(domain)
                domain.resume()

    def plug(self, machine: Machine, plug: Plug) -> None:
        """See Hypervisor.plug."""
        with translated(f"could not attach {plug.label} to the machine {machine.name}"):
            attach(self._domain(machine), plug)

    def unplug(self, machine: Machine, plug: Plug) -> None:
        """See Hypervisor.unplug."""
        with translated(f"could not detach {plug.label} from the machine {machine.name}"):
            detach(self._domain(machine), plug)

    def _domain(self, machine: Machine) -> libvirt.virDomain:
        """A machine that was started before. The embedded driver finds it some time after it was opened."""
        deadline = time.monotonic() + _RECONNECT
        while True:
            try:
                return self._connection.lookupByUUIDString(machine.uuid)
            except libvirt.libvirtError as error:
                if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN or time.monotonic() > deadline:
                    raise
            time.sleep(_POLL)

    def close(self) -> None:
        """See Hypervisor.close."""
        with contextlib.suppress(libvirt.libvirtError):
            self._connection.close()

    def _labels(self) -> dict[str, str]:
        """Labels with which QEMU runs as the user of this program, as it does on the embedded driver.

        So the files that it needs, images that belong to other pods too and hostPath volumes among them,
        need not change hands.
        """
        if self._embedded:
            return {}  # its settings say so already
        told = ET.fromstring(self._connection.getCapabilities())  # noqa: S314 - from libvirt itself
        models = told.iterfind("host/secmodel/model")
        own = {"dac": f"+{os.geteuid()}:+{os.getegid()}"}
        return {model.text: own.get(model.text, "") for model in models if model.text}

    def _forward(self, domain: libvirt.virDomain, forward: Forward) -> None:
        address = "" if forward.host_ip == "0.0.0.0" else forward.host_ip  # noqa: S104 - QEMU's word for it is ''
        rule = f"{forward.protocol.lower()}:{address}:{forward.host_port}-:{forward.pod_port}"
        if human(domain, f"hostfwd_add {_NIC} {rule}"):
            raise PortTakenError(
                f"host port {forward.host_port} ({forward.protocol}) is taken, or this user may not bind it",
                hint="choose another port; ports below 1024 need root",
            )


def version() -> str:
    """libvirt's, as in '9.0.0'."""
    number: int = libvirt.getVersion()
    return f"{number // 10**6}.{number // 1000 % 1000}.{number % 1000}"


class _Laps:
    """What follows one another, timed."""

    def __init__(self) -> None:
        self.laps: list[tuple[str, int, int]] = []
        self._last = time.monotonic_ns()

    def end(self, name: str) -> None:
        """What began with the end of the one before ends here."""
        now = time.monotonic_ns()
        self.laps.append((name, self._last, now))
        self._last = now


def _check_version(version: int) -> None:
    """Raise MissingProgramError for a libvirt without an embedded driver.

    version: major * 10**6 + minor * 1000 + release.
    """
    if version < _OLDEST:
        major, minor = version // 10**6, version // 1000 % 1000
        raise MissingProgramError(
            f"libvirt {major}.{minor} is too old: 6.1 is needed", hint="install a newer libvirt"
        )


def _end_by_itself(domain: libvirt.virDomain) -> None:
    """Let QEMU end when the guest turns itself off, or crashes.

    libvirt has it stop and wait to be ended, even where the domain says 'destroy'; but nobody may be there
    to do that. Source: QEMU, QMP reference, set-action.
    """
    try:
        qmp(domain, "set-action", shutdown="poweroff", reboot="shutdown", panic="shutdown")
    except MonitorError as error:
        raise HypervisorError(str(error), hint="QEMU 6.0 or later is needed") from None


def _process_id(machine: Machine) -> int:
    """The process id of a machine's QEMU: libvirt has no call that tells it."""
    process = machines.find(machine.uuid)
    if process is None:
        raise QemuEndedError(f"starting the machine: QEMU of {machine.name} ended at once")
    return process.pid
