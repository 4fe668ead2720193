"""Pods as they were at a moment: kept as snapshots, and gone on from, any number of times.

A snapshot is a directory: the frozen machine's memory and state, copies of its disks, and what is written
down about the pod. A pod that begins as one maps the memory privately and gets copies of the disks; so
the containers go on where they were, and find themselves in a pod of another name.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator, MutableSequence, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from vmpod.dataclass import dataclass
from vmpod.errors import ConflictError, HostError, NotFoundError, UsageError
from vmpod.files import write_atomically
from vmpod.lock import exclusive, held
from vmpod.paths import private_dir
from vmpod.plan.forward import Forward, pod_key
from vmpod.plan.model import CONSOLE, Disks, Frozen, Machine
from vmpod.plan.network import mac_address
from vmpod.process import Process
from vmpod.progress import SILENT, Progress
from vmpod.removable import disk_usage
from vmpod.run import copy_sparse
from vmpod.runtime.context import Runtime
from vmpod.runtime.debug import tidied
from vmpod.runtime.disks import gap_of, make_gap
from vmpod.runtime.pausing import running
from vmpod.runtime.ports import check_free, free_port
from vmpod.runtime.preflight import check_memory
from vmpod.runtime.remove import remove_locked
from vmpod.runtime.resize import telling, tells_itself
from vmpod.runtime.update import tell_again
from vmpod.runtime.waking import Waking
from vmpod.spec.machine import OWNER
from vmpod.spec.names import default_hostname, dns_subdomain
from vmpod.spec.naming import full_name
from vmpod.state import record as records
from vmpod.state.machine import load as load_machine
from vmpod.state.machine import save as save_machine
from vmpod.state.record import Record, moment
from vmpod.state.store import PodEntry
from vmpod.wire import messages

_NAME = re.compile("[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?")
"""Of a snapshot."""
_MEMORY, _STATE = "memory", "state"
_LARGE = (_MEMORY, "scratch.raw", "journal.raw")
_SEAL = "files.json"
_REMOVE = "snapshot rm"
_GAP = '"GAP"'
"""Stands, in the description of a snapshot's images disk, for a file that each copy has of its own."""
_MAKING = ".new"
_TIMEOUT = 60.0  # seconds for the agent to answer


@dataclass(frozen=True)
class Snapshot:
    """A pod as it was. created: seconds since the epoch; record: of the pod."""

    name: str
    directory: Path
    record: Record
    created: float

    @property
    def size(self) -> int:
        """Bytes of the disk that it takes."""
        return disk_usage(self.directory)


def snapshots(runtime: Runtime, problems: MutableSequence[HostError]) -> list[Snapshot]:
    """All that there are, by name. problems: takes what is wrong with those that nobody can read."""
    top = runtime.paths.snapshots
    found = []
    for path in sorted(top.iterdir()) if top.is_dir() else ():
        if not path.name.startswith("."):
            try:
                found.append(_read(path))
            except HostError as error:
                problems.append(error)
    return found


def take(runtime: Runtime, pod: str, name: str, progress: Progress = SILENT) -> Snapshot:
    """Keep a pod as it is now; it stands still meanwhile, and then goes on.

    Raises NotFoundError, UsageError for a name that cannot be one, ConflictError, HypervisorError.
    """
    target = _path(runtime, name)
    taken = ConflictError(
        f"there is a snapshot {name} already",
        hint=f"choose another name, or remove that one (`vmpod snapshot rm {name}`)",
    )
    if os.path.lexists(target):
        raise taken
    with _new(target.parent) as new:
        with progress.phase("Freezing the pod"):
            _freeze(runtime, pod, new)
            _seal(new)
        try:
            new.rename(target)
        except OSError as error:
            # Another command was quicker.
            raise (taken if os.path.lexists(target) else error) from error
    return find(runtime, name)


def find(runtime: Runtime, name: str) -> Snapshot:
    """The snapshot of that name. Raises NotFoundError, HostError if it is damaged."""
    return _read(_there(runtime, name))


def remove(runtime: Runtime, name: str) -> None:
    """Remove a snapshot, damaged or not; pods that began as it run on. Raises NotFoundError."""
    path = _there(runtime, name)
    # It is gone at once: who is killed meanwhile leaves what prune removes.
    with _new(path.parent, make=False) as gone:
        path.rename(gone)
        if not gone.is_dir() or gone.is_symlink():
            gone.unlink()


def _there(runtime: Runtime, name: str) -> Path:
    path = _path(runtime, name)
    if not os.path.lexists(path):
        raise NotFoundError(f"there is no snapshot {name!r}", hint="`vmpod snapshot ls` lists them")
    return path


def _read(path: Path) -> Snapshot:
    record = records.load(path, remove=_REMOVE)
    if record is None:
        raise _damaged(path, f"{path / records.FILE} is missing")
    return Snapshot(path.name, path, record, path.stat().st_mtime)


def _damaged(path: Path, why: str) -> HostError:
    name = path.name
    return HostError(f"the snapshot {name} is damaged: {why}", hint=f"`vmpod {_REMOVE} {name}` removes it")


def _seal(directory: Path) -> None:
    """Note what the files of a snapshot are like when it is complete. Raises OSError."""
    sizes = {path.name: path.stat().st_size for path in sorted(directory.iterdir())}
    digests = {name: _digest(directory / name) for name in sizes if name not in _LARGE}
    text = json.dumps({"sizes": sizes, "digests": digests}, indent=1)
    (directory / _SEAL).write_text(text)


def _check_seal(directory: Path) -> None:
    """Raise HostError if a file of a snapshot is not what it was: of large ones the size counts."""
    try:
        told = json.loads((directory / _SEAL).read_bytes())
        sizes, digests = dict(told["sizes"]), dict(told["digests"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise _damaged(directory, f"{directory / _SEAL} cannot be read: {error}") from error
    for name, size in sizes.items():
        path = directory / name
        if not path.is_file():
            raise _damaged(directory, f"{path} is missing")
        if (now := path.stat().st_size) != size:
            raise _damaged(directory, f"{path} has {now} bytes, and had {size}")
        if name in digests and _digest(path) != digests[name]:
            raise _damaged(directory, f"{path} was changed")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def restore(
    runtime: Runtime,
    name: str,
    *,
    pod: str | None = None,
    publish: Sequence[Forward] = (),
    replace_old: bool = False,
    progress: Progress = SILENT,
) -> PodEntry:
    """Let a pod go on from a snapshot.

    pod: its name, None for the one it had; publish: in place of the ports it had, () for those.
    Raises NotFoundError, ConflictError, PortTakenError, HypervisorError; then nothing of it is left.
    """
    snapshot = find(runtime, name)
    # A pod that is to be replaced is still there.
    _check_seal(snapshot.directory)
    record = snapshot.record
    forwards = tuple(publish) or record.forwards
    name = record.name if pod is None else pod
    _check_name(name)
    if not replace_old:
        more = "`--name` gives this one another name, `--replace` removes that one first"
        _check_free(runtime, record.namespace, name, more)
    beginning = _beginning(
        runtime, snapshot.directory, name, forwards, replace_old=replace_old, progress=progress
    )
    with progress.phase("Starting the machine"), beginning as entry:
        return entry


def fork(runtime: Runtime, pod: str, names: Sequence[str], progress: Progress = SILENT) -> list[PodEntry]:
    """Make copies of a pod that runs, each with one of the names and with free ports of the host.

    Raises NotFoundError, ConflictError, HypervisorError; then there is none of them.
    """
    namespace = runtime.pods.find(pod).record.namespace
    more = "`--name-template` gives the copies other names"
    for name in names:
        _check_name(name)
        _check_free(runtime, namespace, name, more)
    with ExitStack() as undo, _new(runtime.paths.snapshots) as new:
        with progress.phase("Freezing the pod"):
            record = _freeze(runtime, pod, new)
        entries = []
        # While one wakes, the next is started.
        with ExitStack() as waking:
            for name in names:
                with progress.phase(starting(name)):
                    forwards = tuple(free_port(forward) for forward in record.forwards)
                    beginning = _beginning(runtime, new, name, forwards, progress=progress)
                    entry = waking.enter_context(beginning)
                undo.callback(_remove, runtime, entry.record.key)
                entries.append(entry)
        undo.pop_all()
    # Nobody needs the files' names any more: the machines have them open, and their space is free when
    # the last one ends.
    shutil.rmtree(new, ignore_errors=True)
    return entries


def starting(name: str) -> str:
    """What a step of fork() is called: to begin the copy of that name."""
    return f"Starting {name}"


@contextmanager
def _new(parent: Path, *, make: bool = True) -> Iterator[Path]:
    """A directory for what is being made, which goes unless it got another name. Raises OSError.

    make: whether it is there when the block begins.
    """
    private_dir(parent)
    path = parent / f".{uuid.uuid4().hex}{_MAKING}"
    # Whoever finds the directory finds it locked.
    with exclusive(_lock_of(path)):
        if make:
            path.mkdir(mode=0o700)
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)
            _lock_of(path).unlink(missing_ok=True)


def _lock_of(path: Path) -> Path:
    return path.with_suffix(".lock")


def abandoned(runtime: Runtime) -> list[Path]:
    """What commands that were killed have left here of snapshots and forks: directories, and their locks."""
    top = runtime.paths.snapshots
    locks = {*top.glob(".*.lock"), *(_lock_of(path) for path in top.glob(f".*{_MAKING}"))}
    free = sorted(each for each in locks if not held(each))
    return [path for each in free for path in (each.with_suffix(_MAKING), each) if path.exists()]


def _freeze(runtime: Runtime, pod: str, into: Path) -> Record:
    entry = runtime.pods.find(pod)
    with runtime.pods.locked(entry.record.key):
        entry = tidied(runtime, running(runtime, pod))
        machine = load_machine(entry.directory)
        _check(entry, machine)
        _freeze_machine(runtime, entry, machine, into)
        gap = gap_of(machine.disks.images)
        text = machine.disks.images.read_text().replace(f'"{gap}"', _GAP)
        kept = Disks.below(into, root=machine.disks.root)
        kept.images.write_text(text)
        shutil.copyfile(machine.disks.boot, kept.boot)
        save_machine(machine, into)
        # Last: with a record it is complete.
        records.save(replace(entry.record, qemu=None, paused=False), into)
    return entry.record


def _check(entry: PodEntry, machine: Machine) -> None:
    name = entry.record.called
    if machine.balloon:
        raise ConflictError(
            f"the pod {name} was started with --no-template: its machine cannot be copied",
            hint="run it again without that option",
        )
    if machine.plugs:
        raise ConflictError(
            f"the pod {name} has {machine.plugs[0].label}: two machines must not write to one file system",
            hint="a snapshot would find the claim changed, and a fork share it; use an emptyDir for what is "
            "to be copied",
        )
    if any(each.attached for each in entry.record.ephemeral):
        raise ConflictError(
            f"the pod {name} is being debugged: a machine with the disk of a debugger cannot be copied",
            hint="end its `vmpod debug` sessions first",
        )
    if any(not each.read_only or each.path.name != "empty" for each in machine.shares):
        raise ConflictError(
            f"the pod {name} has hostPath volumes: a machine with shares that are mounted cannot be copied",
            hint="let an init container copy what it needs into an emptyDir",
        )


def _freeze_machine(runtime: Runtime, entry: PodEntry, machine: Machine, into: Path) -> None:
    disks, kept = machine.disks, Disks.below(into, root=machine.disks.root)
    copies = [(disks.scratch, kept.scratch), (disks.journal, kept.journal)]
    frozen = Frozen(into / _MEMORY, into / _STATE)
    # If we are killed meanwhile it stands still, and that should be seen.
    runtime.pods.save(replace(entry, record=replace(entry.record, paused=True)))
    try:
        with runtime.hypervisor(entry.record.uri, entry.record.sockets) as found:
            found.freeze(machine, frozen, copies, go_on=True)
    finally:
        runtime.pods.save(entry)


def _check_name(name: str) -> None:
    """Raise UsageError for what cannot be the name of a pod, and so not of a directory either."""
    if fault := dns_subdomain(name):
        raise UsageError(f"{name!r} cannot be the name of a pod", hint=f"it {fault}")


def _check_free(runtime: Runtime, namespace: str, name: str, more: str = "") -> None:
    """Raise ConflictError if there is a pod of that name. more: what else to do about it."""
    found = runtime.pods.lookup(pod_key(namespace, name))
    if found:
        called = found.record.called
        hint = f"remove it (`vmpod rm --force {called}`)" + (f"; {more}" if more else "")
        raise ConflictError(f"there is a pod {called} already", hint=hint)


@contextmanager
def _beginning(
    runtime: Runtime,
    source: Path,
    name: str,
    forwards: tuple[Forward, ...],
    *,
    replace_old: bool = False,
    progress: Progress = SILENT,
) -> Iterator[PodEntry]:
    """Start a machine that goes on as another was when it was frozen.

    The block begins when the machine runs; when it ends, the agent has become the copy's. If either fails,
    or the block does, nothing of the copy is left.
    """
    old = records.load(source)
    if old is None:
        raise HostError(f"{source} is gone")
    key = pod_key(old.namespace, name)
    with runtime.pods.locked(key), ExitStack() as failed, ExitStack() as opened, runtime.using():
        if not replace_old:
            _check_free(runtime, old.namespace, name)
        if runtime.pods.directory(key).exists():
            remove_locked(runtime, key, force=True)
        check_free(forwards)
        record = _renamed(runtime, old, name, forwards)
        machine = _machine(runtime, source, record)
        check_memory(machine.memory)
        failed.callback(remove_locked, runtime, key, force=True)
        entry = runtime.pods.save(PodEntry(record, runtime.pods.directory(key)))
        _make_files(source, machine)
        save_machine(machine, entry.directory)
        own = hostname(old, name)
        subdomain = str(old.spec.get("subdomain") or "")
        pod = {
            "name": name,
            "namespace": record.namespace,
            "uid": record.uid,
            "hostname": own,
            "fqdn": full_name(own, subdomain, record.namespace),
        }
        waking = Waking(machine, opened, messages.RENEW, {"pod": pod}, timeout=_TIMEOUT)
        with runtime.hypervisor(record.uri, machine.sockets) as found:
            started = found.start(machine, waking.at)
        for step in started.steps:
            progress.part(*step)
        if process := Process.of(started.pid):
            entry = runtime.pods.save(replace(entry, record=record.with_process(process)))
        yield entry
        awake = waking.wait()
        if tells_itself(record.document):
            tell_again(runtime, entry, telling(record.document, entry), awake)
        failed.pop_all()


def hostname(old: Record, name: str) -> str:
    """Of a pod that goes on under another name: what its manifest says, else the name."""
    stated = old.spec.get("hostname")
    return stated if isinstance(stated, str) and stated else default_hostname(name)


def _renamed(runtime: Runtime, old: Record, name: str, forwards: tuple[Forward, ...]) -> Record:
    uid = str(uuid.uuid4())
    metadata = dict(old.document.get("metadata") or {}) | {"name": name}
    if name != old.name:
        # What made the pod has not made its copy, and must not take it for one too many.
        told = metadata.get("annotations") or {}
        metadata["annotations"] = {key: text for key, text in told.items() if key != OWNER}
    return replace(
        old,
        uid=uid,
        name=name,
        created=moment(time.time()),
        sockets=runtime.pods.sockets(uid),
        forwards=forwards,
        document=dict(old.document) | {"metadata": metadata},
        unwatched="live",
    )


def _machine(runtime: Runtime, source: Path, record: Record) -> Machine:
    state = runtime.pods.directory(record.key)
    old = load_machine(source)
    return replace(
        old,
        name=record.machine_name,
        uuid=record.uid,
        disks=Disks.below(state, root=old.disks.root),
        mac=mac_address(record.uid),
        sockets=record.sockets,
        console_log=state / CONSOLE,
        forwards=record.forwards,
        shares=tuple(replace(share, path=state / "empty") for share in old.shares),
        frozen=Frozen(source / _MEMORY, source / _STATE),
    )


def _make_files(source: Path, machine: Machine) -> None:
    disks, kept = machine.disks, Disks.below(source, root=machine.disks.root)
    machine.sockets.mkdir(mode=0o711)
    machine.console_log.touch(mode=0o600)
    (disks.boot.parent / "empty").mkdir()
    shutil.copyfile(kept.boot, disks.boot)
    images = kept.images.read_text()
    if _GAP in images:
        images = images.replace(_GAP, f'"{make_gap(disks.images)}"')
    write_atomically(disks.images, images.encode())
    copy_sparse(kept.scratch, disks.scratch)
    copy_sparse(kept.journal, disks.journal)


def _remove(runtime: Runtime, key: str) -> None:
    with runtime.pods.locked(key):
        remove_locked(runtime, key, force=True)


def _path(runtime: Runtime, name: str) -> Path:
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be the name of a snapshot", hint="use small letters, digits, dots and hyphens"
        )
    return runtime.paths.snapshots / name
