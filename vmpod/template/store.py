"""The templates on this host.

    <root>/<key>/             one template: memory, state, scratch.raw, template.json
    <root>/.<key>.new/        one that is being made, with its machine's sockets
    <root>/.<key>.lock        held by who makes it
    <root>/users              held by who is about to copy one (shared), or removes some (alone)

The key covers everything that a frozen machine depends on, so a template never becomes wrong: with a new
QEMU or a new guest image another key is looked for, and the old one is removed in time. What is there is
believed only as long as its files are the size and age that they had when they were complete.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from vmpod.dataclass import dataclass
from vmpod.errors import NotFoundError
from vmpod.hypervisor import domain, machines
from vmpod.lock import exclusive, held, shared
from vmpod.log import logger
from vmpod.plan import network
from vmpod.plan.model import Frozen, Machine
from vmpod.plan.template import template_of
from vmpod.removable import Removable, disk_usage

USERS = "users"
MEMORY, STATE, SCRATCH, DESCRIPTION = "memory", "state", "scratch.raw", "template.json"
VERSION = 2
_FILES = (MEMORY, STATE, SCRATCH)
KEPT = 8
"""So many templates are kept; before one more is made, the one that was used least recently goes."""


@dataclass(frozen=True)
class Template:
    """A template. memory: of its machine, bytes; shares: places; created, used: seconds since the epoch."""

    key: str
    directory: Path
    memory: int
    cpus: int
    shares: int
    accelerator: str
    guest: str
    qemu: str
    created: float
    used: float

    @property
    def frozen(self) -> Frozen:
        """Its files."""
        return Frozen(self.directory / MEMORY, self.directory / STATE)

    @property
    def scratch(self) -> Path:
        """The scratch disk that it has mounted, read-only; its copies' is a copy of it, or their own."""
        return self.directory / SCRATCH

    @property
    def size(self) -> int:
        """Bytes of the disk that it takes."""
        return disk_usage(self.directory)


class TemplateStore:
    """Finds, makes and removes templates below one directory; safe to use from several processes."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def key(self, machine: Machine) -> str:
        """Of the template that a machine can begin as. Raises OSError."""
        return _digest(template_of(machine, Path("/"), uuid="", mac=""))

    def find(self, key: str) -> Template | None:
        """The template of that key; None if there is none, or it is not what it was."""
        return self._load(self._root / key)

    def damaged(self, key: str) -> bool:
        """Whether there is something that should be the template of that key, and is not."""
        return os.path.lexists(self._root / key) and self.find(key) is None

    def touch(self, template: Template) -> None:
        """Note that it was used."""
        with suppress(OSError):  # it has just gone
            os.utime(template.directory / DESCRIPTION)

    def list(self) -> list[Template]:
        """All that can be used, the newest first."""
        found = (self._load(path) for path in self._directories())
        return sorted((each for each in found if each), key=lambda each: (-each.created, each.key))

    @contextmanager
    def making(self, key: str, waiting: Callable[[], None]) -> Iterator[Path]:
        """Hold the right to make a template, once nobody else has it: a new directory for it.

        What is in it becomes the template with complete(), and goes if that was not called.
        waiting: called once if somebody else is at it.
        """
        self._root.mkdir(parents=True, exist_ok=True)
        new = self._root / f".{key}.new"
        with exclusive(self._root / f".{key}.lock", waiting=waiting):
            _clear(new)
            new.mkdir(mode=0o711)
            try:
                yield new
            finally:
                _clear(new)

    def complete(self, key: str, new: Path, machine: Machine, guest: str) -> Template:
        """Make what was made the template of that key. new: holds its files. Raises OSError."""
        for path in new.iterdir():
            if path.name not in _FILES:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        files = {}
        for name in _FILES:
            with (new / name).open("rb") as file:
                # Also so that its pages are clean, and belong to nobody in particular.
                os.fsync(file.fileno())
            files[name] = _seal(new / name)
        now = time.time()
        found = Template(
            key,
            self._root / key,
            memory=machine.memory,
            cpus=machine.cpus,
            shares=len(machine.shares),
            accelerator=machine.accelerator,
            guest=guest,
            qemu=_qemu()[0],
            created=now,
            used=now,
        )
        told = {"version": VERSION, "files": files} | asdict(found)
        for name in ("key", "directory", "used"):
            del told[name]
        (new / DESCRIPTION).write_text(json.dumps(told, indent=1))
        _remove(self._root / key)
        new.rename(self._root / key)
        self.shrink(KEPT)
        return found

    def discard(self, key: str) -> None:
        """Remove a template that is of no use. Machines that run from it keep its files.

        Who is about to copy it boots, as without one.
        """
        _remove(self._root / key)

    def remove(self, key: str) -> None:
        """Remove a template by its key or the beginning of it. Raises NotFoundError."""
        found = [path.name for path in self._directories() if key and path.name.startswith(key)]
        if len(found) != 1:
            raise NotFoundError(
                f"there is no template {key!r}"
                if not found
                else f"{key!r} begins the name of several templates",
                hint="`vmpod template ls` lists them",
            )
        self.discard(found[0])

    def using(self) -> AbstractContextManager[None]:
        """For who is about to copy a template: none goes until the block ends."""
        self._root.mkdir(parents=True, exist_ok=True)
        return shared(self._root / USERS)

    def prune(
        self,
        wanted: Callable[[Template], bool] | None = None,
        *,
        everything: bool = False,
        dry_run: bool = False,
    ) -> Sequence[Removable]:
        """Remove what no machine runs from and is of no use any more, and return it.

        wanted: whether a template may be used again; None for all of them. everything: those as well.
        """
        if not self._root.is_dir():
            return []
        found = []
        with self._alone():
            busy = _busy()
            for path in self._directories():
                template = self._load(path)
                useful = template is not None and (wanted is None or wanted(template))
                if (everything or not useful) and not busy(path):
                    found.append(Removable("template", path.name, disk_usage(path)))
                    if not dry_run:
                        _remove(path)
            for new in self._abandoned():
                found.append(Removable("leftover", str(new), disk_usage(new)))
                if not dry_run:
                    _clear(new)
        return found

    def abandoned(self) -> Sequence[machines.RunningMachine]:
        """The machines of templates that nobody makes any more."""
        left = self._abandoned()
        running = machines.all_machines() if left else ()
        return [each for each in running if any(each.uses(new) for new in left)]

    def shrink(self, count: int) -> None:
        """Remove the least recently used, so that so many are left, of those that no machine runs from."""
        found = sorted(self.list(), key=lambda each: each.used, reverse=True)
        if len(found) <= count:
            return
        fd = os.open(self._root / USERS, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            busy = _busy()
            for each in found[count:]:
                if not busy(each.directory):
                    _remove(each.directory)
        except BlockingIOError:
            logger.debug("templates are being used: none is removed")
        finally:
            os.close(fd)

    def _abandoned(self) -> Sequence[Path]:
        """What was being made by somebody who is gone."""
        return [new for new in self._root.glob(".*.new") if not held(new.with_suffix(".lock"))]

    def _alone(self) -> AbstractContextManager[None]:
        return exclusive(self._root / USERS)

    def _directories(self) -> Sequence[Path]:
        """The templates, and what is in the place of one."""
        if not self._root.is_dir():
            return []
        return sorted(
            path for path in self._root.iterdir() if path.name != USERS and not path.name.startswith(".")
        )

    def _load(self, directory: Path) -> Template | None:
        path = directory / DESCRIPTION
        try:
            told: dict[str, Any] = json.loads(path.read_bytes())
            if told.pop("version") != VERSION:
                return None
            files = told.pop("files")
            if any(_seal(directory / name) != files[name] for name in _FILES):
                return None
            return Template(key=directory.name, directory=directory, used=path.stat().st_mtime, **told)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None


def _seal(path: Path) -> list[int]:
    """What changes when a file does: size, time of change, number."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ino]


def _digest(machine: Machine) -> str:
    # By whichever way a home leads there: the guest image's name tells what is in it.
    disks = replace(machine.disks, root=machine.disks.root.resolve())
    machine = replace(machine, kernel=machine.kernel.resolve(), initrd=machine.initrd.resolve(), disks=disks)
    parts = {
        "machine": asdict(machine),
        # Devices and their places.
        "layout": Path(domain.__file__).read_text(),
        "card": network.card(ipv6=machine.ipv6),
        "qemu": _qemu(),
        "processor": _processor() if machine.accelerator == "kvm" else "",
        "version": VERSION,
    }
    return hashlib.sha256(json.dumps(parts, default=str, sort_keys=True).encode()).hexdigest()[:16]


def _qemu() -> tuple[str, int, int]:
    """The QEMU that libvirt would start: what it is called, and what changes with its package."""
    path = shutil.which("qemu-system-x86_64") or ""
    status = os.stat(path) if path else None  # noqa: PTH116 - links followed, and '' allowed
    return (os.path.realpath(path), status.st_size, status.st_mtime_ns) if status else ("", 0, 0)


def _processor() -> str:
    """The first processor's model, features and microcode."""
    first = Path("/proc/cpuinfo").read_text().partition("\n\n")[0]
    chosen = ("vendor_id", "cpu family", "model", "stepping", "microcode", "flags")
    return "".join(line for line in first.splitlines() if line.partition("\t")[0].strip() in chosen)


def _busy() -> Callable[[Path], bool]:
    """Tells whether a machine runs from a template's directory."""
    running = list(machines.all_machines())
    return lambda path: any(each.uses(path) for each in running)


def _clear(new: Path) -> None:
    """Remove what was being made, and end its machine."""
    if os.path.lexists(new):
        for machine in machines.all_machines():
            if machine.uses(new):
                machine.end()
        _remove(new)


def _remove(directory: Path) -> None:
    """Remove a template, or whatever somebody has put in its place. Raises OSError."""
    if directory.is_symlink() or directory.is_file():
        directory.unlink(missing_ok=True)
        return
    # First what makes it a template: who is killed meanwhile leaves none half there.
    with suppress(IsADirectoryError):
        (directory / DESCRIPTION).unlink(missing_ok=True)
    shutil.rmtree(directory, ignore_errors=True)
