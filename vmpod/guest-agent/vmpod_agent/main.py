"""PID 1: from the boot disk to a running pod, and to power-off.

Never lets an exception out: a PID 1 that ends takes the kernel with it. What goes wrong is reported to
the host and to the console, and the machine is turned off.
"""

from __future__ import annotations

import errno
import os
import time

from vmpod import wire
from vmpod.wire import boot, events, logdisk, messages
from vmpod.wire.logdisk import DiskError
from vmpod.wire.messages import clipped
from vmpod_agent import cgroups, layout, ports, prepare, syscalls, template
from vmpod_agent.console import report
from vmpod_agent.container import Services
from vmpod_agent.journal import EventJournal, JournalDisk, RunLog
from vmpod_agent.launch import LaunchError
from vmpod_agent.loop import Loop
from vmpod_agent.methods import table
from vmpod_agent.operations import Mount
from vmpod_agent.pod import PodController
from vmpod_agent.process import null, spawn
from vmpod_agent.reaper import Reaper
from vmpod_agent.secrets import Secrets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from vmpod.wire.boot import BootContainer, BootDocument, PodIdentity
    from vmpod.wire.events import AgentEvent
    from vmpod_agent.identity import Identity
    from vmpod_agent.operations import Operation
    from vmpod_agent.reaper import ExitStatus


class Agent:
    """The machine's life."""

    def __init__(self) -> None:
        self._began = _uptime()
        self._loop = Loop()
        self._reaper = Reaper(self._loop)
        self._disk: JournalDisk | None = None
        self._events: EventJournal | None = None
        self.services = Services(self._loop, self._reaper, self._log, Secrets({}))
        self.pod: PodController | None = None
        self._document: BootDocument | None = None
        self._numbers: dict[str, int] = {}
        self._ports: list[ports.ControlPort] = []
        self._waits = False
        """Whether files of containers that have ended are kept at the pod's end."""
        _execute(prepare.bare())
        card = template.card()
        self.waiting = self._copied = card is not None
        if card:
            _execute(prepare.ahead(card))
        else:
            self._open_journal()

    def run(self) -> None:
        """Boot, serve, and return when the machine is to be turned off."""
        if self.waiting:
            self._serve_control_ports()
            self.services.spare = template.warm(self._reaper)
            template.settle()
            report("ready to be copied")
        else:
            _execute([Mount(layout.BOOT_DISK, layout.BOOT, "iso9660", flags=syscalls.MS_RDONLY)])
            self._begin(_read_boot_document())
        self._loop.run()
        if self.pod:
            self.pod.drop_kept()
        if _used(layout.SCRATCH) > _WORTH_WAITING:
            # What is deleted is given back to the host, whose disk it is on.
            self._loop.finish(lambda: not self.services.deleting, _DELETING)
        if any(port.session.open for port in self._ports):
            # QEMU takes what a port was given when it comes to it, and ends at once when the machine does.
            self._loop.finish(lambda: False, _LAST_WORDS)

    def failed(self, error: Exception) -> None:
        """Tell the host why the machine cannot go on."""
        self._say(events.BROKEN, str(error))

    def close(self) -> None:
        """Say so, and see everything that was written on the disks."""
        self._say(events.STOPPED, "")
        os.sync()
        for number, disk in enumerate(self._document["disks"] if self._document else ()):
            if not (disk["read_only"] or disk["block"]):
                from vmpod_agent import attached  # noqa: PLC0415 - few pods have such disks

                attached.let_go(layout.disk(number))

    def _begin(self, document: BootDocument, done: template.Ahead | None = None) -> None:
        """Be the machine of that pod, as far as that goes without its secrets. Raises OSError."""
        self._document = document
        specs = document["init_containers"] + document["containers"]
        if document["network"]:
            self.services.address = document["network"]["address"]
        self._numbers = {spec["name"]: number for number, spec in enumerate(specs)}
        if not self._ports:
            self._serve_control_ports()
        # The host starts to talk when it sees this, and finds the ports open.
        self._say(events.BOOTED, "")
        _execute(prepare.machine(document, done))
        self._limit_pod(document)
        self._choose_processes(document)
        if document["boot"] > 1:
            self._discard_old_layers()
        self._say(events.PREPARED, "")
        self._beat()

    def _limit_pod(self, document: BootDocument) -> None:
        """Limit what all containers have together. Raises OSError."""
        if document["memory"] or document["cpu"] or document["pids"]:
            cgroups.prepare()
            cgroups.limit(layout.POD, memory=document["memory"], cpu=document["cpu"], cpu_request=0)
            if document["pids"]:
                cgroups.limit_processes(layout.POD, document["pids"])
        if document["huge_pages"]:
            cgroups.count_huge_pages()

    def _choose_processes(self, document: BootDocument) -> None:
        """Whose processes containers see. Raises OSError."""
        if document["processes"] == "machine":
            self.services.processes = lambda: None
        elif document["processes"] == "shared":
            from vmpod_agent import shared  # noqa: PLC0415 - few pods want it

            try:
                self.services.processes = shared.begin(self._reaper)
            except LaunchError as error:
                raise OSError(errno.EIO, str(error)) from None

    # What the methods need (methods.Agent).

    def adopt(self, document: BootDocument, identity: Identity, done: template.Ahead) -> bool:
        """See methods.Agent."""
        self.waiting = False
        try:
            # In this order: no event may bear the time of the machine that this one is a copy of.
            self.set_clock(identity.time)
            identity.take()
            self._open_journal()
            self._begin(document, done)
        except (OSError, DiskError) as error:
            self.failed(error)
            self._loop.stop()
            return False
        return True

    def start(self, secrets: dict[str, str], keep: list[str]) -> None:
        """See methods.Agent."""
        assert self._document is not None
        self.services.secrets = Secrets(secrets)
        try:
            _execute(prepare.volumes(self._document, self.services.secrets))
            to_give = prepare.to_give(self._document)
        except (OSError, ValueError, KeyError) as error:
            self.failed(error)
            self._loop.stop()
            return
        assert self._events is not None
        self.pod = PodController(self._document, self.services, self._events.event, self._finished)
        self.pod.keep(keep)
        self._waits = self.pod.keeps
        # By now the clock is the host's: this tells how uptime and time of day belong together.
        self._say(events.HANDED_OVER, "")
        self.pod.announce()
        if to_give:
            from vmpod_agent import attached  # noqa: PLC0415 - few pods have such disks

            group = next(each["group"] for each in self._document["volumes"] if each["group"] >= 0)
            attached.give_beside(to_give, group, self._reaper, self._given)
        else:
            self.pod.begin()
        self._limit_storage(self.pod)
        self._loop.call_later(_IDLE_AFTER, self._settle)

    def _given(self, wrong: str) -> None:
        """The files of claims have been given to the pod's group."""
        assert self.pod
        if not wrong:
            self.pod.begin()
        elif not self.pod.stopping:
            self.failed(OSError(f"could not give the files of a claim to the pod's group: {wrong}"))
            self._loop.stop()

    def _limit_storage(self, pod: PodController) -> None:
        limited = any(volume["size"] for volume in pod.volumes.values() if volume["kind"] == "disk")
        if limited or any(member.spec["storage"] for member in pod.members()):
            from vmpod_agent import storage  # noqa: PLC0415 - few pods have limits

            storage.watch(pod)

    def renew(self, pod: PodIdentity, identity: Identity) -> None:
        """See methods.Agent."""
        assert self._document is not None
        assert self.pod
        before = self._document["pod"]
        self._document["pod"] = pod
        self.set_clock(identity.time)
        identity.take()
        # In place: the containers have these files mounted, and so learn the name.
        _execute(prepare.names(self._document))
        for variables in (member.spec["env"] for member in self.pod.members()):
            for pair in variables:
                # In place as well: for what is executed in a container, and for its next run.
                if pair == ["HOSTNAME", before["hostname"]]:
                    pair[1] = pod["hostname"]
        self._say(events.FORKED, before["name"])

    def number(self, name: str, number: int) -> None:
        """See methods.Agent."""
        self._numbers[name] = number

    def stop(self, grace: int | None, *, keep: bool) -> None:
        """See methods.Agent."""
        self._waits = self._waits and keep
        if self.pod and not self.pod.done:
            self._say(events.STOPPING, "")
            self.pod.stop(grace)
        elif not self._waits:
            self._loop.stop()

    def set_clock(self, nanoseconds: int) -> None:
        """Set the guest's clock (ns since the epoch). Raises OSError."""
        time.clock_settime_ns(time.CLOCK_REALTIME, nanoseconds)

    def _serve_control_ports(self) -> None:
        methods = table(self)
        for _, path in sorted(ports.discover().items()):
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            self._ports.append(ports.ControlPort(self._loop, fd, methods))

    def _discard_old_layers(self) -> None:
        """Delete what the containers of the pod's earlier machines have written outside of volumes."""
        assert self._document is not None
        old = f"{layout.SCRATCH}/old-{self._document['boot']}"
        try:
            os.rename(f"{layout.SCRATCH}/containers", old)
        except FileNotFoundError:
            return
        self._background(["/usr/bin/rm", "-rf", old], lambda _status: None)

    def _settle(self) -> None:
        """What nobody has to wait for: tell the host which memory is free, and follow its clock."""
        from vmpod_agent import clock  # noqa: PLC0415 - see above

        if self._copied and self._document:
            report(f"{_uptime():.3f} s: the pod {self._document['pod']['name']} has been started")
        if _has_balloon():
            self._background(["/usr/sbin/modprobe", "virtio_balloon"], _note_balloon)
        clock.keep(self._loop, self.set_clock)

    def _background(self, argv: list[str], ended: Callable[[ExitStatus], None]) -> None:
        nowhere = null()
        pid = spawn(argv, stdin=nowhere, stdout=nowhere, stderr=nowhere)
        os.close(nowhere)
        self._reaper.adopt(pid, ended)

    def _finished(self, _phase: str) -> None:
        if self._waits:
            self._wait()
        else:
            self._loop.stop()

    def _wait(self) -> None:
        """For who wants files of containers that have ended: for a while, and as long as somebody is here."""

        def over() -> None:
            if self._waits and any(port.session.open for port in self._ports):
                self._wait()
            else:
                self._loop.stop()

        self._loop.call_later(_KEEPING, over)

    def _beat(self) -> None:
        """Let the host see that this loop turns."""
        self._loop.call_later(logdisk.HEARTBEAT_SECONDS, self._beat)
        assert self._disk is not None
        try:
            self._disk.beat()
        except OSError:
            pass  # it asks us then

    def _log(self, spec: BootContainer, run: int) -> RunLog:
        """Where a run of a container writes to."""
        assert self._disk is not None
        log = RunLog(self._disk, self._numbers[spec["name"]], run, lambda told: self._say(events.LOST, told))
        try:
            log.begin()
        except OSError as error:
            report(f"{spec['name']}: its output cannot be stored on the host: {error}")
        return log

    def _say(self, reason: str, message: str) -> None:
        uptime = _uptime()
        # The kernel is told to be quiet; who looks at the console should see that something lives. A copied
        # machine says so later, in one line: the console takes an emulated one 10 ms of its start.
        if not self._copied or reason not in _BEGINNING:
            report(f"{uptime:.3f} s: {reason} {message}".rstrip())
        event: AgentEvent = {
            "kind": "agent",
            "reason": reason,
            "message": clipped(message, 4096),
            "uptime": round(uptime, 3),
        }
        if reason == events.BOOTED and self._document:
            event["boot"] = self._document["boot"]
            if not self._copied:
                event["began"] = round(self._began, 3)
        if self._events:
            self._events.event(event)

    def _open_journal(self) -> None:
        self._disk = JournalDisk(os.open(layout.JOURNAL_DISK, os.O_RDWR | os.O_DSYNC | os.O_CLOEXEC))
        self._events = EventJournal(self._disk)


def _uptime() -> float:
    """Seconds since the kernel started."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


_BEGINNING = (events.BOOTED, events.PREPARED, events.HANDED_OVER)
_VIRTIO = "/sys/bus/virtio/devices"
_BALLOON = 5  # linux/virtio_ids.h
_IDLE_AFTER = 3.0  # seconds after the start of the pod
_WORTH_WAITING = 4 * 1024 * 1024  # bytes
_DELETING = 10.0  # seconds
_LAST_WORDS = 0.2  # seconds
_KEEPING = 60.0  # seconds


def _used(path: str) -> int:
    """Bytes in the files of a file system."""
    status = os.statvfs(path)
    return (status.f_blocks - status.f_bfree) * status.f_frsize


def _read_boot_document() -> BootDocument:
    with open(f"{layout.BOOT}/{wire.BOOT_DOCUMENT_NAME}", "rb") as file:
        return boot.check(messages.parse(file.read()))


def _execute(operations: Iterable[Operation]) -> None:
    """Run the operations in order. Raises OSError that says which one failed."""
    for operation in operations:
        try:
            operation.execute()
        except OSError as error:
            raise OSError(error.errno, f"could not {operation.describe()}: {error.strerror}") from error


def _has_balloon() -> bool:
    for device in os.listdir(_VIRTIO):
        with open(f"{_VIRTIO}/{device}/device") as file:
            if int(file.read(), 16) == _BALLOON:
                return True
    return False


def _note_balloon(status: ExitStatus) -> None:
    if status.code != 0:
        report(
            f"the memory balloon's driver was not loaded (modprobe: {status.code}): memory is not returned"
        )


def main() -> None:
    """Run the agent, and turn the machine off at its end, however that comes."""
    agent = None
    try:
        agent = Agent()
        agent.run()
    except Exception as error:  # nothing may leave PID 1
        report(f"failed: {type(error).__name__}: {error}", error)
        if agent:
            agent.failed(error)
    try:
        if agent:
            agent.close()
    finally:
        syscalls.power_off()
